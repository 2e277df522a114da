package realserver

import (
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"lvsdr/bench/netns"
	"lvsdr/control/drroute"
	"lvsdr/control/localclient"
	"lvsdr/control/policyroute"
	"lvsdr/control/shield"
)

func TestMain(m *testing.M) { os.Exit(netns.RunTests(m)) }

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// A lab is a host on a network.
type lab struct {
	t     *testing.T
	host  *netns.Host
	state string // folder of the records
}

func newLab(t *testing.T) *lab {
	t.Helper()
	h := netns.NewTestHost(t, "host", netns.HostConfig{IPv6: true})
	sw, err := netns.NewSwitch("switch")
	must(t, err)
	t.Cleanup(func() { must(t, sw.Close()) })
	must(t, sw.Connect(t.Context(), h, netns.Cable{Ifname: "eth0", Addrs: []netip.Prefix{
		netip.MustParsePrefix("192.168.1.11/24"), netip.MustParsePrefix("fd00:1::11/64")}}))
	return &lab{t, h, t.TempDir()}
}

// with runs f with an open Host in the namespace.
func (l *lab) with(f func(h *Host) error) {
	l.t.Helper()
	must(l.t, l.host.Do(func() error {
		h, err := Open(l.state)
		if err != nil {
			return err
		}
		defer h.Close()
		return f(h)
	}))
}

// start wants a start without failures.
func (l *lab) start(o Options) (r *Report) {
	l.t.Helper()
	l.with(func(h *Host) (err error) { r, err = h.Start(o); return err })
	if !r.OK() {
		l.t.Errorf("start: %+v", r)
	}
	return r
}

func (l *lab) stop(vip netip.Addr) (r *Report) {
	l.t.Helper()
	l.with(func(h *Host) (err error) { r, err = h.Stop(vip); return err })
	return r
}

// has returns, in words, the settings of start that the host has.
func (l *lab) has() (all []string) {
	l.t.Helper()
	must(l.t, l.host.Do(func() error {
		k, err := openKernel()
		if err != nil {
			return err
		}
		defer k.close()
		v, err := k.look()
		if err != nil {
			return err
		}
		for _, rules := range v.rules {
			for _, r := range rules {
				all = append(all, r.String())
			}
		}
		// The kernel adds link-local addresses, multicast routes and the local
		// routes of IPv6 addresses when it likes.
		automatic := func(a netip.Addr) bool { return a.IsLinkLocalUnicast() || a.IsMulticast() }
		for _, r := range v.net.Routes {
			if automatic(r.To.Addr()) || r.Table == unix.RT_TABLE_LOCAL {
				continue
			}
			all = append(all, policyroute.Route{To: r.To, Table: r.Table, Links: []int{r.Link}, Source: r.Source}.String())
		}
		for _, a := range v.net.Addrs {
			if automatic(a.Prefix.Addr()) {
				continue
			}
			all = append(all, a.Prefix.String())
		}
		for _, conf := range []string{"all", "lo", "eth0"} {
			for _, key := range []string{"arp_ignore", "arp_announce", "accept_local", "rp_filter"} {
				s, err := readSysctl("net/ipv4/conf/" + conf + "/" + key)
				if err != nil {
					return err
				}
				all = append(all, conf+"."+key+"="+s)
			}
		}
		return nil
	}))
	slices.Sort(all)
	return all
}

// same wants the host to be as it was.
func (l *lab) same(was []string) {
	l.t.Helper()
	if now := l.has(); !slices.Equal(now, was) {
		l.t.Errorf("now\n%s\nwas\n%s", strings.Join(now, "\n"), strings.Join(was, "\n"))
	}
}

func TestStartStatusAndStopOfEachFamily(t *testing.T) {
	for _, vip := range []netip.Addr{vipA, vip6} {
		t.Run(vip.String(), func(t *testing.T) {
			l := newLab(t)
			before := l.has()
			status := func(o Options) (s *Status) {
				l.with(func(h *Host) (err error) { s, err = h.Status(o); return err })
				return s
			}
			if status(Options{VIP: vip}).InPlace {
				t.Error("nothing is set, and all is in place")
			}
			l.start(Options{VIP: vip})
			l.start(Options{VIP: vip, Balance: []Port{web, dns}})
			if s := status(Options{VIP: vip}); !s.InPlace || !slices.ContainsFunc(s.Items, func(i State) bool { return i.Ours && strings.Contains(i.Item, "dport 53") }) {
				t.Errorf("%+v", s)
			}
			during := l.has()
			for _, o := range l.start(Options{VIP: vip, Balance: []Port{web}}).Outcomes {
				if o.Result == Set {
					t.Errorf("a second start: %s", o)
				}
			}
			l.same(during)
			if r := l.stop(vip); !r.OK() {
				t.Errorf("%+v", r)
			}
			l.same(before)
			if r := l.stop(vip); len(r.Notes) != 1 || len(r.Outcomes) != 0 {
				t.Errorf("a second stop: %+v", r)
			}
		})
	}
}

// A host may be a real server of one VIP and the director of another one. Neither
// the director's start after a crash of an earlier version, nor its work, nor its
// end touches what the real server has set.
func TestADirectorOnTheHostTouchesNothingOfTheRealServer(t *testing.T) {
	l := newLab(t)
	l.start(Options{VIP: vipA, Balance: []Port{web}})
	l.start(Options{VIP: vip6, Balance: []Port{web}})
	eth0, err := l.host.Netlink().LinkByName("eth0")
	must(t, err)
	before := l.has()
	// The earlier version had the real server's table for its own clients.
	old := netlink.NewRule()
	old.Family, old.Priority, old.Table, old.IifName, old.Protocol = unix.AF_INET, 77, policyroute.BalanceTable, "lo", policyroute.Protocol
	old.Dst, old.Dport = netlink.NewIPNet(vipB.AsSlice()), netlink.NewRulePortRange(1, 65534)
	must(t, l.host.Netlink().RuleAdd(old))
	b6 := netip.MustParseAddr("fd00:1::101")
	direct := func() error {
		clients, err := localclient.New()
		if err != nil {
			return err
		}
		_, err = clients.Open(1500)
		s, shieldErr := shield.New()
		router, routerErr := drroute.New()
		if err := errors.Join(err, shieldErr, routerErr); err != nil {
			return err
		}
		path := drroute.Path{VIP: vipB, RS: netip.MustParseAddr("192.168.1.12"), Ifindex: eth0.Attrs().Index}
		guards := []shield.Guard{{VIP: vipB, Interface: "eth0"}, {VIP: vipB, Interface: localclient.DirectorEnd}, {VIP: b6, Interface: "eth0"}}
		err = errors.Join(s.Set(guards), router.Set([]drroute.Path{path}), clients.Set([]localclient.VIP{
			{Addr: vipB, Source: netip.MustParseAddr("192.168.1.11"), Replies: []int{eth0.Attrs().Index}},
			{Addr: b6, Source: netip.MustParseAddr("fd00:1::11")}}))
		if _, markErr := router.Mark(path); markErr != nil {
			return markErr
		}
		for _, x := range before {
			if !slices.Contains(l.has(), x) {
				t.Errorf("while the director runs %q is gone", x)
			}
		}
		return errors.Join(err, s.Set(nil), clients.Set(nil), router.Set(nil), router.Close(), clients.Close(), s.Close(false))
	}
	for range 2 {
		must(t, l.host.Do(direct))
		l.same(before)
	}
	for _, vip := range []netip.Addr{vipA, vip6} {
		var s *Status
		l.with(func(h *Host) (err error) { s, err = h.Status(Options{VIP: vip}); return err })
		if !s.InPlace {
			t.Errorf("%+v", s)
		}
	}
}

// A record that somebody has written makes stop refuse, and changes nothing.
func TestStopRefusesARecordThatNoStartWrote(t *testing.T) {
	l := newLab(t)
	l.start(Options{VIP: vipA})
	before := l.has()
	file := records{dir: l.state}.path(vipA)
	b, err := os.ReadFile(file)
	must(t, err)
	for _, evil := range []string{
		`{"item":{"rule":{"priority":0,"table":255,"owner":2}},"was":"absent","is":"present"}`,
		`{"item":{"sysctl":"net/ipv4/conf/all/forwarding"},"was":"1","is":"0"}`,
	} {
		must(t, os.WriteFile(file, []byte(strings.Replace(string(b), `"changes": [`, `"changes": [`+evil+",", 1)), 0o600))
		l.with(func(h *Host) error {
			if r, err := h.Stop(vipA); err == nil {
				t.Errorf("stop obeys %s: %+v", evil, r)
			}
			return nil
		})
		l.same(before)
	}
}

// Whatever a record says, a host keeps a rule for its own addresses.
func TestTheLastRuleForLocalAddressesIsNotRemoved(t *testing.T) {
	l := newLab(t)
	must(t, l.host.Do(func() error {
		k, err := openKernel()
		if err != nil {
			return err
		}
		defer k.close()
		for _, ipv6 := range []bool{false, true} {
			rule := Item{Rule: Rule{IPv6: ipv6, Table: unix.RT_TABLE_LOCAL, Owner: unix.RTPROT_KERNEL}}
			if _, err := k.set(rule, Absent); !errors.Is(err, errLastLocal) {
				t.Errorf("IPv6 %v: %v", ipv6, err)
			}
			second := rule
			second.Rule.Priority = policyroute.BehindBalancePref
			for _, step := range []goal{{item: second, value: Present}, {item: rule, value: Absent}, {item: rule, value: Present}, {item: second, value: Absent}} {
				if got, err := k.set(step.item, step.value); err != nil || got != step.value {
					t.Errorf("%s is %s, want %s: %v", step.item, got, step.value, err)
				}
			}
		}
		return nil
	}))
}

func TestAVIPThatStandsElsewhereIsRefused(t *testing.T) {
	l := newLab(t)
	must(t, l.host.AddAddr("eth0", netip.PrefixFrom(vipA, 24)))
	l.with(func(h *Host) error {
		if _, err := h.Start(Options{VIP: vipA}); err == nil || !strings.Contains(err.Error(), "ip addr del 192.168.1.100/24 dev eth0") {
			t.Errorf("%v", err)
		}
		s, err := h.Status(Options{VIP: vipA})
		if err == nil && s.InPlace {
			t.Error("it is in place")
		}
		return err
	})
	if files, err := filepath.Glob(l.state + "/*"); err != nil || len(files) != 0 {
		t.Errorf("a record of nothing: %v, %v", files, err)
	}
}

// SetUp leaves no record.
func TestSetUpMakesARealServer(t *testing.T) {
	l := newLab(t)
	must(t, l.host.Do(func() error { return SetUp(Options{VIP: vipB}) }))
	l.with(func(h *Host) error {
		s, err := h.Status(Options{VIP: vipB})
		if err == nil && !s.InPlace {
			t.Errorf("%+v", s)
		}
		return err
	})
}

func TestOutcomesReadAsSentences(t *testing.T) {
	for _, c := range []struct {
		o    Outcome
		want string
	}{
		{Outcome{Item: "x", Result: Set, Was: "0", Is: "1"}, "set x: was 0, is 1"},
		{Outcome{Item: "x", Result: AlreadySo, Is: "1"}, "already so: x is 1"},
		{Outcome{Item: "x", Result: NotTried, Note: "why"}, "not tried: x; why"},
		{Outcome{Item: "x", Result: Failed, Note: "why"}, "failed: why"},
		{Outcome{Item: "x", Result: Kept, Is: "1", Note: "another VIP needs it"}, "kept: x is 1; another VIP needs it"},
	} {
		if got := c.o.String(); got != c.want {
			t.Errorf("%q, want %q", got, c.want)
		}
	}
}
