package dataplane

import (
	"encoding/binary"

	"lvsdr/conntrack"
	"lvsdr/dataplane/frame"
)

// recent are the services by address and port that new connections were made in last,
// each at the place of its key: most begin in one of a few, and the map's hash costs more
// than all else that finding it takes.
type recent [1 << recentBits]*service

const recentBits = 8

// place is that of a key. No secret is in it: there are only services in the places, and
// who sends packets does not choose their keys.
func (r *recent) place(proto frame.Proto, addr *frame.Addr, port uint16) **service {
	n := binary.LittleEndian.Uint32(addr[12:]) ^ binary.LittleEndian.Uint32(addr[8:]) ^ uint32(port)<<16 ^ uint32(proto)
	return &r[n*0x9e3779b1>>(32-recentBits)]
}

// at is the service of the address and protocol of k on a port; nil: there is none.
func (all *services) at(k *conntrack.Key, port uint16) *service {
	place := all.recent.place(k.Proto, &k.Virtual, port)
	if s := *place; s != nil && s.isAt(k, port) {
		return s
	}
	s := all.byKey[ServiceKey{Proto: k.Proto, Addr: k.Virtual, Port: port}]
	if s != nil {
		*place = s
	}
	return s
}

// isAt reports whether s is the service of the address and protocol of k on a port. A
// service by mark has no address, and is nobody's.
func (s *service) isAt(k *conntrack.Key, port uint16) bool {
	return s.cfg.Key.Port == port && s.cfg.Key.Proto == k.Proto && s.cfg.Key.Addr == k.Virtual
}

// forget has at not find s any more.
func (r *recent) forget(s *service) {
	k := &s.cfg.Key
	if place := r.place(k.Proto, &k.Addr, k.Port); *place == s {
		*place = nil
	}
}
