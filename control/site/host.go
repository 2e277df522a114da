package site

import (
	"errors"
	"net/netip"

	"lvsdr/control/hostnet"
	"lvsdr/dataplane/frame"
)

// A Host knows where addresses are, as at one moment; a *hostnet.Snapshot does.
// Its answers to the same question are the same.
type Host interface {
	// VIP is where a virtual address is received; ifname, if not empty, names the
	// interface. The error says what to do about it.
	VIP(addr netip.Addr, ifname string) (hostnet.Place, error)
	// Server is where a real server is reached.
	Server(addr netip.Addr) (hostnet.Place, error)
}

// noHost is the host before anything is known about it.
type noHost struct{}

var errNoHost = errors.New("the networks of this host are not known yet")

// VIP is part of Host.
func (noHost) VIP(netip.Addr, string) (hostnet.Place, error) { return hostnet.Place{}, errNoHost }

// Server is part of Host.
func (noHost) Server(netip.Addr) (hostnet.Place, error) { return hostnet.Place{}, errNoHost }

var _ Host = noHost{}

// A Guarded is a Host that knows from which addresses no packet of another host can
// come.
type Guarded interface {
	Host
	// Martians are these: the host's own, and those of its networks. The caller does
	// not change them.
	Martians() []frame.Addr
}

// A Linked is a Host that knows which links are down.
type Linked interface {
	Host
	// Down is why no frame comes or goes by a link, and begins with its name; empty:
	// frames do.
	Down(index int) string
}

// An Addressed is a Host that knows its addresses.
type Addressed interface {
	Host
	// Has reports whether the host has the address.
	Has(netip.Addr) bool
}

// LinkUp reports whether the host has a link with this name, and frames come and go by it.
func (s *State) LinkUp(name string) bool {
	l, ok := s.LinkNamed(name)
	return ok && l.Up && s.down(l) == ""
}

// Reaches reports whether an address is on a network of the host whose link is up.
func (s *State) Reaches(a netip.Addr) bool {
	p, err := s.host.Server(a)
	return err == nil && p.Link.Up && s.down(p.Link) == ""
}

// HasAddress reports whether the host has an address.
func (s *State) HasAddress(a netip.Addr) bool {
	h, ok := s.host.(Addressed)
	return ok && h.Has(a)
}

// down is why no frame comes or goes by a link; empty: frames do.
func (s *State) down(l hostnet.Link) string {
	if h, ok := s.host.(Linked); ok && l.Index != 0 {
		return h.Down(l.Index)
	}
	return ""
}

// Martians are the addresses that no packet of another host has as its source; empty,
// not nil, where the host does not know any.
func (s *State) Martians() []frame.Addr {
	if g, ok := s.host.(Guarded); ok {
		return g.Martians()
	}
	return []frame.Addr{}
}

// hostOrNone is h, also where that is nil.
func hostOrNone(h Host) Host {
	if h == nil {
		return noHost{}
	}
	return h
}
