package localclient_test

import (
	"net/netip"
	"slices"
	"testing"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"lvsdr/control/hostnet"
	"lvsdr/control/localclient"
)

// A VIP with a real server on this host is an address of the pair as long as it is served,
// without the kernel's own route to it, so that clients on this host are still led to the
// director; whoever reads the host's networks does not see it.
func TestAServedVIPIsAnAddressOfThePair(t *testing.T) {
	inHost(t, func(_ int, v4, v6 localclient.VIP) {
		g := open(t, 1500)
		unled := v6 // a VIP of a host that has no address there
		unled.Source = netip.Addr{}
		for _, c := range []struct {
			name string
			vips []localclient.VIP
		}{
			{"both", []localclient.VIP{served(v4), served(v6)}}, {"again", []localclient.VIP{served(v4), served(v6)}},
			{"one", []localclient.VIP{v4, served(v6)}}, {"without clients", []localclient.VIP{v4, served(unled)}}, {"none", []localclient.VIP{v4, v6}},
			{"the other", []localclient.VIP{served(v4)}}, {"no VIP", nil},
		} {
			if err := g.Set(c.vips); err != nil {
				t.Fatalf("%s: %v", c.name, err)
			}
			var want []netip.Addr
			for _, v := range c.vips {
				if v.Served {
					want = append(want, v.Addr)
				}
			}
			if got := lent(t); !slices.Equal(got, want) {
				t.Errorf("%s: the pair has %v, want %v", c.name, got, want)
			}
			s, err := hostnet.Read()
			if err != nil {
				t.Fatal(err)
			}
			localclient.Hide(s)
			for _, v := range []localclient.VIP{v4, v6} {
				if p, err := s.VIP(v.Addr, ""); err != nil || p.Local != "" || p.Warning != "" {
					t.Errorf("%s: %v is at %+v, %v", c.name, v.Addr, p, err)
				}
			}
			for _, v := range c.vips {
				if v.Source.IsValid() && source(t, v.Addr) != v.Source {
					t.Errorf("%s: a client of %v is not led to the director", c.name, v.Addr)
				}
			}
		}
		if err := g.Close(); err != nil {
			t.Error(err)
		}
		wantNothing(t)
	})
}

// served is v with a real server on this host.
func served(v localclient.VIP) localclient.VIP {
	v.Served = true
	return v
}

// lent are the addresses of the pair; the kernel has no local route to any of them.
func lent(t *testing.T) (all []netip.Addr) {
	t.Helper()
	pair, err := netlink.LinkByName(localclient.HostEnd)
	if err != nil {
		t.Fatal(err)
	}
	for _, family := range []int{netlink.FAMILY_V4, netlink.FAMILY_V6} {
		addrs, err := netlink.AddrList(pair, family)
		if err != nil {
			t.Fatal(err)
		}
		for _, a := range addrs {
			addr, _ := netip.AddrFromSlice(a.IP)
			all = append(all, addr.Unmap())
		}
		routes, err := netlink.RouteListFiltered(family, &netlink.Route{Table: unix.RT_TABLE_LOCAL, LinkIndex: pair.Attrs().Index}, netlink.RT_FILTER_TABLE|netlink.RT_FILTER_OIF)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range routes {
			if r.Type == unix.RTN_LOCAL {
				t.Errorf("the kernel's own route is there: %v", r)
			}
		}
	}
	return all
}
