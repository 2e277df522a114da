package check

import (
	"net/netip"
	"testing"
)

// TestProbeStringsTellProbesApart: Runner keeps a check whose probe has the
// same string, so every parameter must be in it.
func TestProbeStringsTellProbesApart(t *testing.T) {
	at := netip.MustParseAddrPort("192.168.1.11:80")
	rs := netip.MustParseAddr("192.168.1.11")
	vip := netip.MustParseAddrPort("192.168.1.100:80")
	dr := DR{VIP: vip, RS: rs, Ifindex: 3}
	want := []struct {
		probe Probe
		name  string
	}{
		{TCP{Addr: at}, "TCP 192.168.1.11:80"},
		{TCP{Addr: at, Bind: netip.MustParseAddrPort("192.168.1.10:0")}, "TCP 192.168.1.11:80 bindto 192.168.1.10 bind_port 0"},
		{TCP{Addr: at, Interface: "eth1"}, "TCP 192.168.1.11:80 bind_if eth1"},
		{TCP{Addr: at, Mark: 7}, "TCP 192.168.1.11:80 fwmark 7"},
		{dr, "DR 192.168.1.100:80 via 192.168.1.11 dev 3"},
		{DR{VIP: vip, RS: rs, Ifindex: 3, TTL: 1}, "DR 192.168.1.100:80 via 192.168.1.11 dev 3 ttl 1"},
		{Pair{TCP{Addr: at}, dr}, "TCP 192.168.1.11:80 and DR 192.168.1.100:80 via 192.168.1.11 dev 3"},
	}
	for _, w := range want {
		if w.probe.String() != w.name {
			t.Errorf("%q, want %q", w.probe, w.name)
		}
	}
}

// TestLanesAreUsedAgain: numbers are given out from the least on, and a table
// never serves two real servers.
func TestLanesAreUsedAgain(t *testing.T) {
	l := make(lanes)
	path := func(n byte) Path {
		return Path{netip.MustParseAddr("192.168.1.100"), netip.AddrFrom4([4]byte{192, 168, 1, n}), 3}
	}
	number := func(n byte) int {
		e, err := l.add(path(n))
		if err != nil {
			t.Fatal(err)
		}
		return e.n
	}
	for n := byte(1); n <= 5; n++ {
		if got := number(n); got != int(n) {
			t.Fatalf("real server %d has number %d", n, got)
		}
	}
	delete(l, path(2).key())
	if got := number(9); got != 2 {
		t.Fatalf("the free number 2 was not used but %d", got)
	}
	for n := len(l) + 1; n <= maxLanes; n++ {
		l[laneKey{path(0).RS, n}] = &lane{n: n}
	}
	if _, err := l.add(path(10)); err == nil {
		t.Fatalf("%d real servers fit into %d numbers", len(l), maxLanes)
	}
	if ours(laneBase) || !ours(laneBase+1) || !ours(laneBase+maxLanes) || ours(laneBase+maxLanes+1) {
		t.Fatal("ours does not agree with the range of numbers")
	}
}
