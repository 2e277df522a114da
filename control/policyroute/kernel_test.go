package policyroute_test

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"lvsdr/bench/netns"
	"lvsdr/control/policyroute"
	"lvsdr/dataplane/frame"
)

func TestMain(m *testing.M) { os.Exit(netns.RunTests(m)) }

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// newKernel is that of a host with a pair of interfaces, eth0 and eth1, whose
// indexes it returns. eth0 has 192.168.1.10/24 and fd00:1::10/64.
func newKernel(t *testing.T) (k *policyroute.Kernel, h *netns.Host, eth0, eth1 int) {
	t.Helper()
	h = netns.NewTestHost(t, "host", netns.HostConfig{IPv6: true})
	attrs := netlink.NewLinkAttrs()
	attrs.Name = "eth0"
	veth := netlink.NewVeth(attrs)
	veth.PeerName = "eth1"
	must(t, h.Netlink().LinkAdd(veth))
	for _, name := range []string{"eth0", "eth1"} {
		l, err := h.Netlink().LinkByName(name)
		must(t, err)
		must(t, h.Netlink().LinkSetUp(l))
		eth0, eth1 = eth1, l.Attrs().Index
	}
	must(t, h.AddAddr("eth0", netip.MustParsePrefix("192.168.1.10/24")))
	must(t, h.AddAddr("eth0", netip.MustParsePrefix("fd00:1::10/64")))
	must(t, h.Do(func() (err error) { k, err = policyroute.Open(); return err }))
	t.Cleanup(k.Close)
	return k, h, eth0, eth1
}

// test is an owner with numbers of its own; everything is of the kinds that the
// program's features set.
var test = policyroute.Owner{Name: "test", Tables: []policyroute.Span{{First: 1000, Last: 1001}},
	Claims: []policyroute.Claim{{Pref: 90, Tables: policyroute.Span{}}}}

func everything(eth0, eth1 int) policyroute.Policy {
	addr, prefix := netip.MustParseAddr, netip.MustParsePrefix
	return policyroute.Policy{
		Rules: []policyroute.Rule{
			{Pref: 91, IIF: "eth0", Table: 1000},
			{Pref: 91, IIF: "lo", Mark: 7, Mask: 0xffffffff, Table: 1000},
			{Pref: 92, IIF: "lo", Ports: policyroute.Ports{First: 1, Last: 65534}, Table: 1000},
			{Pref: 92, IIF: "lo", From: prefix("192.168.1.10/32"), Table: 1001},
			{Pref: 92, IIF: "lo", To: prefix("192.168.1.100/32"), Proto: frame.ProtoTCP, Ports: policyroute.Ports{First: 80, Last: 80}, Table: 1001},
			{IPv6: true, Pref: 91, IIF: "eth0", Table: 1000},
			{IPv6: true, Pref: 92, To: prefix("fd00::/16"), Table: 1001},
		},
		Routes: []policyroute.Route{
			{To: prefix("0.0.0.0/0"), Table: 1000, Type: unix.RTN_UNREACHABLE},
			{To: prefix("192.168.1.100/32"), Table: 1000, Type: unix.RTN_BLACKHOLE},
			{To: prefix("192.168.1.101/32"), Table: 1000, Links: []int{eth0}, Source: addr("192.168.1.10")},
			{To: prefix("192.168.1.102/32"), Table: 1000, Links: []int{eth0}, Via: addr("10.9.9.9"), Metric: 3},
			{To: prefix("192.168.1.103/32"), Table: 1001, Links: []int{eth0, eth1}},
			{To: prefix("192.168.1.104/32"), Table: 1001, Links: []int{eth1}, Type: unix.RTN_LOCAL},
			{To: prefix("::/0"), Table: 1000, Type: unix.RTN_UNREACHABLE},
			{To: prefix("fd00:1::100/128"), Table: 1000, Type: unix.RTN_BLACKHOLE},
			{To: prefix("fd00:1::104/128"), Table: 1001, Links: []int{eth1}, Type: unix.RTN_LOCAL},
			{To: prefix("fd00:1::101/128"), Table: 1000, Links: []int{eth0}, Source: addr("fd00:1::10")},
			{To: prefix("fd00:1::102/128"), Table: 1000, Links: []int{eth0}, Via: addr("fd00:1::11"), Metric: 3},
		},
	}
}

// has is all that belongs to the owner test, in ip(8)'s words.
func has(t *testing.T, k *policyroute.Kernel) []string {
	t.Helper()
	var all []string
	for _, ipv6 := range []bool{false, true} {
		rules, err := k.Rules(ipv6)
		must(t, err)
		for _, r := range rules {
			if test.HasRule(r) {
				all = append(all, fmt.Sprint(r, " proto ", r.Protocol))
			}
		}
		routes, err := k.Routes(ipv6, test.HasTable)
		must(t, err)
		for _, r := range routes {
			all = append(all, r.String())
		}
	}
	slices.Sort(all)
	return all
}

func TestSetIsWhatTheKernelHasAfterwards(t *testing.T) {
	k, _, eth0, eth1 := newKernel(t)
	want := everything(eth0, eth1)
	want.Rules = append(want.Rules, policyroute.Rule{Pref: 90})
	n := len(want.Rules) + len(want.Routes)
	missing, err := k.Missing(test, want)
	if err != nil || len(missing) != n {
		t.Errorf("missing: %d of %d, %v", len(missing), n, err)
	}
	must(t, k.Set(test, want))
	first := has(t, k)
	if len(first) != n {
		t.Errorf("%d of %d are there:\n%s", len(first), n, strings.Join(first, "\n"))
	}
	if missing, err := k.Missing(test, want); err != nil || len(missing) != 0 {
		t.Errorf("missing: %q, %v", missing, err)
	}
	must(t, k.Set(test, want))
	if again := has(t, k); !slices.Equal(first, again) {
		t.Errorf("a second Set has changed\n%s\nto\n%s", strings.Join(first, "\n"), strings.Join(again, "\n"))
	}
	must(t, k.Keep(test, policyroute.Policy{Rules: want.Rules[:1], Routes: append(slices.Clone(want.Routes[:1]), policyroute.Route{
		To: netip.MustParsePrefix("10.0.0.0/8"), Table: 1000, Links: []int{eth0}})}))
	if left := has(t, k); len(left) != 2 {
		t.Errorf("Keep left %q, want a rule and a route", left)
	}
	must(t, k.Set(test, want))
	must(t, k.Clean(test))
	if left := has(t, k); len(left) != 0 {
		t.Errorf("Clean left\n%s", strings.Join(left, "\n"))
	}
	must(t, k.Clean(test))
}

// Each part that somebody takes away is named and put back, and nothing else is
// touched.
func TestWhatOthersRemovedIsFoundAndRestored(t *testing.T) {
	k, _, eth0, eth1 := newKernel(t)
	want := everything(eth0, eth1)
	must(t, k.Set(test, want))
	whole := has(t, k)
	for i := range want.Rules {
		must(t, k.DelRule(want.Rules[i]))
		wantMissing(t, k, want, want.Rules[i].String())
	}
	for i := range want.Routes {
		must(t, k.DelRoute(want.Routes[i]))
		wantMissing(t, k, want, want.Routes[i].String())
	}
	slices.Sort(whole)
	if got := has(t, k); !slices.Equal(got, whole) {
		t.Errorf("now\n%s\nbefore\n%s", strings.Join(got, "\n"), strings.Join(whole, "\n"))
	}
}

// wantMissing wants one thing to be missing, and sets it again.
func wantMissing(t *testing.T, k *policyroute.Kernel, want policyroute.Policy, name string) {
	t.Helper()
	missing, err := k.Missing(test, want)
	if err != nil || len(missing) != 1 || !strings.HasSuffix(missing[0], name) {
		t.Errorf("missing is %q, %v; want %s", missing, err, name)
	}
	must(t, k.Set(test, want))
}

// What is not the owner's stays: rules and routes of others, also with the same
// preference.
func TestOthersRulesAndRoutesAreLeftAlone(t *testing.T) {
	k, h, eth0, eth1 := newKernel(t)
	foreign := netlink.NewRule()
	foreign.Family, foreign.Priority, foreign.Table, foreign.OifName = unix.AF_INET, 91, 999, "eth0"
	must(t, h.Netlink().RuleAdd(foreign))
	must(t, h.Netlink().RouteAdd(&netlink.Route{Dst: netlink.NewIPNet([]byte{10, 0, 0, 1}), Table: 999, LinkIndex: eth0}))
	before, err := k.Rules(false)
	must(t, err)
	must(t, k.Set(test, everything(eth0, eth1)))
	must(t, k.Clean(test))
	after, err := k.Rules(false)
	must(t, err)
	if !slices.Equal(before, after) {
		t.Errorf("before %v, after %v", before, after)
	}
	routes, err := k.Routes(false, func(n int) bool { return n == 999 })
	if err != nil || len(routes) != 1 {
		t.Errorf("%v, %v", routes, err)
	}
	if k := slices.IndexFunc(after, func(r policyroute.Rule) bool { return r.Table == 999 }); k < 0 || after[k].Other != "oif eth0" {
		t.Errorf("%+v", after)
	}
}

func TestARouteIsReplacedByAnotherOne(t *testing.T) {
	k, _, eth0, eth1 := newKernel(t)
	to := netip.MustParsePrefix("192.168.1.100/32")
	for _, r := range []policyroute.Route{
		{To: to, Table: 1000, Links: []int{eth0}},
		{To: to, Table: 1000, Links: []int{eth0}, Source: netip.MustParseAddr("192.168.1.10")},
		{To: to, Table: 1000, Type: unix.RTN_BLACKHOLE},
		{To: to, Table: 1000, Links: []int{eth1}},
		{To: to, Table: 1000, Links: []int{eth0, eth1}},
		{To: to, Table: 1000, Links: []int{eth0}, Via: netip.MustParseAddr("192.168.1.1")},
	} {
		must(t, k.Set(test, policyroute.Policy{Routes: []policyroute.Route{r}}))
		if got := has(t, k); !slices.Equal(got, []string{strings.TrimSpace(r.String())}) {
			t.Errorf("%q, want %s", got, r)
		}
	}
}

func TestLookUpKnowsMarksGatewaysAndThisHost(t *testing.T) {
	k, h, eth0, _ := newKernel(t)
	must(t, k.Set(test, policyroute.Policy{
		Rules:  []policyroute.Rule{{Pref: 91, IIF: "lo", Mark: 7, Mask: 0xffffffff, Table: 1000}},
		Routes: []policyroute.Route{{To: netip.MustParsePrefix("192.168.1.100/32"), Table: 1000, Links: []int{eth0}, Via: netip.MustParseAddr("192.168.1.11")}}}))
	for _, c := range []struct {
		to   string
		mark uint32
		want policyroute.Hop
		err  error
	}{
		{"192.168.1.100", 0, policyroute.Hop{}, nil},
		{"192.168.1.100", 7, policyroute.Hop{Gateway: netip.MustParseAddr("192.168.1.11")}, nil},
		{"192.168.1.10", 0, policyroute.Hop{Local: true}, nil},
		{"8.8.8.8", 0, policyroute.Hop{}, unix.ENETUNREACH},
	} {
		if got, err := k.LookUp(netip.MustParseAddr(c.to), c.mark); got != c.want || !errors.Is(err, c.err) {
			t.Errorf("%s, mark %d: %+v, %v; want %+v, %v", c.to, c.mark, got, err, c.want, c.err)
		}
	}
	_ = h
}

// onThread runs f on a thread of its own, which ends with it.
func onThread(f func()) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread() // and never unlocked
		f()
	}()
	<-done
}

func TestTheMissingPrivilegeIsNamedOnce(t *testing.T) {
	k, _, eth0, eth1 := newKernel(t)
	onThread(func() {
		head := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
		var data [2]unix.CapUserData
		if err := unix.Capset(&head, &data[0]); err != nil {
			t.Error(err)
			return
		}
		err := k.Set(test, everything(eth0, eth1))
		if !errors.Is(err, os.ErrPermission) || strings.Count(err.Error(), "needs CAP_NET_ADMIN") != 1 || !strings.HasPrefix(err.Error(), "test: set the route ") {
			t.Errorf("%v", err)
		}
		if missing, err := k.Missing(test, everything(eth0, eth1)); err != nil || len(missing) == 0 {
			t.Errorf("looking needs no privilege: %q, %v", missing, err)
		}
	})
}

func TestDumpRepeatsWhatWasInterrupted(t *testing.T) {
	broken := errors.New("broken")
	for _, c := range []struct {
		interruptions int
		err, want     error
		calls         int
	}{
		{0, nil, nil, 1},
		{3, nil, nil, 4},
		{99, nil, netlink.ErrDumpInterrupted, 11},
		{0, broken, broken, 1},
		{1, fmt.Errorf("list: %w", unix.EAFNOSUPPORT), nil, 2},
	} {
		calls := 0
		_, err := policyroute.Dump(func() ([]int, error) {
			if calls++; calls <= c.interruptions {
				return nil, netlink.ErrDumpInterrupted
			}
			return []int{calls}, c.err
		})
		if !errors.Is(err, c.want) || (err == nil) != (c.want == nil) || calls != c.calls {
			t.Errorf("%+v: %v after %d calls", c, err, calls)
		}
	}
}

func TestExplainNamesWhatIsMissing(t *testing.T) {
	for _, c := range []struct {
		err  error
		want string
	}{
		{unix.EPERM, "try: operation not permitted (needs CAP_NET_ADMIN in this network namespace)"},
		{unix.EOPNOTSUPP, "CONFIG_IP_MULTIPLE_TABLES"},
		{unix.EEXIST, "try: file exists"},
	} {
		err := policyroute.Explain("try", c.err)
		if !errors.Is(err, c.err) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%v, want %s", err, c.want)
		}
	}
	if policyroute.Explain("try", nil) != nil {
		t.Error("an error of nothing")
	}
}
