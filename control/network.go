package control

import (
	"fmt"
	"net"
	"net/netip"

	"lvsdr/control/hostnet"
	"lvsdr/dataplane"
	"lvsdr/dataplane/frame"
)

// An onLink is an interface by which an address is reached without a gateway.
type onLink struct {
	link    *net.Interface
	source  netip.Addr // this host's own address there; invalid: none
	local   bool       // of a VIP: it is an address of this host too
	warning string
}

func (o onLink) mac() frame.MAC { return frame.MAC(o.link.HardwareAddr) }

func (o onLink) dataplane() dataplane.Link {
	return dataplane.Link{Index: int32(o.link.Index), MAC: o.mac(), MTU: o.link.MTU}
}

// network answers where addresses are.
type network interface {
	// vip is where a VIP is received; ifname, if not empty, says it.
	vip(addr netip.Addr, ifname string) (onLink, error)
	// server is where a real server is reached.
	server(addr netip.Addr) (onLink, error)
}

// host is the network of this host at one moment.
type host struct{ *hostnet.Snapshot }

// readHost looks at this host's networks; hidesLocal says that a VIP may be one
// of its addresses.
func readHost(hidesLocal bool) (host, error) {
	s, err := hostnet.Read()
	if err != nil {
		return host{}, err
	}
	s.HidesLocal = hidesLocal
	return host{s}, nil
}

func (h host) vip(addr netip.Addr, ifname string) (onLink, error) { return at(h.VIP(addr, ifname)) }

func (h host) server(addr netip.Addr) (onLink, error) { return at(h.Server(addr)) }

// at is a place with its interface.
func at(p hostnet.Place, err error) (onLink, error) {
	if err != nil {
		return onLink{}, err
	}
	link, err := net.InterfaceByIndex(p.Link.Index)
	if err != nil {
		return onLink{}, fmt.Errorf("interface %s: %w", p.Link.Name, err)
	}
	return onLink{link: link, source: p.Source, local: p.Local != "", warning: p.Warning}, nil
}
