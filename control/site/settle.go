package site

import (
	"net/netip"

	"lvsdr/control/site/tree"
	"lvsdr/dataplane"
)

// settle follows the table, which was old, with the virtual addresses and the
// places of the servers that ipvsadm added. It reports whether a server of the
// file has got a place by it, or lost it.
func (s *State) settle(old *Table) (moved bool) {
	for k, c := range tree.Diff(old.all(), s.table.all()) {
		if s.settleServers(c.Old, c.New) {
			moved = true
		}
		if c.WasIn == c.IsInNow {
			continue
		}
		for _, addr := range s.addressesOf(dataplane.ServiceKey(k)) {
			moved = s.settleVIP(addr) || moved
		}
	}
	return moved
}

// settleServers counts the servers that ipvsadm added to a service, which was old
// and is new, and finds or forgets their places; nil is no service.
func (s *State) settleServers(old, new *Service) (moved bool) {
	var touched []netip.Addr
	count := func(service *Service, n int) {
		if service == nil {
			return
		}
		for _, r := range service.Servers {
			if r.Owner == Runtime {
				addr := r.Config.Addr.IP()
				have, _ := s.runtime.Get(addr)
				have.servers += n
				if r.Config.Method != dataplane.Direct {
					have.routed += n
				}
				s.runtime = s.runtime.Put(addr, have)
				touched = append(touched, addr)
			}
		}
	}
	count(new, 1)
	count(old, -1)
	s.countMethods(new, 1)
	s.countMethods(old, -1)
	for _, addr := range touched {
		if have, _ := s.runtime.Get(addr); have == (added{}) {
			s.runtime = s.runtime.Delete(addr)
		}
		if s.placeServer(addr) {
			moved = true
		}
	}
	return moved
}

// settleVIP finds the place of a virtual address when its first service comes,
// and forgets it when its last one goes. A real server must not have the address.
func (s *State) settleVIP(addr netip.Addr) (moved bool) {
	used := false
	for range s.servicesAt(addr) {
		used = true
		break
	}
	switch _, had := s.vips.Get(addr); {
	case used && !had:
		s.placeVIP(addr)
	case !used:
		s.vips = s.vips.Delete(addr)
	}
	if _, is := s.strangers.Get(addr); is {
		s.placeStranger(addr)
	}
	if s.place(addr) != nil {
		return s.placeServer(addr)
	}
	return false
}
