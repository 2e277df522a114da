package site

import (
	"fmt"
	"iter"
	"net/netip"
	"slices"
)

// A LocalVIP is a virtual address as clients on this host use it, or real servers on it.
type LocalVIP struct {
	Addr netip.Addr
	// Source is the address that clients get which choose none; the real servers
	// must be able to answer it. The zero Addr: clients on this host are not served.
	Source netip.Addr
	// Replies are the indexes of the interfaces by which answers come in.
	Replies []int
	Served  bool // a real server is on this host
}

// LocalVIPs are the virtual addresses for the clients and the real servers on this host, and
// the greatest packet in bytes that all links carry. lacking says which cannot be
// served to the clients, and why.
func (s *State) LocalVIPs() (vips []LocalVIP, mtu int, lacking []string) {
	for v := range s.placedVIPs() {
		local := LocalVIP{Addr: v.Addr, Replies: []int{v.Place.Link.Index}}
		for at := range s.reachedBy(v.Addr) {
			if at.here() {
				local.Served = true
				continue
			}
			if !local.Source.IsValid() {
				local.Source = at.Source
			}
			if !slices.Contains(local.Replies, at.Link.Index) {
				local.Replies = append(local.Replies, at.Link.Index)
			}
		}
		if !local.Source.IsValid() {
			local.Source = v.Place.Source
		}
		switch {
		case v.Place.Local != "": // clients on this host end at its own address; Place.Warning says so
			local.Source, local.Replies = netip.Addr{}, nil
		case !local.Source.IsValid():
			lacking = append(lacking, fmt.Sprintf("this host has no address on the network of the real servers of %v; "+
				"give it one: ip addr add ADDRESS/BITS dev %s", v.Addr, v.Place.Link.Name))
		}
		if local.Source.IsValid() || local.Served {
			vips = append(vips, local)
		}
	}
	for _, n := range s.NICs() {
		if mtu == 0 || n.Link.MTU < mtu {
			mtu = n.Link.MTU
		}
	}
	return vips, mtu, lacking
}

// reachedBy are the places of the real servers of a virtual address: of each
// service first those of the file, in its order, also while they are down.
func (s *State) reachedBy(vip netip.Addr) iter.Seq[*place] {
	return func(yield func(*place) bool) {
		for service := range s.servicesAt(vip) {
			for _, addr := range s.addresses(service) {
				if p := s.place(addr); p.ok() && !yield(p) {
					return
				}
			}
		}
	}
}

// addresses are those of the real servers of a service: first those of the file,
// then those of the table, the oldest first.
func (s *State) addresses(service *Service) []netip.Addr {
	var all []netip.Addr
	if d, ok := s.demands.Get(key(service.Config.Key)); ok {
		all = slices.Clone(d.file.addrs)
	}
	for _, r := range slices.Backward(service.Servers) {
		all = append(all, r.Config.Addr.IP())
	}
	return all
}
