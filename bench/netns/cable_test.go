package netns

import (
	"errors"
	"net/netip"
	"testing"

	"github.com/vishvananda/netlink"
)

// layBetween lays a cable with an address of either family at each end.
func layBetween(t *testing.T, a, b *Host) (ofA, ofB [2]netip.Addr) {
	t.Helper()
	ends := [2]Cable{{Ifname: "a0", MTU: 1400}, {MTU: 1300}}
	for i := range ends {
		for _, net := range []string{"10.7.0.1/24", "fd00:7::1/64"} {
			p := netip.MustParsePrefix(net)
			if i == 1 {
				p = netip.PrefixFrom(p.Addr().Next(), p.Bits())
			}
			ends[i].Addrs = append(ends[i].Addrs, p)
		}
	}
	if err := Lay(t.Context(), a, ends[0], b, ends[1]); err != nil {
		t.Fatal(err)
	}
	for i := range ofA {
		ofA[i], ofB[i] = ends[0].Addrs[i].Addr(), ends[1].Addrs[i].Addr()
	}
	return ofA, ofB
}

func TestACableJoinsTwoHosts(t *testing.T) {
	a, b := NewTestHost(t, "a", HostConfig{IPv6: true}), NewTestHost(t, "b", HostConfig{IPv6: true})
	ofA, ofB := layBetween(t, a, b)
	for i := range ofA {
		if err := errors.Join(a.Ping(t.Context(), ofB[i]), b.Ping(t.Context(), ofA[i])); err != nil {
			t.Error(err)
		}
	}
	for h, want := range map[*Host]int{a: 1400, b: 1300} {
		name := map[*Host]string{a: "a0", b: "eth0"}[h]
		link, err := h.Netlink().LinkByName(name)
		if err != nil || link.Attrs().MTU != want {
			t.Errorf("%s of %s: %v, %v, want MTU %d", name, h.Name(), link, err, want)
		}
	}
	if err := Lay(t.Context(), a, Cable{Ifname: "a0"}, b, Cable{Ifname: "b1"}); err == nil {
		t.Error("a cable was laid to an interface that exists")
	}
}

func TestHereIsTheNamespaceOfTheProgram(t *testing.T) {
	Require(t)
	b := NewTestHost(t, "b", HostConfig{IPv6: true})
	for range 2 { // the second finds nothing of the first
		here, err := Here("here", HostConfig{IPv6: true})
		if err != nil {
			t.Fatal(err)
		}
		var inside string
		if err := here.Do(func() error { inside = nsID(t); return nil }); err != nil || inside != nsID(t) {
			t.Errorf("here is %s, %v, the program is in %s", inside, err, nsID(t))
		}
		_, ofB := layBetween(t, here, b)
		if err := here.Ping(t.Context(), ofB[0]); err != nil {
			t.Error(err)
		}
		if err := here.Close(); err != nil {
			t.Error(err)
		}
		if _, err := netlink.LinkByName("a0"); !errors.As(err, new(netlink.LinkNotFoundError)) {
			t.Errorf("after Close a0: %v, want gone", err)
		}
	}
}

func TestHereOutsideAWorldIsAnError(t *testing.T) {
	t.Setenv(marker, "")
	if h, err := Here("here", HostConfig{}); err == nil {
		t.Errorf("%s was made outside a world", h.Name())
	}
}
