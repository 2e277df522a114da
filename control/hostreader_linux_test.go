package control

import (
	"net/netip"
	"testing"

	"golang.org/x/sys/unix"

	"lvsdr/bench/netns"
	"lvsdr/control/policyroute"
	"lvsdr/control/shield"
)

// Each check by Direct Routing has a route of its own. Were the host another one
// with each, places would be found again all the time.
func TestTheHostIsTheSameWhateverRoutesChecksHave(t *testing.T) {
	if !netns.Alone(t) { // routes are left behind
		return
	}
	netns.NewTestHere(t, "director", netns.HostConfig{})
	guard, err := shield.New()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = guard.Close(false) })
	kernel, err := policyroute.Open()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(kernel.Close)
	reader := &hostReader{guard: guard}
	before, err := reader.Read()
	if err != nil {
		t.Fatal(err)
	}
	to := netip.MustParsePrefix("203.0.113.7/32")
	for _, c := range []struct {
		law   string
		route policyroute.Route
		same  bool
	}{
		{"a route of a check", policyroute.Route{To: to, Table: policyroute.DRCheckBase + 1, Type: unix.RTN_BLACKHOLE}, true},
		{"a route for clients on this host", policyroute.Route{To: to, Table: policyroute.LocalTable, Type: unix.RTN_BLACKHOLE}, true},
		{"a route of the main table", policyroute.Route{To: to, Table: unix.RT_TABLE_MAIN, Type: unix.RTN_BLACKHOLE}, false},
	} {
		if err := kernel.SetRoute(c.route); err != nil {
			t.Fatal(err)
		}
		after, err := reader.Read()
		if err != nil || (after == before) != c.same {
			t.Errorf("%s: the host is the same: %v, error %v", c.law, after == before, err)
		}
	}
}
