// Package frame turns bytes into fields and back: Ethernet with an optional
// VLAN tag, IPv4, IPv6 with its extension headers, TCP, UDP, SCTP and ICMP of
// both families. It recognises ARP, which package arp reads. It reads a frame
// once, checks every length before it indexes, keeps nothing and allocates
// nothing.
//
// Parse and Inner are the only decoders of the packet path: Inner reads the
// packet that an ICMP error quotes. The edits (MAC addresses, TTL with an
// incremental header checksum) are the only ones that Direct Routing needs;
// AppendFragment cuts what is too long for the link behind the director.
//
// Package build makes frames, frametest has the slow reference for tests.
package frame
