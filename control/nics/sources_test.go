package nics

import (
	"net/netip"
	"slices"
	"testing"
)

// The servers' addresses reach the filters of all ports: when they are opened, and with
// each change of them alone.
func TestPortsTakeTheAnswersOfServers(t *testing.T) {
	m := &machine{}
	n, _ := newNICs(t, m, 2)
	a, b := netip.MustParseAddr("10.0.0.11"), netip.MustParseAddr("fd00::11")
	vips := []netip.Addr{netip.MustParseAddr("10.0.0.100")}
	for _, want := range []struct {
		sources []netip.Addr
		errors  bool
	}{{[]netip.Addr{a}, true}, {[]netip.Addr{a, b}, true}, {[]netip.Addr{b}, true}, {nil, true}, {nil, false}, {nil, true}, {[]netip.Addr{a, b}, false}} {
		if failed := n.Set([]Wish{{Index: 2, Name: "eth0", MTU: 1500, VIPs: vips, Sources: want.sources, Errors: want.errors}}); failed != nil {
			t.Fatal(failed)
		}
		for i, p := range m.ports {
			if !slices.Equal(p.sources, want.sources) || p.errors != want.errors || !slices.Equal(p.vips, vips) {
				t.Errorf("port %d takes what comes from %v, errors %v, want %+v; VIPs %v", i, p.sources, p.errors, want, p.vips)
			}
		}
	}
	if len(m.ports) != 2 {
		t.Errorf("%d ports were opened", len(m.ports))
	}
}
