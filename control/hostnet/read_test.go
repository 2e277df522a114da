package hostnet_test

import (
	"context"
	"net"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"lvsdr/bench/netns"
	"lvsdr/control/hostnet"
	"lvsdr/control/policyroute"
	"lvsdr/dataplane/frame"
)

func TestMain(m *testing.M) { os.Exit(netns.RunTests(m)) }

func addr(s string) netip.Addr     { return netip.MustParseAddr(s) }
func prefix(s string) netip.Prefix { return netip.MustParsePrefix(s) }

// newHost is a host on a switch: eth0 has 192.168.1.10/24 and fd00:1::10/64.
func newHost(t *testing.T) *netns.Host {
	t.Helper()
	h := netns.NewTestHost(t, "director", netns.HostConfig{IPv6: true})
	sw, err := netns.NewSwitch("switch")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { sw.Close() })
	if err := sw.Connect(t.Context(), h, netns.Cable{Ifname: "eth0", Addrs: []netip.Prefix{prefix("192.168.1.10/24"), prefix("fd00:1::10/64")}}); err != nil {
		t.Fatal(err)
	}
	return h
}

// read takes a snapshot of a host's namespace.
func read(t *testing.T, h *netns.Host) (s *hostnet.Snapshot) {
	t.Helper()
	if err := h.Do(func() (err error) { s, err = hostnet.Read(); return err }); err != nil {
		t.Fatal(err)
	}
	return s
}

// link is a host's interface, for changes.
func link(t *testing.T, h *netns.Host, name string) netlink.Link {
	t.Helper()
	l, err := h.Netlink().LinkByName(name)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func try(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestReadFindsWhatTheKernelKnows(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	nl, eth0 := h.Netlink(), link(t, h, "eth0").Attrs()
	routes := []*netlink.Route{
		{Dst: netlink.NewIPNet(addr("203.0.113.7").AsSlice()), LinkIndex: eth0.Index, Scope: netlink.SCOPE_LINK},
		{Dst: netlink.NewIPNet(addr("203.0.113.8").AsSlice()), Gw: addr("192.168.1.1").AsSlice()},
		{Dst: netlink.NewIPNet(addr("203.0.113.9").AsSlice()), Type: unix.RTN_BLACKHOLE},
		{Dst: netlink.NewIPNet(addr("203.0.113.10").AsSlice()), Table: 100, LinkIndex: eth0.Index, Scope: netlink.SCOPE_LINK},
		{Dst: netlink.NewIPNet(addr("203.0.113.11").AsSlice()), MultiPath: []*netlink.NexthopInfo{
			{LinkIndex: eth0.Index, Gw: addr("192.168.1.1").AsSlice()}, {LinkIndex: eth0.Index, Gw: addr("192.168.1.2").AsSlice()}}},
		{Dst: netlink.NewIPNet(addr("203.0.113.12").AsSlice()), LinkIndex: eth0.Index, Scope: netlink.SCOPE_LINK, Tos: 8},
		{Dst: netlink.NewIPNet(addr("203.0.113.13").AsSlice()), Via: &netlink.Via{AddrFamily: unix.AF_INET6, Addr: addr("fd00:1::1").AsSlice()}, LinkIndex: eth0.Index},
		{Dst: netlink.NewIPNet(addr("203.0.113.14").AsSlice()), Table: 101, LinkIndex: eth0.Index, Scope: netlink.SCOPE_LINK},
	}
	for _, r := range routes {
		try(t, nl.RouteAdd(r))
	}
	for _, c := range []struct {
		table int
		iif   string
	}{{100, ""}, {101, "eth0"}} {
		rule := netlink.NewRule()
		rule.Family, rule.Table, rule.Priority, rule.IifName = unix.AF_INET, c.table, 1000, c.iif
		try(t, nl.RuleAdd(rule))
	}
	s := read(t, h)
	for _, c := range []struct{ to, want string }{
		{"192.168.1.11", "eth0 192.168.1.10"},
		{"fd00:1::11", "eth0 fd00:1::10"},
		{"203.0.113.7", "eth0 192.168.1.10"},
		{"203.0.113.8", "not on a network of this host"},
		{"203.0.113.9", "is blackhole"},
		{"203.0.113.10", "eth0 192.168.1.10"}, // by an unconditional rule
		{"203.0.113.11", "not on a network of this host"},
		{"203.0.113.12", "no route"}, // for one type of service
		{"203.0.113.13", "not on a network of this host"},
		{"203.0.113.14", "no route"}, // by a rule with a condition
		{"192.168.1.10", "this host eth0 192.168.1.10"},
	} {
		p, err := s.Server(addr(c.to))
		got := p.Link.Name + " " + p.Source.String()
		if p.Local != "" {
			got = "this host " + p.Local + got
		}
		if err != nil {
			got = err.Error()
		}
		if !strings.Contains(got, c.want) {
			t.Errorf("%s: %s, want %s", c.to, got, c.want)
		}
	}
	l, ok := s.LinkByName("eth0")
	if !ok || l.Index != eth0.Index || l.MTU != eth0.MTU || !l.Up || l.MAC.String() != eth0.HardwareAddr.String() || l.Kind != "veth" {
		t.Errorf("%+v, want what %+v says", l, eth0)
	}
	if l, ok := s.LinkByName("lo"); !ok || l.Kind != hostnet.Loopback || l.Ethernet() == nil {
		t.Errorf("%+v", l)
	}
}

// What Snapshot says of an address is what the kernel's own look-up says.
func TestASnapshotAgreesWithTheKernel(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	try(t, h.AddAddr("eth0", prefix("10.0.0.10/8")))
	try(t, h.AddAddr("lo", prefix("192.168.1.100/32")))
	eth0 := link(t, h, "eth0")
	try(t, h.Netlink().RouteAdd(&netlink.Route{LinkIndex: eth0.Attrs().Index, Gw: addr("192.168.1.1").AsSlice()}))
	s := read(t, h)
	for _, a := range []string{"192.168.1.11", "192.168.1.100", "192.168.1.10", "10.9.9.9", "8.8.8.8", "127.0.0.1", "fd00:1::11", "fd00:1::10", "fd00:2::1"} {
		routes, err := h.Netlink().RouteGet(addr(a).AsSlice())
		onLink := err == nil && routes[0].Gw == nil && routes[0].Type == unix.RTN_UNICAST
		own := err == nil && routes[0].Type == unix.RTN_LOCAL
		p, serr := s.Server(addr(a))
		if (serr == nil) != (onLink || own) || own != (p.Local != "") {
			t.Errorf("%s: %+v, %v; the kernel says %v, %v", a, p, serr, routes, err)
			continue
		}
		if source, _ := netip.AddrFromSlice(routes0Src(routes)); onLink && (p.Source != source.Unmap() || p.Link.Index != routes[0].LinkIndex) {
			t.Errorf("%s: %+v, the kernel says %v", a, p, routes)
		}
	}
}

func routes0Src(routes []netlink.Route) []byte {
	if len(routes) == 0 {
		return nil
	}
	return routes[0].Src
}

// watched counts the calls of Watch in a host's namespace.
func watched(t *testing.T, h *netns.Host) <-chan struct{} {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	calls, ended := make(chan struct{}, 1000), make(chan error, 1)
	go func() {
		ended <- h.Do(func() error { return hostnet.Watch(ctx, func() { calls <- struct{}{} }) })
	}()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	// Watch has subscribed when it tells of a change.
	for i := 0; ; i++ {
		try(t, h.Netlink().AddrReplace(link(t, h, "eth0"), &netlink.Addr{IPNet: netlink.NewIPNet(addr("192.0.2.1").AsSlice()), ValidLft: 1000 + i, PreferedLft: 1000}))
		select {
		case <-calls:
			return calls
		case <-time.After(hostnet.Calm):
		}
	}
}

// quiet is how long no call is to come after the last change.
const quiet = 4 * hostnet.Calm

func TestWatchTellsOfEachKindOfChange(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	calls := watched(t, h)
	nl, eth0 := h.Netlink(), link(t, h, "eth0")
	rule := netlink.NewRule()
	rule.Family, rule.Table, rule.Priority = unix.AF_INET, 100, 1000
	for _, c := range []struct {
		name   string
		change func() error
	}{
		{"an address", func() error { return h.AddAddr("lo", prefix("192.168.1.100/32")) }},
		{"an IPv6 address", func() error { return h.AddAddr("lo", prefix("fd00:1::100/128")) }},
		{"an address gone", func() error {
			return nl.AddrDel(link(t, h, "lo"), &netlink.Addr{IPNet: netlink.NewIPNet(addr("192.168.1.100").AsSlice())})
		}},
		{"an MTU", func() error { return nl.LinkSetMTU(eth0, 1400) }},
		{"a link down", func() error { return nl.LinkSetDown(eth0) }},
		{"a link up", func() error { return nl.LinkSetUp(eth0) }},
		{"a route", func() error {
			return nl.RouteAdd(&netlink.Route{Dst: netlink.NewIPNet(addr("203.0.113.7").AsSlice()), LinkIndex: eth0.Attrs().Index, Scope: netlink.SCOPE_LINK})
		}},
		{"a rule", func() error { return nl.RuleAdd(rule) }},
		{"a permanent neighbour", func() error { return nl.NeighSet(neighbour(eth0, netlink.NUD_PERMANENT)) }},
		{"a permanent neighbour gone", func() error { return nl.NeighDel(neighbour(eth0, netlink.NUD_PERMANENT)) }},
	} {
		netns.Drain(calls, quiet)
		try(t, c.change())
		netns.Eventually(t, "Watch tells of "+c.name, func() bool { return netns.Told(calls, quiet) })
	}
}

// neighbour is an entry of the kernel's neighbour table.
func neighbour(on netlink.Link, state int) *netlink.Neigh {
	return &netlink.Neigh{LinkIndex: on.Attrs().Index, Family: netlink.FAMILY_V4, State: state,
		IP: addr("192.168.1.77").AsSlice(), HardwareAddr: net.HardwareAddr{2, 0, 0, 0, 0, 0x77}}
}

// The kernel learns of its neighbours all the time.
func TestOnlyPermanentNeighboursCount(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	calls := watched(t, h)
	nl, eth0 := h.Netlink(), link(t, h, "eth0")
	learned := neighbour(eth0, netlink.NUD_REACHABLE)
	netns.Silent(t, "a neighbour that the kernel has learned", calls, quiet, func() {
		learned.HardwareAddr[4]++ // another one each time
		try(t, nl.NeighSet(learned))
	})
	read := func() *hostnet.Snapshot {
		var s *hostnet.Snapshot
		try(t, h.Do(func() (err error) { s, err = hostnet.Read(); return err }))
		return s
	}
	if got := read().Neighbours; len(got) != 0 {
		t.Errorf("neighbours %v, want none", got)
	}
	try(t, nl.NeighSet(neighbour(eth0, netlink.NUD_PERMANENT)))
	want := hostnet.Neighbour{Link: eth0.Attrs().Index, Addr: addr("192.168.1.77"), MAC: frame.MAC{2, 0, 0, 0, 0, 0x77}}
	if got := read().Neighbours; len(got) != 1 || got[0] != want {
		t.Errorf("neighbours %v, want %v", got, want)
	}
}

// The director's own routes come and go with each reload.
func TestWatchIsSilentAboutTheProgramsOwnRoutes(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	calls := watched(t, h)
	nl := h.Netlink()
	rule := netlink.NewRule()
	rule.Family, rule.Table, rule.Priority, rule.Protocol = unix.AF_INET, 100, 1000, policyroute.Protocol
	route := &netlink.Route{Dst: netlink.NewIPNet(addr("203.0.113.7").AsSlice()), Table: 100, Type: unix.RTN_BLACKHOLE, Protocol: policyroute.Protocol}
	netns.Silent(t, "a route of this program", calls, quiet, func() {
		try(t, nl.RuleAdd(rule))
		try(t, nl.RouteAdd(route))
		try(t, nl.RouteDel(route))
		try(t, nl.RuleDel(rule))
	})
}

// More changes than the socket holds are one change, and Watch goes on.
func TestWatchOutlivesAFlood(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	calls := watched(t, h)
	lo := link(t, h, "lo")
	for i := range 3000 {
		try(t, h.Netlink().AddrAdd(lo, &netlink.Addr{IPNet: netlink.NewIPNet([]byte{10, 0, byte(i >> 8), byte(i)})}))
	}
	netns.Drain(calls, quiet)
	try(t, h.AddAddr("lo", prefix("192.168.1.100/32")))
	netns.Eventually(t, "Watch tells of a change after the flood", func() bool { return netns.Told(calls, quiet) })
}

// A link is down because somebody has taken it down, or because its peer is.
func TestALinkThatIsDownIsNamed(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	nl := h.Netlink()
	pair := &netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: "near"}, PeerName: "far"}
	try(t, nl.LinkAdd(pair))
	index := link(t, h, "near").Attrs().Index
	expect := func(want string) {
		t.Helper()
		var now string
		try(t, h.Do(func() error { now = hostnet.DownNow(index); return nil }))
		if got := read(t, h).Down(index); got != want || now != want {
			t.Errorf("%q, and asked for alone %q; want %q", got, now, want)
		}
	}
	expect("interface near is down")
	try(t, nl.LinkSetUp(link(t, h, "near")))
	expect("interface near has no carrier")
	try(t, nl.LinkSetUp(link(t, h, "far")))
	expect("")
	try(t, nl.LinkSetDown(link(t, h, "far")))
	expect("interface near has no carrier")
	try(t, nl.LinkDel(link(t, h, "near")))
	expect("")
}
