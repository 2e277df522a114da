package site

import (
	"errors"
	"net/netip"

	"lvsdr/control/hostnet"
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

// hostOrNone is h, also where that is nil.
func hostOrNone(h Host) Host {
	if h == nil {
		return noHost{}
	}
	return h
}
