// Package vrrp decides with other routers on a network who is the master of a virtual router: the Virtual Router
// Redundancy Protocol, version 2 (RFC 3768) and 3 (RFC 9568), as keepalived speaks it.
//
// A Machine is pure: time is a number, adverts come in and go out as values. An Actor runs it on the sockets of the
// host. What a role means for addresses, announcements and services is not known here.
//
//	         shutdown, fault                    master down timer
//	INIT ──▶ BACKUP ◀────────────────┐ BACKUP ──────────────────▶ MASTER
//	  ▲        │ a tracker is down   │ advert of a higher priority   │
//	  │        ▼                     └───────────────────────────────┘
//	  └──── FAULT ◀── a tracker is down ─────────────────────────────┘
package vrrp
