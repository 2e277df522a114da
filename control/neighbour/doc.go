// Package neighbour keeps the kernel's neighbour entries for real servers at the MAC
// addresses that the director believes. Health checks go by the kernel, which
// believes whatever host of the link claims an address; the director asks first
// (package arp).
//
//	kernel's message ──▶ Keeper ──differs from the belief──▶ entry set back, as REACHABLE
//	belief changes ────▶   │
//	                       └─▶ Event, at most one a minute for each real server
//
// An entry that an operator or a routing daemon has made stays as it is. A belief in
// doubt, because the real server was asked and has not answered yet, is waited for.
// Entry by entry what counts is the kernel's table as it is at the moment, so that
// lost messages, and calls that fail, are made up for.
package neighbour
