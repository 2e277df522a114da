package hostnet

import (
	"cmp"
	"net/netip"
	"slices"
	"sync"

	"lvsdr/dataplane/frame"
)

// Loopback is the Kind of lo.
const Loopback = "loopback"

// The numbers of tables that every host has, as rtnetlink(7) has them.
const (
	TableDefault = 253
	TableMain    = 254
	TableLocal   = 255
)

// An Addr is an address of this host, with the length of its network.
type Addr struct {
	Link   int // index
	Prefix netip.Prefix
	// Tentative addresses are not used yet: IPv6 looks for duplicates. Deprecated
	// ones are not for new connections.
	Tentative, Deprecated bool
}

// A RouteType is the action of a route on a packet.
type RouteType uint8

// The types of routes.
const (
	Unicast     RouteType = iota // it leads to a link
	Local                        // the address is this host's own
	Blackhole                    // the packet is dropped silently
	Unreachable                  // and with an ICMP error
	Prohibit                     // and with another one
	Throw                        // the next table is looked at
	OtherType
)

var routeTypes = [...]string{"unicast", "local", "blackhole", "unreachable", "prohibit", "throw", "other"}

// String is the type as ip-route(8) writes it.
func (t RouteType) String() string { return routeTypes[min(int(t), len(routeTypes)-1)] }

// A Route is a route, and the first next hop of one that has several.
type Route struct {
	To     netip.Prefix // never zero: 0.0.0.0/0 or ::/0 for a default route
	Table  int          // 0: TableMain
	Type   RouteType
	Link   int        // index; 0: none
	Metric int        // of routes to the same network the least one counts
	Source netip.Addr // preferred own address; zero: none
	// Gateway is the next hop; zero: the destination itself.
	Gateway netip.Addr
}

// A Snapshot is the networks of a host at one moment. Use a pointer to it, and
// do not change it after the first look-up.
type Snapshot struct {
	Links  []Link
	Addrs  []Addr
	Routes []Route
	// NoCarrier are the links that are up and have no carrier, by index, in the order of
	// Links.
	NoCarrier []int
	// Neighbours are the permanent entries of the kernel's neighbour tables: MAC addresses
	// that an operator has given (ip neigh ... nud permanent).
	Neighbours []Neighbour
	// Tables4 and Tables6 are the tables that are looked at for each packet, in
	// their order; nil: local, main, default.
	Tables4, Tables6 []int
	// HidesLocal says that the kernel can be kept from what comes in for its own
	// addresses, so that a VIP may be one of them.
	HidesLocal bool
	// Virtual are addresses that are never a Source, because they are VIPs.
	Virtual map[netip.Addr]bool

	once  sync.Once
	index *index
}

// A Neighbour is the MAC address of a host on a link.
type Neighbour struct {
	Link int // interface index
	Addr netip.Addr
	MAC  frame.MAC
}

// static is the MAC address of another host that is given for an address on a link;
// zero: none is.
func (s *Snapshot) static(link Link, addr netip.Addr) frame.MAC {
	for _, n := range s.Neighbours { // few, if any
		if n.Link == link.Index && n.Addr == addr && n.MAC != link.MAC {
			return n.MAC
		}
	}
	return frame.MAC{}
}

// An index is a Snapshot by what is looked for.
type index struct {
	links  map[int]*Link
	names  map[string]*Link
	addrs  map[netip.Addr]Addr // the first of each
	onLink map[int][]Addr
	tables map[tableKey]*table

	martians []frame.Addr
}

// A tableKey is a table of one family.
type tableKey struct {
	is4 bool
	n   int
}

// A table has the routes to each network, least metric first.
type table struct {
	routes map[netip.Prefix][]*Route
	bits   []int // the lengths that there are, longest first
}

// find makes the index at the first call.
func (s *Snapshot) find() *index {
	s.once.Do(func() {
		x := &index{links: map[int]*Link{}, names: map[string]*Link{}, addrs: map[netip.Addr]Addr{}, onLink: map[int][]Addr{}, tables: map[tableKey]*table{}}
		for i := range s.Links {
			x.links[s.Links[i].Index], x.names[s.Links[i].Name] = &s.Links[i], &s.Links[i]
		}
		for _, a := range s.Addrs {
			if _, ok := x.addrs[a.Prefix.Addr()]; !ok {
				x.addrs[a.Prefix.Addr()] = a
			}
			x.onLink[a.Link] = append(x.onLink[a.Link], a)
		}
		for i := range s.Routes {
			x.add(&s.Routes[i])
		}
		for _, t := range x.tables {
			t.sort()
		}
		x.martians = s.martians()
		s.index = x
	})
	return s.index
}

func (x *index) add(r *Route) {
	k := tableKey{r.To.Addr().Is4(), cmp.Or(r.Table, TableMain)}
	t := x.tables[k]
	if t == nil {
		t = &table{routes: map[netip.Prefix][]*Route{}}
		x.tables[k] = t
	}
	to := r.To.Masked()
	if t.routes[to] == nil && !slices.Contains(t.bits, to.Bits()) {
		t.bits = append(t.bits, to.Bits())
	}
	t.routes[to] = append(t.routes[to], r)
}

func (t *table) sort() {
	slices.SortFunc(t.bits, func(a, b int) int { return b - a })
	for _, rs := range t.routes {
		slices.SortStableFunc(rs, func(a, b *Route) int { return cmp.Compare(a.Metric, b.Metric) })
	}
}

// lookup is the route that the kernel takes to addr, nil if there is none. Routes
// for which skip is true do not count.
func (s *Snapshot) lookup(addr netip.Addr, skip func(*Route) bool) *Route {
	x := s.find()
	for _, n := range s.order(addr.Is6()) {
		t := x.tables[tableKey{addr.Is4(), n}]
		if t == nil {
			continue
		}
		if r := t.match(addr, skip); r != nil && r.Type != Throw {
			return r
		}
	}
	return nil
}

// match is the route to the longest network that has addr.
func (t *table) match(addr netip.Addr, skip func(*Route) bool) *Route {
	for _, bits := range t.bits {
		to, err := addr.Prefix(bits)
		if err != nil {
			continue
		}
		for _, r := range t.routes[to] {
			if skip == nil || !skip(r) {
				return r
			}
		}
	}
	return nil
}

// DropUnused leaves out the routes of tables that are not looked at for each
// packet: no look-up finds them. It comes before the first look-up.
func (s *Snapshot) DropUnused() {
	s.Routes = slices.DeleteFunc(s.Routes, func(r Route) bool {
		return !slices.Contains(s.order(r.To.Addr().Is6()), cmp.Or(r.Table, TableMain))
	})
}

// order are the tables that are looked at for each packet, in their order.
func (s *Snapshot) order(ipv6 bool) []int {
	order := s.Tables4
	if ipv6 {
		order = s.Tables6
	}
	if order == nil {
		order = []int{TableLocal, TableMain, TableDefault}
	}
	return order
}

// Route is the route that the kernel takes to addr; ok is false if there is none.
func (s *Snapshot) Route(addr netip.Addr) (r Route, ok bool) {
	if found := s.lookup(addr, nil); found != nil {
		return *found, true
	}
	return Route{}, false
}

// Link is the link with an index.
func (s *Snapshot) Link(index int) (Link, bool) {
	if l := s.find().links[index]; l != nil {
		return *l, true
	}
	return Link{}, false
}

// LinkByName is the link with a name.
func (s *Snapshot) LinkByName(name string) (Link, bool) {
	if l := s.find().names[name]; l != nil {
		return *l, true
	}
	return Link{}, false
}

// Has reports whether the host has an address.
func (s *Snapshot) Has(a netip.Addr) bool {
	return slices.ContainsFunc(s.Addrs, func(x Addr) bool { return x.Prefix.Addr() == a })
}
