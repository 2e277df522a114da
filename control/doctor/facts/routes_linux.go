package facts

import (
	"fmt"
	"math"
	"net"
	"net/netip"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"lvsdr/control/localclient"
	"lvsdr/dataplane/frame"
)

func (h *Host) readLinks() error {
	links, err := netlink.LinkList()
	if err != nil {
		return fmt.Errorf("list the interfaces: %w", err)
	}
	for _, l := range links {
		a := l.Attrs()
		link := Link{Index: a.Index, Name: a.Name, MTU: a.MTU, Up: a.Flags&net.FlagUp != 0,
			Loopback: a.Flags&net.FlagLoopback != 0, NoARP: a.RawFlags&unix.IFF_NOARP != 0}
		if len(a.HardwareAddr) == len(link.MAC) {
			link.MAC = frame.MAC(a.HardwareAddr)
		}
		addrs, err := netlink.AddrList(l, netlink.FAMILY_ALL)
		if err != nil {
			return fmt.Errorf("list the addresses of %s: %w", a.Name, err)
		}
		for _, addr := range addrs {
			if localclient.Lends(a.Name, link.MAC) {
				break
			}
			link.Addrs = append(link.Addrs, prefix(addr.IPNet))
		}
		h.Links = append(h.Links, link)
	}
	return nil
}

// prefix is n, without the host bits cut off.
func prefix(n *net.IPNet) netip.Prefix {
	ip, _ := netip.AddrFromSlice(n.IP)
	ones, _ := n.Mask.Size()
	return netip.PrefixFrom(ip.Unmap(), ones)
}

// routeTo asks the kernel for its route to a.
func routeTo(a netip.Addr) Route {
	routes, err := netlink.RouteGet(a.AsSlice())
	if err == nil && len(routes) == 0 {
		err = unix.ENETUNREACH
	}
	if err != nil {
		return Route{Err: err}
	}
	return routeOf(&routes[0])
}

func routeOf(r *netlink.Route) Route {
	out := Route{Ifindex: r.LinkIndex, Local: r.Type == unix.RTN_LOCAL}
	out.Gateway, _ = netip.AddrFromSlice(r.Gw)
	if r.Via != nil {
		out.Gateway, _ = netip.AddrFromSlice(r.Via.(*netlink.Via).Addr)
	}
	out.Source, _ = netip.AddrFromSlice(r.Src)
	out.Gateway, out.Source = out.Gateway.Unmap(), out.Source.Unmap()
	return out
}

// takeDefaults takes the default routes from those of the main table.
func (h *Host) takeDefaults(routes []netlink.Route) {
	for i := range routes {
		ones := 0
		if routes[i].Dst != nil {
			ones, _ = routes[i].Dst.Mask.Size()
		}
		if ones == 0 && routes[i].Type == unix.RTN_UNICAST {
			h.Defaults = append(h.Defaults, routeOf(&routes[i]))
		}
	}
}

// takeRules takes, from the rules of a family, those that end packets in front of
// the table of local addresses, and those that lead this host's own packets
// elsewhere.
func (h *Host) takeRules(family int, rules []netlink.Rule) {
	local := math.MaxInt
	for _, r := range rules {
		if r.Table == unix.RT_TABLE_LOCAL {
			local = min(local, r.Priority)
		}
	}
	for _, r := range rules {
		to := netip.PrefixFrom(netip.IPv4Unspecified(), 0)
		if family == unix.AF_INET6 {
			to = netip.PrefixFrom(netip.IPv6Unspecified(), 0)
		}
		if r.Dst != nil {
			to = prefix(r.Dst)
		}
		switch {
		case r.Table != 0 && r.IifName == "lo" && to.IsSingleIP():
			h.Led = append(h.Led, to.Addr())
		case r.Table == 0 && r.Goto <= 0 && r.Priority <= local: // neither a table nor a goto
			text := fmt.Sprintf("ip rule: %d: to %s", r.Priority, to)
			if r.IifName != "" {
				text += " iif " + r.IifName
			}
			h.Blocks = append(h.Blocks, Block{Priority: r.Priority, To: to, Text: text + ", which ends packets"})
		}
	}
}
