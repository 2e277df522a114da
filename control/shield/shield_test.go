package shield_test

import (
	"net/netip"
	"os"
	"testing"

	"github.com/vishvananda/netlink"

	"lvsdr/bench/netlab"
	"lvsdr/control/shield"
)

func TestMain(m *testing.M) { os.Exit(netlab.RunTests(m)) }

// ours counts the rules and routes of the shield in the current namespace.
func ours(t *testing.T) (rules, routes int) {
	t.Helper()
	for _, family := range []int{netlink.FAMILY_V4, netlink.FAMILY_V6} {
		rs, err := netlink.RuleListFiltered(family, &netlink.Rule{Table: shield.Table}, netlink.RT_FILTER_TABLE)
		if err != nil {
			t.Fatal(err)
		}
		rules += len(rs)
		rt, err := netlink.RouteListFiltered(family, &netlink.Route{Table: shield.Table}, netlink.RT_FILTER_TABLE)
		if err != nil {
			t.Fatal(err)
		}
		routes += len(rt)
	}
	return rules, routes
}

// inHost runs f in the namespace of a fresh host.
func inHost(t *testing.T, f func()) {
	t.Helper()
	netlab.Require(t)
	h, err := netlab.NewHost("director", netlab.HostConfig{IPv6: true})
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	if err := h.Do(func() error { f(); return nil }); err != nil {
		t.Fatal(err)
	}
}

var (
	guard4 = shield.Guard{VIP: netip.MustParseAddr("192.0.2.100"), Interface: "eth0"}
	guard6 = shield.Guard{VIP: netip.MustParseAddr("fd00::100"), Interface: "eth1"}
)

func TestAShieldIsAsItWasSetAndGoesWhole(t *testing.T) {
	inHost(t, func() {
		s, err := shield.New()
		if err != nil {
			t.Error(err)
			return
		}
		for _, c := range []struct {
			guards []shield.Guard
			rules  int
		}{
			{[]shield.Guard{guard4, guard6}, 2},
			{[]shield.Guard{guard4, guard4}, 1},
			{[]shield.Guard{guard6}, 1},
			{nil, 0},
			{[]shield.Guard{guard4, guard6}, 2},
		} {
			if err := s.Set(c.guards); err != nil {
				t.Error(err)
			}
			if rules, _ := ours(t); rules != c.rules {
				t.Errorf("%d rules after Set(%v), want %d", rules, c.guards, c.rules)
			}
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		if rules, routes := ours(t); rules != 0 || routes != 0 {
			t.Errorf("%d rules and %d routes are left", rules, routes)
		}
	})
}

func TestTheNextShieldRemovesWhatACrashLeft(t *testing.T) {
	inHost(t, func() {
		crashed, err := shield.New()
		if err != nil {
			t.Error(err)
			return
		}
		if err := crashed.Set([]shield.Guard{guard4, guard6}); err != nil {
			t.Error(err)
		}
		s, err := shield.New()
		if err != nil {
			t.Error(err)
			return
		}
		if rules, routes := ours(t); rules != 0 || routes != 0 {
			t.Errorf("%d rules and %d routes are left", rules, routes)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
}
