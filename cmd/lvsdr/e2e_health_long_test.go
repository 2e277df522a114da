//go:build long

package main_test

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/vishvananda/netlink"

	"lvsdr/bench/netlab"
)

// A real server that answers on its own address but lacks the VIP would
// swallow its clients' connections: the commonest mistake with LVS-DR.
func TestAServerWithoutTheVIPIsTakenOut(t *testing.T) {
	t.Parallel()
	lab := newHTTPLab(t, netlab.Spec{})
	s := rotating()
	s.Server = checked
	d := direct(t, lab, lab.Config(s))
	for i := range lab.Servers {
		awaitServer(t, d, i, "up", isUp)
	}
	vip := netip.PrefixFrom(lab.Spec.VIP, lab.Spec.VIP.BitLen())
	rs3 := lab.Servers[2]
	lo, err := rs3.Netlink().LinkByName("lo")
	if err != nil {
		t.Fatal(err)
	}
	addr, err := netlink.ParseAddr(vip.String())
	if err != nil {
		t.Fatal(err)
	}
	if err := rs3.Netlink().AddrDel(lo, addr); err != nil {
		t.Fatal(err)
	}
	down := awaitServer(t, d, 2, "down", isDown)
	for _, s := range []string{"for VIP " + lab.Spec.VIP.String(), rs3.Addr.String(), "loopback"} {
		if !strings.Contains(down.Check, s) {
			t.Errorf("the status says %q, want %q in it", down.Check, s)
		}
	}
	wantServed(t, lab, "rs1", "rs2")
	if err := rs3.AddAddr("lo", vip); err != nil {
		t.Fatal(err)
	}
	awaitServer(t, d, 2, "up again", isUp)
	wantServed(t, lab, "rs1", "rs2", "rs3")
}
