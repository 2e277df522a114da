package localclient_test

import (
	"context"
	"net"
	"net/netip"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/vishvananda/netlink"

	"lvsdr/bench/netns"
	"lvsdr/control/localclient"
	"lvsdr/control/policyroute"
)

// A network manager or `ip rule del` takes the way of clients on this host away;
// Watch says so, and Set restores it.
func TestWatchTellsOfRulesThatWereRemoved(t *testing.T) {
	onHost(t, func(h *netns.Host, _ int, v4, v6 localclient.VIP) {
		r, err := localclient.New()
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		if _, err := r.Open(1500); err != nil {
			t.Fatal(err)
		}
		set := func(vips ...localclient.VIP) {
			t.Helper()
			if err := r.Set(vips); err != nil {
				t.Fatal(err)
			}
		}
		set(v4, v6)
		want := ours(t)
		ctx, cancel := context.WithCancel(t.Context())
		calls, ended := make(chan struct{}, 1000), make(chan error, 1)
		go func() {
			ended <- h.Do(func() error { return localclient.Watch(ctx, func() { calls <- struct{}{} }) })
		}()
		const calm = 200 * time.Millisecond
		for !netns.Told(calls, calm) { // until it has subscribed
			set(v4)
			set(v4, v6)
		}
		netns.Drain(calls, calm)
		for _, family := range []int{netlink.FAMILY_V4, netlink.FAMILY_V6} {
			rules, err := netlink.RuleList(family)
			if err != nil {
				t.Fatal(err)
			}
			for _, rule := range rules {
				if rule.Table != policyroute.LocalTable {
					continue
				}
				if err := netlink.RuleDel(&rule); err != nil {
					t.Fatal(err)
				}
			}
		}
		netns.Eventually(t, "a call tells of the rules that were removed", func() bool { return netns.Told(calls, calm) })
		set(v4, v6)
		if got := ours(t); !slices.Equal(got, want) {
			t.Errorf("restored are\n%q, want\n%q", got, want)
		}
		netns.Silent(t, "a Set that changes nothing, so that it would go on for ever", calls, calm, func() { set(v4, v6) })
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

func TestMain(m *testing.M) { os.Exit(netns.RunTests(m)) }

// ours describes what a Redirect has left in the current namespace: its rules, the
// routes in its tables, its interfaces.
func ours(t *testing.T) []string {
	t.Helper()
	var all []string
	tables := []int{policyroute.LocalTable, policyroute.LocalReplyTable}
	for _, family := range []int{netlink.FAMILY_V4, netlink.FAMILY_V6} {
		rules, err := netlink.RuleList(family)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range rules {
			if slices.Contains(tables, r.Table) {
				all = append(all, r.String())
			}
		}
		for _, table := range tables {
			routes, err := netlink.RouteListFiltered(family, &netlink.Route{Table: table}, netlink.RT_FILTER_TABLE)
			if err != nil {
				t.Fatal(err)
			}
			for _, r := range routes {
				all = append(all, r.String())
			}
		}
	}
	for _, name := range []string{localclient.HostEnd, localclient.DirectorEnd} {
		if _, err := net.InterfaceByName(name); err == nil {
			all = append(all, name)
		}
	}
	return all
}

// inHost runs f in a fresh host whose eth0 has 192.0.2.10, 192.0.2.11 and
// fd00::10; the first and the last are the sources of the VIPs f is given.
func inHost(t *testing.T, f func(eth0 int, v4, v6 localclient.VIP)) {
	t.Helper()
	onHost(t, func(_ *netns.Host, eth0 int, v4, v6 localclient.VIP) { f(eth0, v4, v6) })
}

// onHost is inHost, for an f that enters the host with another goroutine.
func onHost(t *testing.T, f func(h *netns.Host, eth0 int, v4, v6 localclient.VIP)) {
	t.Helper()
	netns.Require(t)
	h, err := netns.NewHost("director", netns.HostConfig{IPv6: true})
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	sw, err := netns.NewSwitch("switch")
	if err != nil {
		t.Fatal(err)
	}
	defer sw.Close()
	own4, own6 := netip.MustParsePrefix("192.0.2.10/24"), netip.MustParsePrefix("fd00::10/64")
	cable := netns.Cable{Ifname: "eth0", Addrs: []netip.Prefix{own4, netip.MustParsePrefix("192.0.2.11/24"), own6}}
	if err := sw.Connect(t.Context(), h, cable); err != nil {
		t.Fatal(err)
	}
	err = h.Do(func() error {
		eth0, err := net.InterfaceByName("eth0")
		if err != nil {
			return err
		}
		f(h, eth0.Index,
			localclient.VIP{Addr: netip.MustParseAddr("192.0.2.100"), Source: own4.Addr(), Replies: []int{eth0.Index}},
			localclient.VIP{Addr: netip.MustParseAddr("fd00::100"), Source: own6.Addr(), Replies: []int{eth0.Index}})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// open makes a Redirect with its pair.
func open(t *testing.T, mtu int) *localclient.Redirect {
	t.Helper()
	g, err := localclient.New()
	if err != nil {
		t.Fatal(err)
	}
	far, err := g.Open(mtu)
	if err != nil {
		t.Fatal(err)
	}
	if far.Name != localclient.DirectorEnd || far.MTU != mtu || !far.Up {
		t.Errorf("the director's end is %+v", far)
	}
	return g
}

// set wants as many rules and routes as v4 and v6 need, and the two interfaces.
func set(t *testing.T, g *localclient.Redirect, vips ...localclient.VIP) {
	t.Helper()
	if err := g.Set(vips); err != nil {
		t.Error(err)
	}
	want := 2
	for _, v := range vips {
		want += 2 // a rule and a route
		if v.Addr.Is4() {
			want += 2 // and for the reverse path filter
		}
	}
	if got := ours(t); len(got) != want {
		t.Errorf("after Set(%v) there are %q, want %d", vips, got, want)
	}
}

func wantNothing(t *testing.T) {
	t.Helper()
	if left := ours(t); len(left) != 0 {
		t.Errorf("left behind: %q", left)
	}
}

func TestARedirectIsAsItWasSetAndGoesWhole(t *testing.T) {
	inHost(t, func(_ int, v4, v6 localclient.VIP) {
		g := open(t, 1500)
		moved := v4
		moved.Source = netip.MustParseAddr("192.0.2.11")
		for _, vips := range [][]localclient.VIP{{v4, v6}, {v4}, {v4}, {v6}, nil, {v6, v4}, {moved}, {v4}} {
			set(t, g, vips...)
		}
		if err := g.Close(); err != nil {
			t.Error(err)
		}
		wantNothing(t)
	})
}

// The pair is the same one, so that a director that was killed comes back to
// the interfaces its successor's routes name.
func TestTheNextRedirectTakesOverWhatACrashLeft(t *testing.T) {
	inHost(t, func(_ int, v4, v6 localclient.VIP) {
		crashed := open(t, 1500)
		set(t, crashed, v4, v6)
		before, err := net.InterfaceByName(localclient.DirectorEnd)
		if err != nil {
			t.Fatal(err)
		}
		g := open(t, 9000)
		after, err := net.InterfaceByName(localclient.DirectorEnd)
		if err != nil || after.Index != before.Index {
			t.Errorf("the pair is another one: %+v, %v", after, err)
		}
		set(t, g)
		set(t, g, v6)
		if err := g.Close(); err != nil {
			t.Error(err)
		}
		wantNothing(t)
	})
}

// A Redirect that is only closed removes what a crash left.
func TestARedirectThatIsNotWantedIsCleanedUp(t *testing.T) {
	inHost(t, func(_ int, v4, v6 localclient.VIP) {
		set(t, open(t, 1500), v4, v6)
		if err := localclient.Clean(); err != nil {
			t.Error(err)
		}
		wantNothing(t)
	})
}

// A query for the place of a VIP, as the director itself makes at a reload, gives
// the network that it is on and not the route of the clients.
func TestAPlainLookUpIsNotRedirected(t *testing.T) {
	inHost(t, func(eth0 int, v4, v6 localclient.VIP) {
		g := open(t, 1500)
		v4.Source = netip.MustParseAddr("192.0.2.11") // which the network's own route would not give
		set(t, g, v4, v6)
		for _, v := range []localclient.VIP{v4, v6} {
			for range 20 { // a route of several next hops would give each in its turn
				routes, err := netlink.RouteGet(v.Addr.AsSlice())
				if err != nil || len(routes) != 1 || routes[0].LinkIndex != eth0 {
					t.Fatalf("the route to %s is %v, %v; want one by interface %d", v.Addr, routes, err, eth0)
				}
			}
			// A socket has a port, and is.
			if got := source(t, v.Addr); got != v.Source {
				t.Errorf("a client of %s gets the address %s, want %s", v.Addr, got, v.Source)
			}
		}
		if err := g.Close(); err != nil {
			t.Error(err)
		}
	})
}

// source is the address that the kernel gives a client of addr.
func source(t *testing.T, addr netip.Addr) netip.Addr {
	t.Helper()
	c, err := net.Dial("udp", netip.AddrPortFrom(addr, 53).String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	return c.LocalAddr().(*net.UDPAddr).AddrPort().Addr().Unmap()
}

// What somebody has removed is there again after Set.
func TestSetInstallsAgainWhatWasLost(t *testing.T) {
	inHost(t, func(_ int, v4, v6 localclient.VIP) {
		g := open(t, 1500)
		set(t, g, v4, v6)
		before := ours(t)
		for _, family := range []int{netlink.FAMILY_V4, netlink.FAMILY_V6} {
			rules, err := netlink.RuleListFiltered(family, &netlink.Rule{Table: policyroute.LocalTable}, netlink.RT_FILTER_TABLE)
			if err != nil || len(rules) != 1 {
				t.Fatalf("%v, %v", rules, err)
			}
			rules[0].Family = family
			if err := netlink.RuleDel(&rules[0]); err != nil {
				t.Fatal(err)
			}
		}
		near, err := netlink.LinkByName(localclient.HostEnd)
		if err != nil {
			t.Fatal(err)
		}
		if err := netlink.LinkSetDown(near); err != nil { // takes the routes along
			t.Fatal(err)
		}
		if _, err := g.Open(1500); err != nil {
			t.Fatal(err)
		}
		set(t, g, v4, v6)
		if after := ours(t); !slices.Equal(before, after) {
			t.Errorf("before:\n%q\nafter:\n%q", before, after)
		}
		if err := g.Close(); err != nil {
			t.Error(err)
		}
		wantNothing(t)
	})
}

func TestAnInterfaceOfSomebodyElseIsLeftAlone(t *testing.T) {
	inHost(t, func(int, localclient.VIP, localclient.VIP) {
		attrs := netlink.NewLinkAttrs()
		attrs.Name = localclient.HostEnd
		veth := netlink.NewVeth(attrs)
		veth.PeerName = "another"
		if err := netlink.LinkAdd(veth); err != nil {
			t.Fatal(err)
		}
		g, err := localclient.New()
		if err != nil {
			t.Fatal(err)
		}
		if far, err := g.Open(1500); err == nil {
			t.Errorf("%s was taken: %+v", localclient.HostEnd, far)
		}
		if err := g.Close(); err != nil {
			t.Error(err)
		}
		if _, err := net.InterfaceByName(localclient.HostEnd); err != nil {
			t.Errorf("%s is gone: %v", localclient.HostEnd, err)
		}
	})
}

// A look-up costs the same with a thousand VIPs as with one.
func TestRulesDoNotGrowWithTheVIPs(t *testing.T) {
	inHost(t, func(_ int, v4, v6 localclient.VIP) {
		d := open(t, 1500)
		var vips []localclient.VIP
		for i := range 1000 {
			a, b := v4, v6
			a.Addr = netip.AddrFrom4([4]byte{198, 51, byte(i >> 8), byte(i)})
			b.Addr = netip.AddrFrom16([16]byte{0xfd, 14: byte(i >> 8), 15: byte(i)})
			vips = append(vips, a, b)
		}
		if err := d.Set(vips); err != nil {
			t.Fatal(err)
		}
		if rules, routes := count(t); rules != 3 || routes != 3000 {
			t.Errorf("%d rules and %d routes, want 3 and 3000", rules, routes)
		}
		if got := source(t, vips[999].Addr); got != vips[999].Source {
			t.Errorf("a client of %s gets the address %s", vips[999].Addr, got)
		}
		if err := d.Close(); err != nil {
			t.Error(err)
		}
		wantNothing(t)
	})
}

// count counts our rules and routes in the current namespace.
func count(t *testing.T) (rules, routes int) {
	t.Helper()
	k, err := policyroute.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer k.Close()
	for _, ipv6 := range []bool{false, true} {
		rs, err := k.Rules(ipv6)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range rs {
			if policyroute.Local().HasRule(r) {
				rules++
			}
		}
		all, err := k.Routes(ipv6, policyroute.Local().HasTable)
		if err != nil {
			t.Fatal(err)
		}
		routes += len(all)
	}
	return rules, routes
}

func TestClientsAreNotRedirectedToInterfacesThatAreNotThere(t *testing.T) {
	inHost(t, func(_ int, v4, _ localclient.VIP) {
		d, err := localclient.New()
		if err != nil {
			t.Fatal(err)
		}
		if err := d.Set([]localclient.VIP{v4}); err == nil {
			t.Error("no error")
		}
		if err := d.Close(); err != nil {
			t.Error(err)
		}
		wantNothing(t)
	})
}
