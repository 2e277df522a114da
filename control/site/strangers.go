package site

import (
	"fmt"
	"net/netip"

	"lvsdr/control/site/tree"
)

// Strangers says to which servers connections go that another director has told of and
// whose server is in no service here. They are asked for their MAC addresses, so that packets
// get there, and are nothing else: no virtual address waits for them, and they are no problem
// where they cannot be reached.
type Strangers struct{ Addrs []netip.Addr }

func (e Strangers) apply(s *State) ([]Notice, error) {
	before := s.strangers
	s.strangers = tree.Map[netip.Addr, *place]{}
	for _, addr := range e.Addrs {
		p, known := before.Get(addr)
		if s.strangers = s.strangers.Put(addr, p); !known {
			s.placeStranger(addr)
		}
	}
	for addr, p := range before.All() {
		s.leave(addr, p)
	}
	return nil, nil
}

// placeStrangers finds the places of all strangers anew.
func (s *State) placeStrangers() {
	for addr := range s.strangers.All() {
		s.placeStranger(addr)
	}
}

// placeStranger finds the place of a stranger.
func (s *State) placeStranger(addr netip.Addr) {
	was, is := s.reached(addr), s.findStranger(addr)
	if p, _ := s.strangers.Get(addr); p != nil && *p == is {
		return
	}
	s.strangers = s.strangers.Put(addr, &is)
	s.leave(addr, was)
}

// findStranger finds the place of a stranger, which must be on a network of this host: what
// another director delivers to its own is not for this one.
func (s *State) findStranger(addr netip.Addr) place {
	at, err := s.serverPlace(addr)
	if err == nil && at.Local != "" {
		return place{lack: lack{err: fmt.Sprintf("%v is an address of this host", addr)}}
	}
	if err == nil {
		return place{Place: at}
	}
	if was, _ := s.strangers.Get(addr); was.ok() && s.keeps(was.Place) {
		return *was
	}
	return place{lack: lackOf(err)}
}

// reached is the place of a server or a stranger.
func (s *State) reached(addr netip.Addr) *place {
	if p := s.place(addr); p != nil {
		return p
	}
	p, _ := s.strangers.Get(addr)
	return p
}

// leave forgets the MAC address of addr unless it is still where it was.
func (s *State) leave(addr netip.Addr, was *place) {
	if is := s.reached(addr); was.ok() && (!is.ok() || is.Link.Index != was.Link.Index || is.Gateway != was.Gateway) {
		s.setMAC(addr, neighbour{})
	}
}
