//go:build long

package main_test

import (
	"testing"

	"lvsdr/bench/netlab"
	"lvsdr/control/api"
)

// A director that returns takes the VIP back when it has the connections of the other one, and not before: without
// preempt_delay it once was the master before it had them, and reset them.
func TestADirectorThatReturnsHasTheConnectionsBeforeTheVIP(t *testing.T) {
	t.Parallel()
	lab := newHTTPLab(t, netlab.Spec{Servers: weighted(1, 1)})
	n, err := lab.AddDirector(t.Context(), "director2")
	if err != nil {
		t.Fatal(err)
	}
	config := "global_defs {\n lvs_sync_daemon eth0 web id 7\n lvsdr_sync_secret word\n}\n" + lab.Config(rotating())
	high, low := virtualRouter(lab, 150, "0.25", "")+config, virtualRouter(lab, 100, "0.25", "")+config
	first := director(t, lab.Director, high)
	becomes(t, first, "MASTER")
	second := director(t, n, low)
	becomes(t, second, "BACKUP")
	if err := first.Kill(); err != nil {
		t.Fatal(err)
	}
	becomes(t, second, "MASTER")
	reached(t, lab, second)

	count := sized(500, 100, 50)
	var open []*openConn
	for range count {
		c := dialVIP(t, lab)
		must(t, c.ask())
		open = append(open, c)
	}
	again := director(t, lab.Director, high)
	becomes(t, again, "MASTER")
	if n := established(t, again.Socket); n < count {
		t.Errorf("as soon as it is the master it knows %d of %d connections", n, count)
	}
	becomes(t, second, "BACKUP")
	reached(t, lab, again)
	broken := 0
	for _, c := range open {
		if err := c.ask(); err != nil {
			if broken++; broken < 4 {
				t.Error(err)
			}
		}
	}
	if st := status(t, again); broken > 0 || st.Reasons["reset-no-connection"] != 0 {
		t.Errorf("%d of %d open connections are broken; %d were reset", broken, count, st.Reasons["reset-no-connection"])
	}
	await(t, "the second one's backup to ask for the connections", func() bool {
		j := syncOf(t, second.Socket).Join
		return j != nil && j.State != api.SyncFailed
	})
}
