package arp

import (
	"net/netip"

	"lvsdr/dataplane/frame"
)

// A Standing holds the VIPs and MAC addresses of a process before this one, which goes on
// with them. The zero Standing has none.
type Standing struct {
	// VIPs are announced: one of them that is set is neither looked for nor announced in a
	// burst, but from time to time, as one whose burst is over. The others on its link know it.
	VIPs []VIP
	// Known are the MAC addresses of targets: one of them that is set starts as one that has
	// just been heard of.
	Known []Known
}

// A Known is the MAC address of a host on an interface.
type Known struct {
	IP      netip.Addr
	Ifindex int32
	MAC     frame.MAC
}

// stand has a go on with vips, each once.
func (a *announcer) stand(vips []VIP) {
	a.standing = make(map[VIP]bool, len(vips))
	for _, v := range vips {
		a.standing[v] = true
	}
}

// stand has r go on with known, each once.
func (r *resolver) stand(known []Known) {
	r.standing = make(map[place]frame.MAC, len(known))
	for _, k := range known {
		if station(k.MAC) {
			r.standing[place{k.Ifindex, k.IP}] = k.MAC
		}
	}
}
