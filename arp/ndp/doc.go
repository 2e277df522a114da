// Package ndp reads and makes the two messages of Neighbor Discovery (RFC 4861)
// that do for IPv6 what ARP does for IPv4: the solicitation, which asks who has
// an address, and the advertisement, which says who has it. It is the IPv6 half
// of package arp, which decides what is done about them.
//
// The packet path has to hand over what Wanted describes. Such frames come by
// multicast: an interface must have joined GroupMAC(Group(a)) for every address
// a that is answered for, or its filter drops the questions.
//
// The messages and their options are made and read with
// github.com/mdlayher/ndp; what it leaves to others, the IPv6 header, the
// checksum and the rules of RFC 4861 section 7.1, is here. Everything is pure.
// Secure Neighbor Discovery (RFC 3971) is not understood: its options are
// ignored. The nonces of RFC 7527 are too: our own messages, when a link sends
// them back, are known by their MAC addresses.
package ndp
