package policyroute

import (
	"cmp"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// A Route is a route in a table of this program.
type Route struct {
	To     netip.Prefix
	Table  int
	Type   int   // an RTN_* number of rtnetlink(7); 0: unicast
	Links  []int // indexes of the outgoing interfaces; of several the kernel takes one
	Via    netip.Addr
	Source netip.Addr // own address for packets that have none yet; zero: the kernel chooses
	// Metric tells routes to the same network apart; 0: the kernel's default.
	Metric int
}

// A place is the key of a route in the kernel.
type place struct {
	to            netip.Prefix
	table, metric int
}

// defaultMetric6 is the metric the kernel uses for 0 in IPv6 (IP6_RT_PRIO_USER).
const defaultMetric6 = 1024

// plain is r as the kernel lists it.
func (r Route) plain() Route {
	r.Type = cmp.Or(r.Type, unix.RTN_UNICAST)
	if r.To.Addr().Is6() {
		r.Metric = cmp.Or(r.Metric, defaultMetric6)
	}
	if r.Type != unix.RTN_UNICAST && r.Type != unix.RTN_LOCAL {
		r.Links = nil // IPv6 says lo
	}
	return r
}

func (r Route) place() place {
	p := place{r.To, r.Table, r.Metric}
	if r.To.Addr().Is6() {
		p.metric = cmp.Or(r.Metric, defaultMetric6)
	}
	return p
}

// String is the route in ip-route(8)'s words, with the numbers of interfaces.
func (r Route) String() string {
	var b strings.Builder
	switch r.Type {
	case 0, unix.RTN_UNICAST:
	case unix.RTN_BLACKHOLE:
		b.WriteString("blackhole ")
	case unix.RTN_UNREACHABLE:
		b.WriteString("unreachable ")
	case unix.RTN_LOCAL:
		b.WriteString("local ")
	default:
		fmt.Fprintf(&b, "type %d ", r.Type)
	}
	to := all(r.To)
	if r.To.Bits() == 0 {
		to = "default"
	}
	b.WriteString(to)
	if r.Via.IsValid() {
		fmt.Fprintf(&b, " via %s", r.Via)
	}
	for _, l := range r.Links {
		fmt.Fprintf(&b, " dev %d", l)
	}
	if r.Source.IsValid() {
		fmt.Fprintf(&b, " src %s", r.Source)
	}
	if r.Table != unix.RT_TABLE_MAIN {
		fmt.Fprintf(&b, " table %d", r.Table)
	}
	if r.Metric != 0 {
		fmt.Fprintf(&b, " metric %d", r.Metric)
	}
	return b.String()
}

// netlink is the route as the library has it. A gateway need not be on a network
// that the host knows (onlink).
func (r Route) netlink() *netlink.Route {
	n := &netlink.Route{Family: family(r.To.Addr().Is6()), Dst: ipNet(r.To), Table: r.Table, Type: r.Type, Priority: r.Metric, Protocol: Protocol}
	if r.Source.IsValid() {
		n.Src = r.Source.AsSlice()
	}
	switch {
	case r.Via.IsValid():
		n.Gw, n.Flags = r.Via.AsSlice(), int(netlink.FLAG_ONLINK)
	case r.Type == unix.RTN_LOCAL:
		n.Scope = netlink.SCOPE_HOST
	case len(r.Links) == 1:
		n.Scope = netlink.SCOPE_LINK
	}
	switch len(r.Links) {
	case 0:
	case 1:
		n.LinkIndex = r.Links[0]
	default:
		for _, l := range r.Links {
			n.MultiPath = append(n.MultiPath, &netlink.NexthopInfo{LinkIndex: l})
		}
	}
	return n
}

// routeOf is a route of the library as a value.
func routeOf(n *netlink.Route) Route {
	r := Route{To: prefix(n.Dst), Table: n.Table, Type: n.Type, Via: addr(n.Gw), Source: addr(n.Src), Metric: n.Priority}
	if !r.To.IsValid() {
		r.To = netip.PrefixFrom(netip.IPv6Unspecified(), 0)
		if n.Family == unix.AF_INET {
			r.To = netip.PrefixFrom(netip.IPv4Unspecified(), 0)
		}
	}
	for _, h := range n.MultiPath {
		r.Links = append(r.Links, h.LinkIndex)
	}
	if len(n.MultiPath) == 0 && n.LinkIndex != 0 {
		r.Links = []int{n.LinkIndex}
	}
	return r.plain()
}

// equal reports whether the kernel's route have is want.
func equal(have, want Route) bool {
	h, w := have.plain(), want.plain()
	return h.To == w.To && h.Table == w.Table && h.Type == w.Type && h.Via == w.Via && h.Metric == w.Metric &&
		slices.Equal(h.Links, w.Links) && (h.Source == w.Source || !w.Source.IsValid() && !h.Source.IsValid())
}

func family(ipv6 bool) int {
	if ipv6 {
		return netlink.FAMILY_V6
	}
	return netlink.FAMILY_V4
}

// ipNet is p in the form the library wants; nil for the zero Prefix.
func ipNet(p netip.Prefix) *net.IPNet {
	if !p.IsValid() {
		return nil
	}
	return &net.IPNet{IP: p.Addr().AsSlice(), Mask: net.CIDRMask(p.Bits(), p.Addr().BitLen())}
}

// prefix is the opposite.
func prefix(n *net.IPNet) netip.Prefix {
	if n == nil {
		return netip.Prefix{}
	}
	ones, _ := n.Mask.Size()
	return netip.PrefixFrom(addr(n.IP), ones)
}

func addr(ip net.IP) netip.Addr {
	a, _ := netip.AddrFromSlice(ip)
	return a.Unmap()
}
