package drroute

import (
	"fmt"
	"net/netip"
	"slices"

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

// A lane is what policy routing needs for one real server: a mark, and a
// table with a route for each of its VIPs.
type lane struct {
	n int // mark and table are policyroute.DRCheckBase+n
	// vips holds the metric of the route to each VIP: 1, and 1 more after each
	// time it had to be made anew.
	vips map[netip.Addr]int
}

// mark is the firewall mark, and the number of the table.
func (e *lane) mark() uint32 { return uint32(policyroute.DRCheckBase + e.n) }

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

// ours reports whether a table is in Router's range.
func ours(table int) bool {
	return table > policyroute.DRCheckBase && table <= policyroute.DRCheckBase+policyroute.DRChecks
}

// find is the lane of p, nil if p was not added.
func (l lanes) find(p Path) *lane {
	if e := l[p.key()]; e != nil && e.vips[p.VIP] != 0 {
		return e
	}
	return nil
}

// add makes a place for p and gives its lane.
func (l lanes) add(p Path) (*lane, error) {
	e := l[p.key()]
	if e == nil {
		n := l.free()
		if n > policyroute.DRChecks {
			return nil, fmt.Errorf("path %s: more than %d real servers", p, policyroute.DRChecks)
		}
		e = &lane{n: n, vips: make(map[netip.Addr]int)}
		l[p.key()] = e
	}
	if e.vips[p.VIP] == 0 {
		e.vips[p.VIP] = 1
	}
	return e, nil
}

// free is the least number no lane has.
func (l lanes) free() int {
	used := make([]int, 0, len(l))
	for _, e := range l {
		used = append(used, e.n)
	}
	slices.Sort(used)
	n := 1
	for _, u := range used {
		if u != n {
			break
		}
		n++
	}
	return n
}
