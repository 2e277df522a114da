package ndp

import (
	"encoding/binary"
	"net/netip"

	mdndp "github.com/mdlayher/ndp"

	"lvsdr/dataplane/frame"
)

// Group is the solicited-node multicast address of the IPv6 address a (RFC 4291
// section 2.7.1), where those are asked who may have a. It panics if a is not
// IPv6.
func Group(a netip.Addr) netip.Addr {
	g, err := mdndp.SolicitedNodeMulticast(a)
	if err != nil {
		panic("ndp: " + err.Error())
	}
	return g
}

// isGroup reports whether a is in ff02::1:ff00:0/104, where the solicited-node
// addresses are.
func isGroup(a netip.Addr) bool {
	b := a.As16()
	return [13]byte(b[:13]) == [13]byte{0: 0xff, 1: 2, 11: 1, 12: 0xff}
}

// GroupMAC is the Ethernet address that a multicast address is sent to: 33:33
// and its last four bytes (RFC 2464 section 7).
func GroupMAC(group netip.Addr) frame.MAC {
	b := group.As16()
	return frame.MAC{0x33, 0x33, b[12], b[13], b[14], b[15]}
}

// LinkLocal is the link-local address of the interface with the address m
// (RFC 2464 section 5). Unless another interface has m no other host has it, so
// a solicitation may have it as its source even on a host that has chosen
// another one: the answer comes to m.
func LinkLocal(m frame.MAC) netip.Addr {
	return netip.AddrFrom16([16]byte{
		0: 0xfe, 1: 0x80,
		8: m[0] ^ 0x02, 9: m[1], 10: m[2], 11: 0xff, 12: 0xfe, 13: m[3], 14: m[4], 15: m[5],
	})
}

// Wanted reports whether the Ethernet frame f is for the inbox of package arp:
// a solicitation or an advertisement from this very link. One that a router has
// passed on has lost its hop limit of 255 and is not: the inbox cannot be filled
// from another link. Everything else Parse looks into. The destination does not
// matter: an interface that is not promiscuous receives what is sent to it and
// to the groups it has joined. It neither allocates nor keeps f.
func Wanted(f []byte) bool {
	at := frame.EtherLen
	if len(f) >= frame.EtherLen && binary.BigEndian.Uint16(f[12:]) == frame.EtherTypeVLAN {
		at += frame.TagLen
	}
	if len(f) <= at+headerLen || binary.BigEndian.Uint16(f[at-2:]) != frame.EtherTypeIPv6 {
		return false
	}
	ip := f[at:]
	return ip[0]>>4 == 6 && ip[nextHeader] == protoICMPv6 && ip[hopLimit] == maxHops &&
		(ip[headerLen] == typeSolicitation || ip[headerLen] == typeAdvertisement)
}
