package control

import (
	"fmt"
	"net"
	"net/netip"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"lvsdr/dataplane"
	"lvsdr/dataplane/frame"
)

// An onLink is an interface by which an address is reached without a gateway.
type onLink struct {
	link   *net.Interface
	source netip.Addr // of a real server: this host's own address there; invalid: none
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

// host is the network of this host: its routing tables.
type host struct{}

func (host) vip(addr netip.Addr, ifname string) (onLink, error) {
	r, err := route(addr)
	switch {
	case err == nil && r.Type == unix.RTN_LOCAL:
		return onLink{}, fmt.Errorf("%s is configured on this host, whose kernel would answer for it too; "+
			"remove it: ip addr del %s/%d dev IFACE", addr, addr, addr.BitLen())
	case ifname != "":
		link, err := net.InterfaceByName(ifname)
		if err != nil {
			return onLink{}, fmt.Errorf("interface %s: %w", ifname, err)
		}
		return ethernet(link, netip.Addr{})
	case err != nil:
		return onLink{}, fmt.Errorf("find the interface of %s: %w; name it with -i IFACE", addr, err)
	case r.Gw != nil || r.Via != nil:
		return onLink{}, fmt.Errorf("%s is not on a network of this host; name its interface with -i IFACE "+
			"or default_interface in global_defs", addr)
	}
	return linkOf(r)
}

func (host) server(addr netip.Addr) (onLink, error) {
	r, err := route(addr)
	switch {
	case err != nil:
		return onLink{}, fmt.Errorf("find the interface of %s: %w", addr, err)
	case r.Type == unix.RTN_LOCAL:
		return onLink{}, fmt.Errorf("%s is an address of this host; a director that is its own real server is not supported", addr)
	case r.Gw != nil || r.Via != nil:
		return onLink{}, fmt.Errorf("%s is not on a network of this host, and Direct Routing cannot cross a router; "+
			"put it on a common network, or give this host an address or an on-link route there: ip route add %s/%d dev IFACE", addr, addr, addr.BitLen())
	}
	return linkOf(r)
}

// route is the kernel's route to addr.
func route(addr netip.Addr) (*netlink.Route, error) {
	rs, err := netlink.RouteGet(addr.AsSlice())
	if err != nil {
		return nil, err
	}
	if len(rs) == 0 {
		return nil, unix.ENETUNREACH
	}
	return &rs[0], nil
}

func linkOf(r *netlink.Route) (onLink, error) {
	link, err := net.InterfaceByIndex(r.LinkIndex)
	if err != nil {
		return onLink{}, fmt.Errorf("interface %d: %w", r.LinkIndex, err)
	}
	src, _ := netip.AddrFromSlice(r.Src)
	return ethernet(link, src.Unmap())
}

// ethernet refuses interfaces whose frames the director cannot rewrite.
func ethernet(link *net.Interface, source netip.Addr) (onLink, error) {
	if len(link.HardwareAddr) != 6 || link.Flags&net.FlagLoopback != 0 {
		return onLink{}, fmt.Errorf("interface %s is not an Ethernet interface; Direct Routing rewrites MAC addresses", link.Name)
	}
	if link.Flags&net.FlagUp == 0 {
		return onLink{}, fmt.Errorf("interface %s is down; bring it up: ip link set %s up", link.Name, link.Name)
	}
	return onLink{link: link, source: source}, nil
}
