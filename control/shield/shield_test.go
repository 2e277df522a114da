package shield_test

import (
	"context"
	"errors"
	"net/netip"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/google/nftables"
	"github.com/vishvananda/netlink"

	"lvsdr/bench/netlab"
	"lvsdr/bench/netns"
	"lvsdr/control/shield"
)

func TestMain(m *testing.M) { os.Exit(netns.RunTests(m)) }

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
	netns.Require(t)
	h, err := netns.NewHost("director", netns.HostConfig{IPv6: true})
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

// tables counts the shield's tables of nftables in the current namespace.
func tables(t *testing.T) (n int) {
	t.Helper()
	c, err := nftables.New()
	if err != nil {
		t.Fatal(err)
	}
	all, err := c.ListTablesOfFamily(nftables.TableFamilyNetdev)
	if err != nil {
		t.Fatal(err)
	}
	for _, x := range all {
		if x.Name == shield.IngressTable {
			n++
		}
	}
	return n
}

// With the shield the kernel is silent even about a VIP that is its own, in
// both families, and about nothing else; without, it refuses.
func TestIngressHidesAnAddressFromTheKernel(t *testing.T) {
	netns.Require(t)
	for _, network := range []string{"192.168.1.0/24", "fd00:1::/64"} {
		lab, err := netlab.Build(t.Context(), netlab.Spec{Net: netip.MustParsePrefix(network)})
		if err != nil {
			t.Fatal(err)
		}
		vip, d := lab.Spec.VIP, lab.Director
		if err := d.AddAddr(netlab.Ifname, netip.PrefixFrom(vip, vip.BitLen())); err != nil {
			t.Fatal(err)
		}
		refused := func(to netip.Addr) bool {
			ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
			defer cancel()
			_, err := lab.Clients[0].Dial(ctx, "tcp", netip.AddrPortFrom(to, 7).String())
			if err == nil {
				t.Fatalf("%s is open", to)
			}
			return errors.Is(err, syscall.ECONNREFUSED)
		}
		if !refused(vip) {
			t.Fatalf("%s: without a shield the kernel says nothing", vip)
		}
		var s *shield.Shield
		err = d.Do(func() (err error) {
			if s, err = shield.New(); err != nil {
				return err
			}
			if err := s.Set([]shield.Guard{{VIP: vip, Interface: netlab.Ifname}}); err != nil {
				return err
			}
			if n := tables(t); n != 1 {
				t.Errorf("%d tables of nftables, want 1", n)
			}
			return s.Early()
		})
		if err != nil {
			t.Fatal(err)
		}
		if refused(vip) {
			t.Errorf("%s: the kernel refuses behind the shield", vip)
		}
		if !refused(d.Addr) {
			t.Errorf("%s: the shield hides what it should not", d.Addr)
		}
		if err := d.Do(func() error {
			err := s.Close()
			if n := tables(t); n != 0 {
				t.Errorf("%d tables of nftables are left", n)
			}
			return err
		}); err != nil {
			t.Fatal(err)
		}
		if !refused(vip) {
			t.Errorf("%s: the shield is closed, and the kernel says nothing", vip)
		}
		if err := lab.Close(); err != nil {
			t.Error(err)
		}
	}
}
