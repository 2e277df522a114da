package hostnet

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"lvsdr/control/policyroute"
	"lvsdr/dataplane/frame"
)

// Read takes a snapshot of the network namespace of the calling thread. It needs
// no privilege. A kernel without IPv6 has nothing of it.
func Read() (*Snapshot, error) {
	h, err := netlink.NewHandle(unix.NETLINK_ROUTE)
	if err != nil {
		return nil, fmt.Errorf("open a netlink socket: %w", err)
	}
	defer h.Close()
	s := &Snapshot{}
	links, err := policyroute.Dump(h.LinkList)
	if err != nil {
		return nil, fmt.Errorf("list the interfaces: %w", err)
	}
	for _, l := range links {
		s.Links = append(s.Links, LinkOf(l))
		if lacksCarrier(l) {
			s.NoCarrier = append(s.NoCarrier, l.Attrs().Index)
		}
	}
	for _, family := range []int{unix.AF_INET, unix.AF_INET6} {
		if err := s.readFamily(h, family); err != nil {
			return nil, err
		}
	}
	if err := s.readNeighbours(h); err != nil {
		return nil, err
	}
	return s, nil
}

// LinkOf is a link of the netlink library as a value.
func LinkOf(l netlink.Link) Link {
	a := l.Attrs()
	out := Link{Name: a.Name, Index: a.Index, MTU: a.MTU, Up: a.Flags&net.FlagUp != 0, Kind: l.Type()}
	switch {
	case a.Flags&net.FlagLoopback != 0:
		out.Kind = Loopback
	case a.EncapType == "ether" && len(a.HardwareAddr) == len(out.MAC):
		out.MAC = frame.MAC(a.HardwareAddr)
	}
	if out.Kind == "device" {
		out.Kind = ""
	}
	return out
}

func (s *Snapshot) readFamily(h *netlink.Handle, family int) error {
	addrs, err := policyroute.Dump(func() ([]netlink.Addr, error) { return h.AddrList(nil, family) })
	if err != nil {
		return fmt.Errorf("list the addresses: %w", err)
	}
	for _, a := range addrs {
		s.Addrs = append(s.Addrs, Addr{Link: a.LinkIndex, Prefix: prefixOf(a.IPNet, family),
			Tentative:  a.Flags&(unix.IFA_F_TENTATIVE|unix.IFA_F_DADFAILED) != 0 && a.Flags&unix.IFA_F_OPTIMISTIC == 0,
			Deprecated: a.Flags&unix.IFA_F_DEPRECATED != 0})
	}
	rules, err := policyroute.Dump(func() ([]netlink.Rule, error) { return h.RuleList(family) })
	if err != nil && !errors.Is(err, unix.EOPNOTSUPP) {
		return fmt.Errorf("list the routing rules: %w", err)
	}
	if order := tablesOf(rules); family == unix.AF_INET {
		s.Tables4 = order
	} else {
		s.Tables6 = order
	}
	routes, err := policyroute.Dump(func() ([]Route, error) { return readRoutes(h, family) })
	if err != nil {
		return fmt.Errorf("list the routes: %w", err)
	}
	s.Routes = append(s.Routes, routes...)
	return nil
}

// readRoutes lists the routes of all tables; what cannot be looked at by its
// destination alone is left out.
func readRoutes(h *netlink.Handle, family int) ([]Route, error) {
	var all []Route
	err := h.RouteListFilteredIter(family, &netlink.Route{Table: unix.RT_TABLE_UNSPEC}, netlink.RT_FILTER_TABLE, func(r netlink.Route) bool {
		if out, ok := routeOf(r, family); ok {
			all = append(all, out)
		}
		return true
	})
	return all, err
}

// routeOf is a route as a value. Broadcast and multicast routes are left out: no
// server is at their end.
func routeOf(r netlink.Route, family int) (Route, bool) {
	out := Route{To: prefixOf(r.Dst, family), Table: r.Table, Link: r.LinkIndex, Metric: r.Priority, Type: typeOf(r.Type),
		Source: addrOf(r.Src), Gateway: addrOf(r.Gw)}
	if r.Type == unix.RTN_BROADCAST || r.Type == unix.RTN_MULTICAST || r.Tos != 0 || r.Flags&unix.RTNH_F_DEAD != 0 {
		return Route{}, false
	}
	via := r.Via
	if len(r.MultiPath) > 0 {
		k := slices.IndexFunc(r.MultiPath, func(n *netlink.NexthopInfo) bool { return n.Flags&unix.RTNH_F_DEAD == 0 })
		if k < 0 {
			return Route{}, false
		}
		n := r.MultiPath[k]
		out.Link, out.Gateway, via = n.LinkIndex, addrOf(n.Gw), n.Via
	}
	if v, ok := via.(*netlink.Via); ok {
		out.Gateway = addrOf(v.Addr)
	}
	return out, true
}

func typeOf(t int) RouteType {
	switch t {
	case unix.RTN_UNICAST:
		return Unicast
	case unix.RTN_LOCAL:
		return Local
	case unix.RTN_BLACKHOLE:
		return Blackhole
	case unix.RTN_UNREACHABLE:
		return Unreachable
	case unix.RTN_PROHIBIT:
		return Prohibit
	case unix.RTN_THROW:
		return Throw
	}
	return OtherType
}

// tablesOf are the tables of the unconditional rules, which are listed in their
// order.
func tablesOf(rules []netlink.Rule) []int {
	var all []int
	for _, r := range rules {
		conditional := r.Src != nil || r.Dst != nil || r.IifName != "" || r.OifName != "" || r.Mark != 0 || r.Mask != nil || r.Tos != 0 ||
			r.TunID != 0 || r.IPProto != 0 || r.Sport != nil || r.Dport != nil || r.UIDRange != nil || r.Invert ||
			r.SuppressPrefixlen >= 0 || r.SuppressIfgroup >= 0 || r.Goto >= 0
		if !conditional && r.Table != unix.RT_TABLE_UNSPEC && !slices.Contains(all, r.Table) {
			all = append(all, r.Table)
		}
	}
	return all
}

// prefixOf is n, or the default route's network where it is nil.
func prefixOf(n *net.IPNet, family int) netip.Prefix {
	if n == nil {
		if family == unix.AF_INET {
			return netip.PrefixFrom(netip.IPv4Unspecified(), 0)
		}
		return netip.PrefixFrom(netip.IPv6Unspecified(), 0)
	}
	ones, _ := n.Mask.Size()
	return netip.PrefixFrom(addrOf(n.IP), ones)
}

// addrOf is an address of the library; the zero Addr for nil.
func addrOf(ip net.IP) netip.Addr {
	a, _ := netip.AddrFromSlice(ip)
	return a.Unmap()
}
