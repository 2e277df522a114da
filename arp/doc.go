// Package arp is the director's side of the Address Resolution Protocol
// (RFC 826, RFC 5227), for IPv4 over Ethernet. The virtual addresses (VIPs) are
// not configured on the host, so its kernel stays silent about them, and three
// things are owed here:
//
//	Decide      answers who-has requests for a VIP and notices who else uses it
//	Announcer   says where a VIP is, when it comes and from time to time
//	Resolver    keeps the MAC address of every real server
//
// These three are pure: frames and the moment go in, packets come out. The
// moment is a time.Duration since any fixed instant and never runs backwards.
// Service joins them to the world at two ends: the Inbox, which the packet path
// fills, and a Sender.
//
//	worker ──Inbox.Put──▶ Service.Run ──▶ parse ▶ Resolver.Learn ▶ Decide ──▶ Sender
//	                            timers ──▶ Announcer.Due, Resolver.Due ────────┘
//
// Packets are made and read with github.com/mdlayher/arp, frames leave through
// github.com/mdlayher/packet.
package arp
