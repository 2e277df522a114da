package arp

import (
	"cmp"
	"slices"

	"lvsdr/dataplane/frame"
)

// A Group is an Ethernet multicast address that an interface must receive, so
// that those who ask for an IPv6 VIP are heard. ARP asks by broadcast and needs
// none.
type Group struct {
	Ifindex int32
	MAC     frame.MAC
}

// Groups are the groups of vips, each once, ordered. Addresses that differ in
// their first 13 bytes only share one.
func Groups(vips []VIP) []Group {
	var all []Group
	for _, v := range vips {
		if v.Addr.Is6() {
			all = append(all, Group{v.Ifindex, solicited(v.Addr)})
		}
	}
	slices.SortFunc(all, func(x, y Group) int {
		return cmp.Or(cmp.Compare(x.Ifindex, y.Ifindex), slices.Compare(x.MAC[:], y.MAC[:]))
	})
	return slices.Compact(all)
}

// A Joiner makes interfaces receive multicast. A network card drops what nobody
// on the host has joined; a veth passes everything.
type Joiner interface {
	// Join replaces the groups that are received for this Joiner's sake. It
	// does not keep groups. After an error those of before are still received.
	// The Service calls it under its lock: it must not call back.
	Join(groups []Group) error
}
