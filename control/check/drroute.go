package check

import (
	"fmt"
	"net/netip"
	"slices"
)

// Router owns these numbers in its network namespace; nothing else may use
// them. Real server n (1 <= n <= maxLanes, the least that is free) has
//
//	mark  0x6c760000+n, compared in all 32 bits
//	table 0x6c760000+n (1819672576+n as ip(8) prints it)
//
// 0x6c76 is "lv". n stays below 0x4000, because kube-proxy gives the bits
// 0x4000 and 0x8000 of any mark a meaning of its own (masquerade, drop).
const (
	laneBase = 0x6c760000
	maxLanes = 0x3fff
	// rulePriority comes before the rules of VPN and container software,
	// which may catch all traffic of this host, and after the local table (0).
	rulePriority = 76
	// routeProtocol marks rules and routes as ours for whoever lists them
	// ("proto 118"); it is free in <linux/rtnetlink.h>.
	routeProtocol = 118
)

// A lane is what policy routing needs for one real server: a mark, and a
// table with a route for each of its VIPs.
type lane struct {
	n int // mark and table are laneBase+n
	// vips holds the metric of the route to each VIP: 1, and 1 more after each
	// time it had to be made anew.
	vips map[netip.Addr]int
}

// mark is the firewall mark, and the number of the table.
func (e *lane) mark() uint32 { return uint32(laneBase + e.n) }

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
func ours(table int) bool { return table > laneBase && table <= laneBase+maxLanes }

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
		if n > maxLanes {
			return nil, fmt.Errorf("path %s: more than %d real servers", p, maxLanes)
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
