package policyroute

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"lvsdr/dataplane/frame"
)

func pfx(s string) netip.Prefix { return netip.MustParsePrefix(s) }

// allOwners are the features that set rules and routes by an Owner.
func allOwners() []Owner { return []Owner{Shield(), DRCheck(), Local()} }

// Two features on one host never touch each other's rules and routes.
func TestNoNumberHasTwoOwners(t *testing.T) {
	claimed := map[string]string{}
	claim := func(what, who string) {
		t.Helper()
		if other, ok := claimed[what]; ok && other != who {
			t.Errorf("%s belongs to %s and to %s", what, other, who)
		}
		claimed[what] = who
	}
	for _, o := range allOwners() {
		for _, s := range o.Tables {
			for n := s.First; n <= s.Last; n++ {
				claim(fmt.Sprintf("table %#x", n), o.Name)
			}
		}
		for _, c := range o.Claims {
			for n := c.Tables.First; n <= c.Tables.Last; n++ {
				claim(fmt.Sprintf("rules %d to table %#x", c.Pref, n), o.Name)
			}
		}
	}
	claim(fmt.Sprintf("table %#x", BalanceTable), "real server")
	prefs := map[int]bool{}
	for _, p := range []int{BalancePref, BehindBalancePref, ShieldPref, DRCheckSkipPref, DRCheckPref, DRCheckEndPref, LocalPref, LocalReplyPref} {
		if prefs[p] {
			t.Errorf("preference %d is used twice", p)
		}
		prefs[p] = true
	}
}

// What earlier versions left belongs to those who clean up after it, but for the
// real server's own rules, which had the same table.
func TestWhatEarlierVersionsLeftHasAnOwner(t *testing.T) {
	vip := pfx("192.168.1.100/32")
	for _, c := range []struct {
		rule Rule
		want string
	}{
		{Rule{Pref: 75, IIF: "eth0", To: vip, Table: 0x6c770001, Protocol: Protocol}, "shield"},
		{Rule{Pref: 76, IIF: "lo", Mark: 0x6c760001, Mask: allBits, Table: 0x6c760001, Protocol: Protocol}, "DR checks"},
		{Rule{Pref: 77, IIF: "lo", To: vip, Ports: Ports{1, 65534}, Table: 0x6c770002, Protocol: Protocol}, "local clients"},
		{Rule{Pref: 78, IIF: "lo", To: vip, Table: 0x6c770003, Protocol: Protocol}, "local clients"},
		{Rule{Pref: 1, IIF: "lo", To: vip, Ports: Ports{80, 80}, Proto: frame.ProtoTCP, Table: 0x6c770002, Protocol: Protocol}, ""},
		{Rule{Pref: 2, Table: unix.RT_TABLE_LOCAL, Protocol: Protocol}, ""},
		{Rule{Pref: 76, Goto: 100}, ""}, // somebody else's
		{Rule{Pref: 76, Goto: 78, Protocol: Protocol}, "DR checks"},
		{Rule{Pref: 0, Table: unix.RT_TABLE_LOCAL, Protocol: unix.RTPROT_KERNEL}, ""},
	} {
		var owners []string
		for _, o := range allOwners() {
			if o.HasRule(c.rule) {
				owners = append(owners, o.Name)
			}
		}
		if got := strings.Join(owners, ", "); got != c.want {
			t.Errorf("%s belongs to %q, want %q", c.rule, got, c.want)
		}
	}
}

// some draws a few of all.
func some[T any](r *rand.Rand, all []T) []T {
	var out []T
	for _, x := range all {
		if r.IntN(2) == 0 {
			out = append(out, x)
		}
	}
	return out
}

// apply does a change as a kernel would.
func apply(have Policy, c change) Policy {
	var out Policy
	for _, r := range have.Routes {
		if !slices.ContainsFunc(append(slices.Clone(c.set), c.discard...), func(x Route) bool { return x.place() == r.place() }) {
			out.Routes = append(out.Routes, r)
		}
	}
	out.Routes = append(out.Routes, c.set...)
	for _, r := range have.Rules {
		if !slices.Contains(c.del, r) {
			out.Rules = append(out.Rules, r)
		}
	}
	out.Rules = append(out.Rules, c.add...)
	return out
}

// described is a policy as a sorted text.
func described(p Policy) []string {
	var all []string
	for _, r := range p.Rules {
		all = append(all, r.String())
	}
	for _, r := range p.Routes {
		all = append(all, r.plain().String())
	}
	slices.Sort(all)
	return all
}

// Whatever there is, the change makes it what is wanted, touches nothing that is
// as wanted, and a second change is empty.
func TestAChangeMakesWhatIsWanted(t *testing.T) {
	var rules []Rule
	var routes []Route
	for n := range 4 {
		to := netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 0, 0, byte(n)}), 32)
		to6 := netip.PrefixFrom(netip.AddrFrom16([16]byte{0xfd, 15: byte(n)}), 128)
		for _, protocol := range []uint8{Protocol, 3} {
			rules = append(rules, Rule{Pref: 75, To: to, Table: 7, Protocol: protocol}, Rule{IPv6: true, Pref: 75, IIF: "eth0", Table: 7 + n, Protocol: protocol})
		}
		routes = append(routes,
			Route{To: to, Table: 7, Type: unix.RTN_BLACKHOLE}, Route{To: to, Table: 7, Links: []int{2}}, Route{To: to, Table: 7, Links: []int{2, 3}},
			Route{To: to, Table: 7, Links: []int{2}, Metric: 1}, Route{To: to, Table: 8, Links: []int{2}, Source: to.Addr()},
			Route{To: to6, Table: 7, Links: []int{2}}, Route{To: to6, Table: 7, Links: []int{2}, Via: to6.Addr()})
	}
	// distinct leaves one of what the kernel can have only one of.
	distinct := func(p Policy) Policy {
		var out Policy
		for _, r := range p.Rules {
			if !slices.ContainsFunc(out.Rules, func(x Rule) bool { return x.Same() == r.Same() }) {
				out.Rules = append(out.Rules, r)
			}
		}
		for _, r := range p.Routes {
			if !slices.ContainsFunc(out.Routes, func(x Route) bool { return x.place() == r.place() }) {
				out.Routes = append(out.Routes, r)
			}
		}
		return out
	}
	r := rand.New(rand.NewPCG(1, 2))
	for range 2000 {
		have := distinct(Policy{some(r, rules), some(r, routes)})
		for i := range have.Routes {
			have.Routes[i] = have.Routes[i].plain() // as the kernel lists it
		}
		want := distinct(Policy{some(r, rules), some(r, routes)})
		r.Shuffle(len(want.Routes), func(i, j int) { want.Routes[i], want.Routes[j] = want.Routes[j], want.Routes[i] })
		c := diff(have, want)
		after := apply(have, c)
		if got, want := described(after), described(want); !slices.Equal(got, want) {
			t.Fatalf("have %q\nchange %+v\ngives %q\nwant %q", described(have), c, got, want)
		}
		if again := diff(after, want); !reflect.DeepEqual(again, change{}) {
			t.Fatalf("a second change is %+v", again)
		}
		for _, x := range c.set {
			if slices.ContainsFunc(have.Routes, func(h Route) bool { return equal(h, x) }) {
				t.Fatalf("%s is set, and was there", x)
			}
		}
	}
}

// A rule that is there twice, made by two, is one too many.
func TestASecondRuleOfTheSameIsRemoved(t *testing.T) {
	a := Rule{Pref: 75, Table: 7, Protocol: Protocol}
	b := a
	b.Protocol = 3
	c := diff(Policy{Rules: []Rule{a, b}}, Policy{Rules: []Rule{a, a}})
	if !reflect.DeepEqual(c, change{del: []Rule{b}}) {
		t.Errorf("%+v", c)
	}
}

func TestRulesAndRoutesReadAsIPWritesThem(t *testing.T) {
	for _, c := range []struct {
		x    fmt.Stringer
		want string
	}{
		{Rule{Pref: 75, IIF: "eth0", Table: ShieldBase + 1}, "75: from all iif eth0 lookup 1819803649"},
		{Rule{Pref: 76, Not: true, Mark: DRCheckBase, Mask: DRCheckMask, Goto: 78}, "76: not from all fwmark 0x6c760000/0xffffc000 goto 78"},
		{Rule{Pref: 78}, "78: from all nop"},
		{Rule{Pref: 77, IIF: "lo", Mark: 1, Mask: allBits, Table: 7}, "77: from all fwmark 0x1 iif lo lookup 7"},
		{Rule{Pref: 79, IIF: "lo", Ports: Ports{1, 65534}, Table: 7}, "79: from all iif lo dport 1-65534 lookup 7"},
		{Rule{Pref: 1, IIF: "lo", To: pfx("192.168.1.100/32"), Proto: frame.ProtoTCP, Ports: Ports{80, 80}, Table: 7}, "1: from all to 192.168.1.100 iif lo ipproto tcp dport 80 lookup 7"},
		{Rule{Pref: 9, From: pfx("10.0.0.0/8"), Table: unix.RT_TABLE_LOCAL, Other: "oif eth1"}, "9: from 10.0.0.0/8 oif eth1 lookup local"},
		{Route{To: pfx("192.168.1.100/32"), Table: 7, Type: unix.RTN_BLACKHOLE}, "blackhole 192.168.1.100 table 7"},
		{Route{To: pfx("0.0.0.0/0"), Table: 7, Type: unix.RTN_UNREACHABLE}, "unreachable default table 7"},
		{Route{To: pfx("::/0"), Table: 7, Type: unix.RTN_THROW}, "type 9 default table 7"},
		{Route{To: pfx("192.168.1.100/32"), Table: 7, Links: []int{3}, Via: netip.MustParseAddr("192.168.1.11"), Metric: 2}, "192.168.1.100 via 192.168.1.11 dev 3 table 7 metric 2"},
		{Route{To: pfx("10.0.0.0/8"), Table: unix.RT_TABLE_MAIN, Links: []int{3, 4}, Source: netip.MustParseAddr("10.0.0.1")}, "10.0.0.0/8 dev 3 dev 4 src 10.0.0.1"},
	} {
		if got := c.x.String(); got != c.want {
			t.Errorf("%q, want %q", got, c.want)
		}
	}
}

// diffRoutesSlow says the same, one route after the other.
func diffRoutesSlow(have, want []Route) (set, discard []Route) {
	same := func(p place) func(Route) bool { return func(r Route) bool { return r.place() == p } }
	for _, r := range want {
		if i := slices.IndexFunc(have, same(r.place())); i < 0 || !equal(have[i], r) {
			set = append(set, r)
		}
	}
	for _, r := range have {
		if !slices.ContainsFunc(want, same(r.place())) {
			discard = append(discard, r)
		}
	}
	return set, discard
}

func TestRoutesAreComparedByTheirPlaces(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	draw := func() []Route {
		var all []Route
		for range r.IntN(12) {
			to := netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 0, 0, byte(r.IntN(4))}), 32)
			if r.IntN(3) == 0 {
				to = netip.PrefixFrom(netip.AddrFrom16([16]byte{0xfd, 15: byte(r.IntN(4))}), 128)
			}
			all = append(all, Route{To: to, Table: 7 + r.IntN(2), Links: []int{2 + r.IntN(2)}, Metric: []int{0, 1, defaultMetric6}[r.IntN(3)]})
		}
		return all // also several at one place, as IPv6 may have them
	}
	for range 2000 {
		have, want := draw(), draw()
		set, discard := diffRoutes(have, want)
		wantSet, wantDiscard := diffRoutesSlow(have, want)
		if !reflect.DeepEqual(set, wantSet) || !reflect.DeepEqual(discard, wantDiscard) {
			t.Fatalf("from %v to %v: set %v, discard %v; want %v and %v", have, want, set, discard, wantSet, wantDiscard)
		}
	}
}

func TestThePlaceOfARouteIsThatOfTheKernelsOwn(t *testing.T) {
	for _, metric := range []int{0, 1, defaultMetric6} {
		for _, to := range []string{"10.0.0.1/32", "fd00::1/128", "0.0.0.0/0", "::/0"} {
			for _, kind := range []int{0, unix.RTN_UNICAST, unix.RTN_BLACKHOLE} {
				r := Route{To: pfx(to), Table: 7, Type: kind, Metric: metric}
				if r.place() != r.plain().place() || r.place() != (place{r.To, 7, r.plain().Metric}) {
					t.Errorf("%v is at %v, as the kernel lists it at %v", r, r.place(), r.plain().place())
				}
			}
		}
	}
}
