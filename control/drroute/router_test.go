package drroute_test

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"lvsdr/bench/netns"
	"lvsdr/control/drroute"
	"lvsdr/control/policyroute"
)

func TestMain(m *testing.M) { os.Exit(netns.RunTests(m)) }

var (
	vip  = netip.MustParseAddr("192.168.1.100")
	vip6 = netip.MustParseAddr("fd00:1::100")
)

// A lab is a director and two hosts on a switch.
type lab struct {
	t    *testing.T
	dir  *netns.Host
	rs   [2]*netns.Host
	link int // index of the director's eth0
}

func newLab(t *testing.T) *lab {
	t.Helper()
	netns.Require(t)
	sw, err := netns.NewSwitch("switch")
	must(t, err)
	t.Cleanup(func() { must(t, sw.Close()) })
	host := func(name string, n string) *netns.Host {
		h := netns.NewTestHost(t, name, netns.HostConfig{IPv6: true})
		must(t, sw.Connect(t.Context(), h, netns.Cable{Ifname: "eth0", Addrs: []netip.Prefix{
			netip.MustParsePrefix("192.168.1." + n + "/24"), netip.MustParsePrefix("fd00:1::" + n + "/64")}}))
		return h
	}
	l := &lab{t: t, dir: host("director", "10")}
	l.rs = [2]*netns.Host{host("rs1", "11"), host("rs2", "12")}
	eth0, err := l.dir.Netlink().LinkByName("eth0")
	must(t, err)
	l.link = eth0.Attrs().Index
	return l
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// path is the one to a VIP through real server i.
func (l *lab) path(to netip.Addr, i int) drroute.Path {
	rs := netip.MustParseAddr([]string{"192.168.1.11", "192.168.1.12"}[i])
	if to.Is6() {
		rs = netip.MustParseAddr([]string{"fd00:1::11", "fd00:1::12"}[i])
	}
	return drroute.Path{VIP: to, RS: rs, Ifindex: l.link}
}

// router is one in the director's namespace, which leaves nothing behind.
func (l *lab) router() *drroute.Router {
	l.t.Helper()
	before := l.routing()
	r := l.open()
	l.t.Cleanup(func() {
		must(l.t, r.Close())
		if after := l.routing(); !slices.Equal(before, after) {
			l.t.Errorf("Router left\n%s\nwhere was\n%s", strings.Join(after, "\n"), strings.Join(before, "\n"))
		}
	})
	return r
}

func (l *lab) open() (r *drroute.Router) {
	l.t.Helper()
	must(l.t, l.dir.Do(func() (err error) { r, err = drroute.New(); return err }))
	return r
}

// routing is all rules and routes of the director but those of the tables main
// and local.
func (l *lab) routing() []string {
	l.t.Helper()
	var all []string
	must(l.t, l.dir.Do(func() error {
		k, err := policyroute.Open()
		if err != nil {
			return err
		}
		defer k.Close()
		for _, ipv6 := range []bool{false, true} {
			rules, err := k.Rules(ipv6)
			if err != nil {
				return err
			}
			for _, r := range rules {
				all = append(all, r.String())
			}
			routes, err := k.Routes(ipv6, func(table int) bool { return table != unix.RT_TABLE_MAIN && table != unix.RT_TABLE_LOCAL })
			if err != nil {
				return err
			}
			for _, r := range routes {
				all = append(all, r.String())
			}
		}
		return nil
	}))
	slices.Sort(all)
	return all
}

// mark is that of a path.
func (l *lab) mark(r *drroute.Router, p drroute.Path) uint32 {
	l.t.Helper()
	m, err := r.Mark(p)
	must(l.t, err)
	return m
}

// same wants the director's routing to be as it was.
func (l *lab) same(was []string) {
	l.t.Helper()
	if now := l.routing(); !slices.Equal(now, was) {
		l.t.Errorf("now\n%s\nwant\n%s", strings.Join(now, "\n"), strings.Join(was, "\n"))
	}
}

// serve gives real server i the VIP and a listener there.
func (l *lab) serve(i int) {
	l.t.Helper()
	h := l.rs[i]
	must(l.t, h.AddAddr("lo", netip.PrefixFrom(vip, 32)))
	c, err := h.Listen("tcp", "0.0.0.0:80")
	must(l.t, err)
	l.t.Cleanup(func() { c.Close() })
	go func() {
		for {
			c, err := c.Accept()
			if err != nil {
				return
			}
			_, _ = c.Write([]byte(h.Name()))
			c.Close()
		}
	}()
}

// dial connects from the director with a mark and says which real server took
// it.
func (l *lab) dial(mark uint32) (name string, err error) {
	l.t.Helper()
	d := net.Dialer{Timeout: 5 * time.Second, Control: func(_, _ string, c syscall.RawConn) error {
		var err error
		if e := c.Control(func(fd uintptr) { err = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_MARK, int(mark)) }); e != nil {
			return e
		}
		return err
	}}
	err = l.dir.Do(func() error {
		c, err := d.DialContext(context.Background(), "tcp", netip.AddrPortFrom(vip, 80).String())
		if err != nil {
			return err
		}
		defer c.Close()
		b := make([]byte, 16)
		n, err := c.Read(b)
		name = string(b[:n])
		return err
	})
	return name, err
}

func TestAMarkedConnectionGoesToItsRealServer(t *testing.T) {
	l := newLab(t)
	r := l.router()
	l.serve(0)
	l.serve(1)
	a, b := l.path(vip, 0), l.path(vip, 1)
	must(t, r.Set([]drroute.Path{a, b}))
	for range 3 {
		for p, want := range map[drroute.Path]string{a: "rs1", b: "rs2"} {
			if got, err := l.dial(l.mark(r, p)); got != want || err != nil {
				t.Errorf("%s: %q, %v, want %s", p, got, err, want)
			}
			if gw, err := r.Gateway(p); gw != p.RS || err != nil {
				t.Errorf("%s: the kernel sends it to %s, %v", p, gw, err)
			}
		}
	}
}

func TestSetRemovesWhatIsNotWantedAndOnlyThat(t *testing.T) {
	l := newLab(t)
	r := l.router()
	a, b, v6, other := l.path(vip, 0), l.path(vip, 1), l.path(vip6, 0), l.path(netip.MustParseAddr("192.168.1.101"), 0)
	must(t, r.Set([]drroute.Path{a}))
	l.mark(r, a)
	one := l.routing()
	must(t, r.Set([]drroute.Path{b, a, v6, other, a}))
	l.same(slices.Sorted(slices.Values(append(slices.Clone(one), // nothing is installed before it is asked for
		"76: not from all fwmark 0x6c760000/0xffffc000 goto 78", "78: from all nop"))))
	marks := map[uint32]bool{}
	for _, p := range []drroute.Path{a, b, v6, other} {
		m := l.mark(r, p)
		if n := int(m) - policyroute.DRCheckBase; n < 1 || n > policyroute.DRChecks {
			t.Errorf("mark %#x of %s is outside of the range", m, p)
		}
		marks[m] = true
	}
	if len(marks) != 3 {
		t.Errorf("%d marks for three real servers", len(marks))
	}
	must(t, r.Set([]drroute.Path{a}))
	// The two rules for IPv6 have become useless, and are gone.
	l.same(one)
	if _, err := r.Mark(b); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("mark of a removed path: %v", err)
	}
	if _, err := r.Gateway(b); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("gateway of a removed path: %v", err)
	}
}

func TestSetRemovesWhatAKilledPredecessorLeftAndNothingElse(t *testing.T) {
	l := newLab(t)
	nl := l.dir.Netlink()
	foreign := netlink.NewRule()
	foreign.Mark, foreign.Table, foreign.Priority = 7, policyroute.DRCheckBase, policyroute.DRCheckPref
	must(t, nl.RuleAdd(foreign))
	must(t, nl.RouteAdd(&netlink.Route{Table: policyroute.DRCheckBase, Dst: netlink.NewIPNet(vip.AsSlice()), LinkIndex: l.link}))
	before := l.routing()
	killed := l.open()
	paths := []drroute.Path{l.path(vip, 0), l.path(vip, 1), l.path(vip6, 0)}
	must(t, killed.Set(paths))
	for _, p := range paths {
		l.mark(killed, p)
	}
	if n := len(l.routing()) - len(before); n != 13 {
		t.Fatalf("%d rules and routes, want 3 rules, 3 routes to VIPs, 3 unreachable ones and 4 rules for others", n)
	}
	r := l.open()
	must(t, r.Set(nil))
	l.same(before)
	must(t, r.Close())
}

func TestMarkInstallsAgainWhatWasLost(t *testing.T) {
	l := newLab(t)
	r := l.router()
	a := l.path(vip, 0)
	must(t, r.Set([]drroute.Path{a}))
	mark := l.mark(r, a)
	healthy := l.routing()
	nl := l.dir.Netlink()
	rules, err := nl.RuleListFiltered(unix.AF_INET, &netlink.Rule{Table: int(mark)}, netlink.RT_FILTER_TABLE)
	must(t, err)
	must(t, nl.RuleDel(&rules[0]))
	l.mark(r, a)
	l.same(healthy)
	eth0, err := nl.LinkByIndex(l.link)
	must(t, err)
	must(t, nl.LinkSetDown(eth0)) // the kernel drops the route
	must(t, nl.LinkSetUp(eth0))
	if slices.Equal(l.routing(), healthy) {
		t.Fatal("nothing was lost")
	}
	l.mark(r, a)
	l.same(healthy)
}

func TestAMarkedConnectionNeverTakesAnotherWay(t *testing.T) {
	l := newLab(t)
	r := l.router()
	a := l.path(vip, 0)
	must(t, r.Set([]drroute.Path{a}))
	l.serve(1)                                                         // and not the one that is asked,
	must(t, l.dir.SetNeighbour("eth0", vip, hardwareAddr(t, l.rs[1]))) // to which the main table leads
	if got, err := l.dial(0); got != "rs2" || err != nil {
		t.Fatalf("%q, %v", got, err)
	}
	mark := l.mark(r, a)
	must(t, l.dir.Netlink().RouteDel(&netlink.Route{Table: int(mark), Dst: netlink.NewIPNet(vip.AsSlice())}))
	if got, err := l.dial(mark); !errors.Is(err, unix.EHOSTUNREACH) {
		t.Fatalf("%q, %v; want no route to host", got, err)
	}
}

func hardwareAddr(t *testing.T, h *netns.Host) net.HardwareAddr {
	t.Helper()
	eth0, err := h.Netlink().LinkByName("eth0")
	must(t, err)
	return eth0.Attrs().HardwareAddr
}

// A redirect is forgotten with the route that it was learnt for.
func TestMarkMakesARedirectedRouteAnew(t *testing.T) {
	l := newLab(t)
	r := l.router()
	a, second := l.path(vip, 0), l.path(netip.MustParseAddr("192.168.1.101"), 0) // shares what the kernel learns
	must(t, r.Set([]drroute.Path{a, second}))
	l.mark(r, second)
	mark := l.mark(r, a)
	// rs1 has not the VIP and forwards: it tells the director who has it.
	must(t, l.rs[0].Sysctl("net.ipv4.ip_forward", "1"))
	must(t, l.rs[0].Netlink().RouteAdd(&netlink.Route{Dst: netlink.NewIPNet(vip.AsSlice()), Gw: netip.MustParseAddr("192.168.1.12").AsSlice()}))
	must(t, l.dir.Sysctl("net.ipv4.conf.all.accept_redirects", "1"))
	must(t, l.dir.Sysctl("net.ipv4.conf.eth0.accept_redirects", "1"))
	for gw := a.RS; gw == a.RS; runtime.Gosched() {
		must(t, l.dir.Do(func() error {
			d := net.Dialer{Control: func(_, _ string, c syscall.RawConn) error {
				return c.Control(func(fd uintptr) { _ = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_MARK, int(mark)) })
			}}
			c, err := d.Dial("udp", netip.AddrPortFrom(vip, 9).String())
			if err != nil {
				return err
			}
			_, _ = c.Write([]byte("x"))
			return c.Close()
		}))
		var err error
		gw, err = r.Gateway(a)
		must(t, err)
	}
	l.mark(r, a)
	if gw, err := r.Gateway(a); gw != a.RS || err != nil {
		t.Errorf("after Mark the kernel sends it to %s, %v", gw, err)
	}
}

func TestAVIPThatIsAnAddressOfThisHostIsNamed(t *testing.T) {
	l := newLab(t)
	r := l.router()
	a := l.path(vip, 0)
	must(t, r.Set([]drroute.Path{a}))
	must(t, l.dir.AddAddr("lo", netip.PrefixFrom(vip, 32)))
	for range 2 {
		if _, err := r.Mark(a); err == nil || !strings.HasSuffix(err.Error(), a.String()+": the VIP is an address of this host") {
			t.Errorf("%v", err)
		}
	}
}

func TestPathsThatMakeNoSenseAreNamedAndLeftOut(t *testing.T) {
	l := newLab(t)
	r := l.router()
	a, b, v6 := l.path(vip, 0), l.path(vip, 1), l.path(vip6, 0)
	for _, p := range []drroute.Path{{VIP: a.VIP, RS: v6.RS, Ifindex: 1}, {VIP: a.VIP, RS: a.VIP, Ifindex: 1}, {VIP: a.VIP, RS: a.RS}, {}} {
		if err := r.Set([]drroute.Path{p, b}); err == nil || !strings.Contains(err.Error(), "path "+p.String()) {
			t.Errorf("%v: %v", p, err)
		}
		l.mark(r, b)
	}
}

func TestAnInterfaceThatIsGoneIsAnErrorThatNamesThePath(t *testing.T) {
	l := newLab(t)
	r := l.router()
	gone := l.path(vip, 0)
	gone.Ifindex = 9999
	must(t, r.Set([]drroute.Path{gone}))
	if _, err := r.Mark(gone); err == nil || !strings.Contains(err.Error(), gone.String()) {
		t.Errorf("%v", err)
	}
}

func TestARouterThatIsClosedSaysSo(t *testing.T) {
	l := newLab(t)
	r := l.open()
	a := l.path(vip, 0)
	must(t, r.Set([]drroute.Path{a}))
	must(t, r.Close())
	must(t, r.Close())
	if err := r.Set(nil); !errors.Is(err, os.ErrClosed) {
		t.Error(err)
	}
	if _, err := r.Mark(a); err == nil {
		t.Error("no error")
	}
}
