package hostnet

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"lvsdr/dataplane/frame"
)

var (
	lo    = Link{Name: "lo", Index: 1, MTU: 65536, Up: true, Kind: Loopback}
	eth0  = Link{Name: "eth0", Index: 2, MAC: frame.MAC{2, 0, 0, 0, 0, 2}, MTU: 1500, Up: true}
	eth1  = Link{Name: "eth1", Index: 3, MAC: frame.MAC{2, 0, 0, 0, 0, 3}, MTU: 9000, Up: true, Kind: "veth"}
	eth2  = Link{Name: "eth2", Index: 4, MAC: frame.MAC{2, 0, 0, 0, 0, 4}, MTU: 1500}
	tun0  = Link{Name: "tun0", Index: 5, MTU: 1420, Up: true, Kind: "tun"}
	dummy = Link{Name: "dummy0", Index: 6, MAC: frame.MAC{2, 0, 0, 0, 0, 6}, MTU: 1500, Up: true, Kind: "dummy"}
)

func addr(s string) netip.Addr     { return netip.MustParseAddr(s) }
func prefix(s string) netip.Prefix { return netip.MustParsePrefix(s) }

// site is a host on two networks, with a third one whose link is down, a tunnel
// and a default route.
func site(more ...Addr) *Snapshot {
	s := &Snapshot{
		Links: []Link{lo, eth0, eth1, eth2, tun0, dummy},
		Addrs: append([]Addr{
			{Link: 1, Prefix: prefix("127.0.0.1/8")},
			{Link: 2, Prefix: prefix("192.168.1.10/24")},
			{Link: 2, Prefix: prefix("192.168.1.12/24")},
			{Link: 2, Prefix: prefix("fe80::2/64")},
			{Link: 2, Prefix: prefix("fd00:1::10/64")},
			{Link: 3, Prefix: prefix("10.0.0.10/8")},
			{Link: 4, Prefix: prefix("172.16.0.10/24")},
			{Link: 5, Prefix: prefix("10.99.0.1/24")},
		}, more...),
		Routes: []Route{
			{To: prefix("127.0.0.0/8"), Table: TableLocal, Type: Local, Link: 1},
			{To: prefix("0.0.0.0/0"), Link: 2, Gateway: addr("192.168.1.1")},
			{To: prefix("::/0"), Link: 2, Gateway: addr("fe80::1")},
			{To: prefix("192.168.1.0/24"), Link: 2, Source: addr("192.168.1.10")},
			{To: prefix("10.0.0.0/8"), Link: 3, Source: addr("10.0.0.10")},
			{To: prefix("10.5.0.0/16"), Link: 2, Gateway: addr("192.168.1.5")},
			{To: prefix("10.99.0.0/24"), Link: 5, Source: addr("10.99.0.1")},
			{To: prefix("203.0.113.7/32"), Link: 2},
			{To: prefix("198.51.100.0/24"), Type: Blackhole},
			{To: prefix("fd00:1::/64"), Link: 2},
			{To: prefix("fe80::/64"), Link: 2},
		},
	}
	for _, a := range s.Addrs {
		s.Routes = append(s.Routes, Route{To: netip.PrefixFrom(a.Prefix.Addr(), a.Prefix.Addr().BitLen()), Table: TableLocal, Type: Local, Link: a.Link})
	}
	return s
}

// A result is the place that is wanted.
type result struct{ ifname, source, local, err string }

func (r result) check(t *testing.T, p Place, err error) {
	t.Helper()
	if r.err != "" {
		if err == nil || !strings.Contains(err.Error(), r.err) {
			t.Errorf("%+v, %v; want an error that says %q", p, err, r.err)
		}
		return
	}
	source := ""
	if p.Source.IsValid() {
		source = p.Source.String()
	}
	if got := (result{ifname: p.Link.Name, source: source, local: p.Local}); err != nil || got != r || (p.Warning != "") != (p.Local != "" && p.Link.Index != 0) {
		t.Errorf("%+v with warning %q, %v; want %+v", got, p.Warning, err, r)
	}
}

func TestARealServerIsReachedOnLinkOrTheRemedyIsNamed(t *testing.T) {
	for _, c := range []struct {
		name, addr string
		want       result
	}{
		{"on the first network", "192.168.1.11", result{ifname: "eth0", source: "192.168.1.10"}},
		{"on the second network", "10.1.1.1", result{ifname: "eth1", source: "10.0.0.10"}},
		{"a longer route through a gateway wins", "10.5.0.1", result{err: "10.5.0.1 is not on a network of this host, and Direct Routing cannot cross a router; put it on a common network, or give this host an address or an on-link route there: ip route add 10.5.0.1/32 dev IFACE"}},
		{"by an on-link route of a host of its own", "203.0.113.7", result{ifname: "eth0", source: "192.168.1.10"}},
		{"IPv6", "fd00:1::11", result{ifname: "eth0", source: "fd00:1::10"}},
		{"IPv6 link-local", "fe80::9", result{ifname: "eth0", source: "fe80::2"}},
		{"behind the default route", "8.8.8.8", result{err: "cannot cross a router"}},
		{"behind the IPv6 default route", "2001:db8::1", result{err: "ip route add 2001:db8::1/128 dev IFACE"}},
		{"on a tunnel", "10.99.0.2", result{err: "interface tun0 is not an Ethernet interface"}},
		{"on the network of a link that is down", "172.16.0.11", result{err: "172.16.0.11 is on the network of interface eth2, which is down; bring it up: ip link set eth2 up"}},
		{"an address of this host", "192.168.1.12", result{local: "eth0", source: "192.168.1.12"}},
		{"a route that ends packets", "198.51.100.1", result{err: "is blackhole; remove it: ip route del blackhole 198.51.100.0/24"}},
		{"loopback", "127.0.0.2", result{local: "lo", source: "127.0.0.2"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			p, err := site().Server(addr(c.addr))
			c.want.check(t, p, err)
		})
	}
}

// A server behind a gateway has a place for the methods that cross routers: the link,
// the gateway, its given MAC address, and the address that this host sends from.
func TestARealServerBehindAGatewayHasAPlaceForOtherMethods(t *testing.T) {
	mac := frame.MAC{2, 0, 0, 0, 0, 0x77}
	given := func(s *Snapshot) {
		r, _ := s.Route(addr("8.8.8.8"))
		s.Neighbours = append(s.Neighbours, Neighbour{Link: r.Link, Addr: r.Gateway, MAC: mac})
	}
	for _, c := range []struct{ name, addr, ifname, source string }{
		{"behind a gateway of a longer route", "10.5.0.1", "", ""},
		{"behind the default route", "8.8.8.8", "", ""},
		{"behind the IPv6 default route", "2001:db8::1", "", ""},
	} {
		s := site()
		given(s)
		s = &Snapshot{Links: s.Links, Addrs: s.Addrs, Routes: s.Routes, Neighbours: s.Neighbours, HidesLocal: true}
		r, _ := s.Route(addr(c.addr))
		_, err := s.Server(addr(c.addr))
		var behind *RouterError
		if !errors.As(err, &behind) {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		p := behind.Place
		if p.Gateway != r.Gateway || p.Link.Index != r.Link || !p.Source.IsValid() || p.Source.Is4() != addr(c.addr).Is4() || !s.Has(p.Source) || p.Source.IsLinkLocalUnicast() {
			t.Errorf("%s: %+v, the route is %+v", c.name, p, r)
		}
		if want := (c.addr == "8.8.8.8"); (p.MAC == mac) != want {
			t.Errorf("%s: the gateway's MAC address is %v", c.name, p.MAC)
		}
	}
	// Its route gives the address to send from.
	s := site()
	s.Routes = append([]Route{{To: netip.MustParsePrefix("203.0.113.128/25"), Link: 2, Gateway: addr("192.168.1.1"), Source: addr("192.168.1.12")}}, s.Routes...)
	_, err := s.Server(addr("203.0.113.200"))
	var behind *RouterError
	if !errors.As(err, &behind) || behind.Place.Source != addr("192.168.1.12") {
		t.Errorf("%+v, %v", behind, err)
	}
	// On the network of a link that is down it is behind no router.
	if _, err := site().Server(addr("172.16.0.11")); errors.As(err, &behind) || !errors.As(err, new(*DownError)) {
		t.Errorf("behind a link that is down: %v", err)
	}
	// By a gateway that is on no Ethernet it has no place.
	s = site()
	s.Routes = append([]Route{{To: netip.MustParsePrefix("203.0.113.128/25"), Link: linkNamed(t, s, "tun0"), Gateway: addr("10.99.0.2")}}, s.Routes...)
	if _, err := s.Server(addr("203.0.113.200")); errors.As(err, &behind) || err == nil || !strings.Contains(err.Error(), "tun0 is not an Ethernet interface") {
		t.Errorf("by a tunnel: %v", err)
	}
}

// linkNamed is the index of a link.
func linkNamed(t *testing.T, s *Snapshot, name string) int {
	t.Helper()
	for _, l := range s.Links {
		if l.Name == name {
			return l.Index
		}
	}
	t.Fatalf("no link %s", name)
	return 0
}

// While a link is down it has no address of IPv6, and nothing tells whose network an
// address is in. If there is one such link it may be the one; with several, and for
// addresses of IPv4, which stay, there is no guess.
func TestAnIPv6AddressMayBeOfTheLinkThatIsDown(t *testing.T) {
	routeless := func(s *Snapshot) {
		s.Routes = slices.DeleteFunc(s.Routes, func(r Route) bool { return r.To == netip.MustParsePrefix("::/0") })
	}
	another := func(s *Snapshot) {
		s.Links = append(s.Links, Link{Name: "eth7", Index: 17, MAC: frame.MAC{2, 0, 0, 0, 0, 17}, MTU: 1500})
	}
	addressed := func(s *Snapshot) {
		s.Addrs = append(s.Addrs, Addr{Link: 4, Prefix: netip.MustParsePrefix("fd00:9::10/64")}) // keep_addr_on_down
	}
	const guess = " is on no network of this host, but interface eth2 is down and has no IPv6 address until it is up; bring it up: ip link set eth2 up; or "
	for _, c := range []struct {
		name   string
		change []func(*Snapshot)
		addr   string
		vip    bool
		want   string
	}{
		{"a VIP without a route", []func(*Snapshot){routeless}, "fd00:5::100", true, "fd00:5::100" + guess + "name its interface with -i IFACE or default_interface in global_defs"},
		{"a VIP behind the default route", nil, "fd00:5::100", true, "fd00:5::100" + guess + "name its interface"},
		{"a real server", []func(*Snapshot){routeless}, "fd00:5::11", false, "fd00:5::11" + guess + "put it on a common network"},
		{"an address of IPv4", nil, "198.51.7.100", true, "198.51.7.100 is not on a network of this host; name its interface"},
		{"two links that are down", []func(*Snapshot){routeless, another}, "fd00:5::100", true, "no route leads there; name its interface"},
		{"a link that keeps its addresses", []func(*Snapshot){routeless, addressed}, "fd00:5::100", true, "no route leads there; name its interface"},
		{"a network of such a link", []func(*Snapshot){routeless, addressed}, "fd00:9::100", true, "fd00:9::100 is on the network of interface eth2, which is down"},
	} {
		s := site()
		for _, f := range c.change {
			f(s)
		}
		_, err := s.Server(addr(c.addr))
		if c.vip {
			_, err = s.VIP(addr(c.addr), "")
		}
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q in it", c.name, err, c.want)
		}
	}
}

func TestAVIPIsReceivedOnItsNetworkOrOnTheNamedInterface(t *testing.T) {
	for _, c := range []struct {
		name, addr, ifname string
		want               result
	}{
		{"on its network", "192.168.1.100", "", result{ifname: "eth0", source: "192.168.1.10"}},
		{"IPv6", "fd00:1::100", "", result{ifname: "eth0", source: "fd00:1::10"}},
		{"on a named interface whose network it is not in", "192.168.1.100", "eth1", result{ifname: "eth1", source: "10.0.0.10"}},
		{"on a named interface without an address of the family", "fd00:1::100", "eth1", result{ifname: "eth1"}},
		{"of no network, on a named interface", "8.8.8.8", "eth0", result{ifname: "eth0", source: "192.168.1.10"}},
		{"of no network", "8.8.8.8", "", result{err: "8.8.8.8 is not on a network of this host; name its interface with -i IFACE or default_interface in global_defs"}},
		{"on an interface that is not there", "192.168.1.100", "eth9", result{err: "interface eth9: no such network interface"}},
		{"on an interface that is down", "192.168.1.100", "eth2", result{err: "ip link set eth2 up"}},
		{"on a tunnel", "192.168.1.100", "tun0", result{err: "not an Ethernet interface"}},
		{"on a network whose link is down", "172.16.0.100", "", result{err: "ip link set eth2 up"}},
		{"on a route that ends packets", "198.51.100.1", "", result{err: "the route to 198.51.100.1 is blackhole; name its interface"}},
		{"on a route that ends packets, by name", "198.51.100.1", "eth0", result{ifname: "eth0", source: "192.168.1.10"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			p, err := site().VIP(addr(c.addr), c.ifname)
			c.want.check(t, p, err)
		})
	}
}

// IPVS scripts put the VIP on the director, on lo or on the interface.
func TestAVIPOfThisHostNeedsAKernelThatCanBeKeptFromIt(t *testing.T) {
	for _, c := range []struct {
		name, vip, ifname string
		link              int
		bits              int
		want              result
	}{
		{"on lo", "192.168.1.100", "", 1, 32, result{ifname: "eth0", source: "192.168.1.10", local: "lo"}},
		{"on its interface", "192.168.1.100", "", 2, 32, result{ifname: "eth0", source: "192.168.1.10", local: "eth0"}},
		{"on its interface, with the length of the network", "192.168.1.100", "", 2, 24, result{ifname: "eth0", source: "192.168.1.10", local: "eth0"}},
		{"on another interface than its network's", "192.168.1.100", "", 3, 32, result{ifname: "eth1", source: "10.0.0.10", local: "eth1"}},
		{"on another interface than the named one", "192.168.1.100", "eth0", 3, 32, result{ifname: "eth0", source: "192.168.1.10", local: "eth1"}},
		{"on a dummy interface", "192.168.1.100", "", 6, 32, result{ifname: "eth0", source: "192.168.1.10", local: "dummy0"}},
		{"on lo, of no network", "8.8.8.8", "", 1, 32, result{err: "name its interface"}},
		{"IPv6 on lo", "fd00:1::100", "", 1, 128, result{ifname: "eth0", source: "fd00:1::10", local: "lo"}},
		{"IPv6 on its interface", "fd00:1::100", "", 2, 128, result{ifname: "eth0", source: "fd00:1::10", local: "eth0"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			own := Addr{Link: c.link, Prefix: netip.PrefixFrom(addr(c.vip), c.bits)}
			s := site(own)
			if p, err := s.VIP(addr(c.vip), c.ifname); err == nil || !strings.Contains(err.Error(), "remove it: ip addr del "+own.Prefix.String()+" dev ") {
				t.Errorf("without a shield: %+v, %v", p, err)
			}
			s = site(own)
			s.HidesLocal = true
			s.Routes = append(s.Routes, Route{To: netip.PrefixFrom(addr(c.vip), own.Prefix.Addr().BitLen()), Link: c.link}) // as some scripts add
			p, err := s.VIP(addr(c.vip), c.ifname)
			c.want.check(t, p, err)
		})
	}
}

func TestALocalRouteIsAnAddressOfThisHostToo(t *testing.T) {
	s := site()
	s.Routes = append(s.Routes, Route{To: prefix("192.168.1.96/28"), Table: TableLocal, Type: Local, Link: 1})
	if _, err := s.VIP(addr("192.168.1.100"), ""); err == nil || !strings.Contains(err.Error(), "ip route del local 192.168.1.96/28 dev lo") {
		t.Error(err)
	}
	s.HidesLocal = true
	p, err := s.VIP(addr("192.168.1.100"), "")
	result{ifname: "eth0", source: "192.168.1.10", local: "lo"}.check(t, p, err)
}

func TestASourceIsAnAddressThatAnswersReach(t *testing.T) {
	for _, c := range []struct {
		name  string
		addrs []Addr
		vips  string
		want  string
	}{
		{"the one of the network", []Addr{{Link: 2, Prefix: prefix("fd00:9::1/64")}, {Link: 2, Prefix: prefix("fd00:1::10/64")}}, "", "fd00:1::10"},
		{"not one that is not used yet", []Addr{{Link: 2, Prefix: prefix("fd00:1::10/64"), Tentative: true}, {Link: 2, Prefix: prefix("fd00:1::12/64")}}, "", "fd00:1::12"},
		{"a deprecated one only at last", []Addr{{Link: 2, Prefix: prefix("fd00:1::10/64"), Deprecated: true}, {Link: 2, Prefix: prefix("fd00:9::1/64")}}, "", "fd00:9::1"},
		{"a deprecated one at last", []Addr{{Link: 2, Prefix: prefix("fd00:1::10/64"), Deprecated: true}}, "", "fd00:1::10"},
		{"not one alone in its network, as a VIP is", []Addr{{Link: 2, Prefix: prefix("fd00:9::8/128")}, {Link: 2, Prefix: prefix("fd00:9::1/64")}}, "", "fd00:9::1"},
		{"not a VIP", []Addr{{Link: 2, Prefix: prefix("fd00:1::100/64")}, {Link: 2, Prefix: prefix("fd00:1::10/64")}}, "fd00:1::100", "fd00:1::10"},
		{"none that is link-local", []Addr{{Link: 2, Prefix: prefix("fe80::2/64")}}, "", ""},
		{"none of another link", []Addr{{Link: 3, Prefix: prefix("fd00:1::10/64")}}, "", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := &Snapshot{Links: []Link{lo, eth0, eth1}, Addrs: c.addrs, Routes: []Route{{To: prefix("fd00:1::/64"), Link: 2}}}
			if c.vips != "" {
				s.Virtual = map[netip.Addr]bool{addr(c.vips): true}
			}
			p, err := s.Server(addr("fd00:1::11"))
			result{ifname: "eth0", source: c.want}.check(t, p, err)
		})
	}
}

// A route's preferred source may be a VIP, where that was configured first.
func TestTheSourceOfARouteIsNotTakenIfItIsAVIP(t *testing.T) {
	s := site()
	s.Virtual = map[netip.Addr]bool{addr("192.168.1.10"): true}
	p, err := s.Server(addr("192.168.1.11"))
	result{ifname: "eth0", source: "192.168.1.12"}.check(t, p, err)
}

func TestTablesAreLookedAtInTheOrderOfTheirRules(t *testing.T) {
	routes := []Route{
		{To: prefix("192.168.1.0/24"), Link: 2},
		{To: prefix("192.168.1.0/24"), Table: 100, Link: 3},
		{To: prefix("192.168.2.0/24"), Table: 100, Type: Throw},
		{To: prefix("192.168.2.0/24"), Link: 2},
		{To: prefix("192.168.3.0/24"), Link: 3, Metric: 20},
		{To: prefix("192.168.3.0/24"), Link: 2, Metric: 10},
	}
	for _, c := range []struct {
		name, addr string
		tables     []int
		ifname     string
	}{
		{"the usual ones", "192.168.1.11", nil, "eth0"},
		{"another one first", "192.168.1.11", []int{TableLocal, 100, TableMain}, "eth1"},
		{"another one last", "192.168.1.11", []int{TableLocal, TableMain, 100}, "eth0"},
		{"throw goes on", "192.168.2.11", []int{100, TableMain}, "eth0"},
		{"the least metric", "192.168.3.11", nil, "eth0"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := &Snapshot{Links: []Link{eth0, eth1}, Routes: routes, Tables4: c.tables}
			p, err := s.Server(addr(c.addr))
			result{ifname: c.ifname}.check(t, p, err)
		})
	}
}

func TestARouteByALinkThatIsGoneIsAnError(t *testing.T) {
	s := &Snapshot{Routes: []Route{{To: prefix("192.168.1.0/24"), Link: 9}}}
	p, err := s.Server(addr("192.168.1.11"))
	result{err: "interface 9, which is gone"}.check(t, p, err)
	p, err = s.VIP(addr("192.168.1.100"), "")
	result{err: "interface 9, which is gone"}.check(t, p, err)
	p, err = s.VIP(addr("10.0.0.1"), "")
	result{err: "no route leads there; name its interface"}.check(t, p, err)
}

// lookupSlow is the definition: of the tables in their order, the first that has
// a route to addr; of its routes the longest, of these the least metric, of these
// the first.
func lookupSlow(s *Snapshot, a netip.Addr) *Route {
	for _, n := range []int{TableLocal, TableMain, TableDefault} {
		var best *Route
		for i := range s.Routes {
			r := &s.Routes[i]
			table := r.Table
			if table == 0 {
				table = TableMain
			}
			if table != n || !r.To.Contains(a) {
				continue
			}
			if best == nil || r.To.Bits() > best.To.Bits() || r.To.Bits() == best.To.Bits() && r.Metric < best.Metric {
				best = r
			}
		}
		if best != nil && best.Type != Throw {
			return best
		}
	}
	return nil
}

func TestLookUpIsTheLongestMatch(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	random := func() netip.Addr {
		if r.IntN(2) == 0 {
			return netip.AddrFrom4([4]byte{10, byte(r.IntN(2)), byte(r.IntN(3)), byte(r.IntN(4))})
		}
		return netip.AddrFrom16([16]byte{0xfd, 14: byte(r.IntN(3)), 15: byte(r.IntN(4))})
	}
	for range 300 {
		s := &Snapshot{}
		for range r.IntN(12) {
			a := random()
			to := netip.PrefixFrom(a, r.IntN(a.BitLen()+1)).Masked()
			s.Routes = append(s.Routes, Route{To: to, Table: []int{0, TableLocal, TableMain, TableDefault, 7}[r.IntN(5)], Type: RouteType(r.IntN(7)), Metric: r.IntN(3)})
		}
		for range 20 {
			a := random()
			want := lookupSlow(s, a)
			if got := s.lookup(a, nil); got != want {
				t.Fatalf("%v: %+v, want %+v in %+v", a, got, want, s.Routes)
			}
			if got, ok := s.Route(a); ok != (want != nil) || ok && got != *want {
				t.Fatalf("%v: %+v, %v", a, got, ok)
			}
		}
	}
}

func TestRouteTypesHaveTheNamesOfIPRoute(t *testing.T) {
	var all []string
	for k := Unicast; k <= OtherType+1; k++ {
		all = append(all, k.String())
	}
	if got := strings.Join(all, " "); got != "unicast local blackhole unreachable prohibit throw other other" {
		t.Error(got)
	}
}

// A large site: 3000 VIPs, each of them on lo, and 30 000 real servers on 100
// networks.
func BenchmarkLocate(b *testing.B) {
	links, routes, addrs := []Link{lo}, []Route(nil), []Addr(nil)
	var vips, servers []netip.Addr
	for i := range 3000 {
		a := netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)})
		vips = append(vips, a)
		addrs = append(addrs, Addr{Link: 1, Prefix: netip.PrefixFrom(a, 32)})
		routes = append(routes, Route{To: netip.PrefixFrom(a, 32), Table: TableLocal, Type: Local, Link: 1})
	}
	for n := range 100 {
		l := eth0
		l.Index, l.Name = 2+n, fmt.Sprint("eth", n)
		links = append(links, l)
		own := netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(n), 255, 1}), 16)
		addrs = append(addrs, Addr{Link: l.Index, Prefix: own})
		routes = append(routes, Route{To: own.Masked(), Link: l.Index, Source: own.Addr()})
		for i := range 300 {
			servers = append(servers, netip.AddrFrom4([4]byte{10, byte(n), byte(100 + i>>8), byte(i)}))
		}
	}
	b.ReportAllocs()
	for b.Loop() {
		s := &Snapshot{Links: links, Addrs: addrs, Routes: routes, HidesLocal: true}
		for _, a := range vips {
			if p, err := s.VIP(a, ""); err != nil || p.Link.Name != "eth0" {
				b.Fatal(p, err)
			}
		}
		for _, a := range servers {
			if _, err := s.Server(a); err != nil {
				b.Fatal(err)
			}
		}
	}
}

// The MAC address of a real server that an operator has given is taken from the
// permanent neighbour entry of its link.
func TestAPermanentNeighbourGivesTheMACOfARealServer(t *testing.T) {
	given := frame.MAC{2, 0, 0, 0, 0, 0x11}
	for _, c := range []struct {
		name string
		n    Neighbour
		want frame.MAC
	}{
		{"on its link", Neighbour{2, addr("192.168.1.11"), given}, given},
		{"on another link", Neighbour{3, addr("192.168.1.11"), given}, frame.MAC{}},
		{"of another address", Neighbour{2, addr("192.168.1.13"), given}, frame.MAC{}},
		{"our own MAC address", Neighbour{2, addr("192.168.1.11"), eth0.MAC}, frame.MAC{}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := site()
			s.Neighbours = []Neighbour{c.n}
			p, err := s.Server(addr("192.168.1.11"))
			if err != nil || p.MAC != c.want {
				t.Errorf("%s, %v; want %s", p.MAC, err, c.want)
			}
		})
	}
}
