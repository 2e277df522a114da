package arp

import (
	"net/netip"
	"slices"

	"lvsdr/dataplane/frame"
)

// A known is a real server, or a gateway to some, whose MAC address is known.
type known struct {
	place
	mac  frame.MAC
	name string // for messages
}

// An identity is how a real server is known again. One with addresses of both
// families has one MAC address and two identities.
type identity struct {
	mac frame.MAC
	is6 bool
}

// A view is the knowledge that decide uses.
type view struct {
	vips    map[place]VIP
	anyVIP  map[netip.Addr]bool // on whichever interface
	quiet   map[place]bool      // active and not answered for, see announcer
	own     map[frame.MAC]bool  // of this host
	servers map[identity][]known
}

// newView makes a view without real servers. The addresses of own, beside the
// VIPs' MACs, are this host's.
func newView(vips []VIP, own []frame.MAC) *view {
	v := &view{
		vips:    make(map[place]VIP, len(vips)),
		anyVIP:  make(map[netip.Addr]bool, len(vips)),
		own:     make(map[frame.MAC]bool, len(own)+1),
		servers: make(map[identity][]known),
	}
	for _, vip := range vips {
		v.vips[vip.place()] = vip
		v.anyVIP[vip.Addr] = true
		v.own[vip.MAC] = true
	}
	for _, m := range own {
		v.own[m] = true
	}
	return v
}

// learn puts k in, if it has a MAC address.
func (v *view) learn(k known) {
	if k.mac == (frame.MAC{}) {
		return
	}
	id := identity{k.mac, k.addr.Is6()}
	at, _ := slices.BinarySearchFunc(v.servers[id], k.place, known.compare)
	v.servers[id] = slices.Insert(v.servers[id], at, k)
}

// forget takes k out.
func (v *view) forget(k known) {
	id := identity{k.mac, k.addr.Is6()}
	rest := slices.DeleteFunc(v.servers[id], func(x known) bool { return x.place == k.place })
	if v.servers[id] = rest; len(rest) == 0 {
		delete(v.servers, id)
	}
}

// server is the real server that sent in, by its address of the VIP's family if
// it has one. If several have one MAC address it is the first by interface
// and address.
func (v *view) server(in *input, vip VIP) (known, bool) { return v.serverAt(in.SenderMAC, vip) }

// serverAt is server for a MAC address.
func (v *view) serverAt(mac frame.MAC, vip VIP) (known, bool) {
	for _, is6 := range []bool{vip.Addr.Is6(), !vip.Addr.Is6()} {
		if all := v.servers[identity{mac, is6}]; len(all) > 0 {
			return all[0], true
		}
	}
	return known{}, false
}
