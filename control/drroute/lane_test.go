package drroute

import (
	"net/netip"
	"testing"

	"lvsdr/control/policyroute"
)

// TestLanesAreUsedAgain: numbers are given out from the least on, and a table
// never serves two real servers.
func TestLanesAreUsedAgain(t *testing.T) {
	l := make(lanes)
	path := func(n byte) Path {
		return Path{netip.MustParseAddr("192.168.1.100"), netip.AddrFrom4([4]byte{192, 168, 1, n}), 3}
	}
	number := func(n byte) int {
		if errs := l.add([]Path{path(n)}); errs != nil {
			t.Fatal(errs)
		}
		return l[path(n).key()].n
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
	for n := len(l) + 1; n <= policyroute.DRChecks; n++ {
		l[laneKey{path(0).RS, n}] = &lane{n: n}
	}
	if errs := l.add([]Path{path(10), path(11), path(1)}); len(errs) != 2 {
		t.Fatalf("%d real servers and more fit into %d numbers: %v", len(l), policyroute.DRChecks, errs)
	}
}
