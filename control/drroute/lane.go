package drroute

import (
	"fmt"
	"net/netip"
	"slices"

	"golang.org/x/sys/unix"

	"lvsdr/control/policyroute"
)

// A Path is one way a connection takes in Direct Routing: to the virtual
// address VIP, in frames to the MAC address of the real server RS, out of the
// interface with index Ifindex. VIP and RS are of the same family.
type Path struct {
	VIP, RS netip.Addr
	Ifindex int
}

// String is "192.168.1.100 via 192.168.1.11 dev 3".
func (p Path) String() string {
	return fmt.Sprintf("%s via %s dev %d", p.VIP, p.RS, p.Ifindex)
}

// A lane is the policy routing for one real server: a mark, and a
// table with a route for each of its VIPs.
type lane struct {
	n    int // from 1
	ipv6 bool
	ways map[netip.Addr]*way // by VIP
}

// A way is the route to a VIP.
type way struct {
	// metric is 1, and 1 more after each time the route had to be made anew.
	metric int
	made   bool // by this Router: it may have been lost since
}

// mark is the firewall mark of a lane, and the number of its table.
func (e *lane) mark() int { return policyroute.DRCheckBase + e.n }

// rule leads marked packets to the lane's table.
func (e *lane) rule() policyroute.Rule {
	return policyroute.Rule{IPv6: e.ipv6, Pref: policyroute.DRCheckPref, IIF: "lo", Mark: uint32(e.mark()), Mask: 0xffffffff,
		Table: e.mark(), Protocol: policyroute.Protocol}
}

// stop ends what the table has no other route for.
func (e *lane) stop() policyroute.Route {
	to := netip.IPv4Unspecified()
	if e.ipv6 {
		to = netip.IPv6Unspecified()
	}
	return policyroute.Route{To: netip.PrefixFrom(to, 0), Table: e.mark(), Type: unix.RTN_UNREACHABLE}
}

// route is that of p with a metric.
func (e *lane) route(p Path, metric int) policyroute.Route {
	return policyroute.Route{To: netip.PrefixFrom(p.VIP, p.VIP.BitLen()), Table: e.mark(), Links: []int{p.Ifindex}, Via: p.RS, Metric: metric}
}

// past are the rules that lead all other packets past those of the lanes.
func past(ipv6 bool) []policyroute.Rule {
	return []policyroute.Rule{
		{IPv6: ipv6, Pref: policyroute.DRCheckEndPref, Protocol: policyroute.Protocol},
		{IPv6: ipv6, Pref: policyroute.DRCheckSkipPref, Not: true, Mark: policyroute.DRCheckBase, Mask: policyroute.DRCheckMask,
			Goto: policyroute.DRCheckEndPref, Protocol: policyroute.Protocol},
	}
}

// A laneKey names a lane.
type laneKey struct {
	rs      netip.Addr
	ifindex int
}

// lanes are the lanes in use.
type lanes map[laneKey]*lane

// key is the lane p belongs to.
func (p Path) key() laneKey { return laneKey{p.RS, p.Ifindex} }

// clean is p with plain addresses.
func (p Path) clean() Path {
	p.VIP, p.RS = p.VIP.Unmap().WithZone(""), p.RS.Unmap().WithZone("")
	return p
}

// validate says why p cannot be a path.
func (p Path) validate() error {
	switch {
	case !p.VIP.IsValid() || !p.RS.IsValid() || p.VIP.Is4() != p.RS.Is4():
		return fmt.Errorf("path %s: VIP and real server must be addresses of the same family", p)
	case p.VIP == p.RS:
		return fmt.Errorf("path %s: the real server's own address is needed, not the VIP", p)
	case p.Ifindex <= 0:
		return fmt.Errorf("path %s: no interface", p)
	}
	return nil
}

// find is the lane of p and its route, nil if p was not added.
func (l lanes) find(p Path) (*lane, *way) {
	if e := l[p.key()]; e != nil && e.ways[p.VIP] != nil {
		return e, e.ways[p.VIP]
	}
	return nil, nil
}

// add makes lanes for the paths it does not have, with the least numbers that
// are free.
func (l lanes) add(paths []Path) []error {
	free, errs := l.free(), []error(nil)
	for _, p := range paths {
		e := l[p.key()]
		if e == nil {
			n := free()
			if n > policyroute.DRChecks {
				errs = append(errs, fmt.Errorf("path %s: more than %d real servers", p, policyroute.DRChecks))
				continue
			}
			e = &lane{n: n, ipv6: p.RS.Is6(), ways: map[netip.Addr]*way{}}
			l[p.key()] = e
		}
		if e.ways[p.VIP] == nil {
			e.ways[p.VIP] = &way{metric: 1}
		}
	}
	return errs
}

// free gives the numbers that no lane has, the least first.
func (l lanes) free() (next func() int) {
	used := make([]int, 0, len(l))
	for _, e := range l {
		used = append(used, e.n)
	}
	slices.Sort(used)
	n := 0
	return func() int {
		n++
		for len(used) > 0 && used[0] == n {
			used = used[1:]
			n++
		}
		return n
	}
}

// retain forgets the paths that are not wanted.
func (l lanes) retain(wanted map[Path]bool) {
	for k, e := range l {
		for vip := range e.ways {
			if !wanted[Path{VIP: vip, RS: k.rs, Ifindex: k.ifindex}] {
				delete(e.ways, vip)
			}
		}
		if len(e.ways) == 0 {
			delete(l, k)
		}
	}
}

// policy is all that the lanes have made.
func (l lanes) policy() policyroute.Policy {
	var all policyroute.Policy
	var families [2]bool
	for k, e := range l {
		made := false
		for vip, w := range e.ways {
			if w.made {
				made = true
				all.Routes = append(all.Routes, e.route(Path{VIP: vip, RS: k.rs, Ifindex: k.ifindex}, w.metric))
			}
		}
		if made {
			all.Routes, all.Rules = append(all.Routes, e.stop()), append(all.Rules, e.rule())
		}
		if e.ipv6 {
			families[1] = true
		} else {
			families[0] = true
		}
	}
	for k, is := range families {
		if is {
			all.Rules = append(all.Rules, past(k == 1)...)
		}
	}
	return all
}
