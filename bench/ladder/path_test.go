package ladder

import (
	"math"
	"testing"

	"lvsdr/dataplane"
)

// The director's own reasons say that a kind of traffic is what it is called,
// for many generations of connections.
func TestKindsOfTrafficAreWhatTheyAreCalled(t *testing.T) {
	want := map[string]map[dataplane.Reason]float64{ // share of the frames
		"hit":        {dataplane.Hit: 1},
		"new":        {dataplane.Scheduled: 1},
		"persistent": {dataplane.Persistent: 1},
		"mixed":      {dataplane.Hit: 15. / 16, dataplane.Scheduled: 1. / 16},
		"synflood":   {dataplane.Scheduled: 1},
	}
	for _, k := range kinds() {
		for _, batch := range []int{1, 64, 100} {
			var c Forwarder
			make := func(s Setup) (Forwarder, error) {
				var err error
				c, err = NewDirector(s)
				return c, err
			}
			const flows = 5000
			w, err := k.start(t.Context(), make, trafficSpec{flows: flows, batch: batch, newShare: 1. / 16, pick: func() *Flows { return Uniform(flows) }})
			if err != nil {
				t.Fatalf("%s: %v", k.name, err)
			}
			before := c.(Counter).Reasons()
			n := 0
			for n < 4*flows {
				for end := n + chunk; n < end; {
					n += w.step()
				}
				if w.rest != nil {
					w.rest()
				}
			}
			after := c.(Counter).Reasons()
			for r, share := range want[k.name] {
				got := float64(after[r.String()]-before[r.String()]) / float64(n)
				if got < share-0.005 || got > share+0.005 {
					t.Errorf("%s, batches of %d: %s is %.4f of the frames, want %.4f: %v", k.name, batch, r, got, share, after)
				}
			}
			if err := w.check(); err != nil {
				t.Errorf("%s: %v", k.name, err)
			}
		}
	}
	if len(want) != len(kinds()) {
		t.Errorf("%d kinds, want %d", len(kinds()), len(want))
	}
}

// The share of new connections is that asked for.
func TestTheMixedRungHasItsShareOfNewConnections(t *testing.T) {
	for _, share := range []float64{0.001, 0.3, 1} {
		const flows = 5000
		var c Forwarder
		w, err := startMixed(t.Context(), func(s Setup) (_ Forwarder, err error) { c, err = NewDirector(s); return c, err },
			trafficSpec{flows: flows, batch: 64, newShare: share, pick: func() *Flows { return Uniform(flows) }})
		if err != nil {
			t.Fatal(err)
		}
		before, n := c.(Counter).Reasons()[dataplane.Scheduled.String()], 0
		for n < 10*flows {
			for end := n + chunk; n < end; {
				n += w.step()
			}
			w.rest()
		}
		got := float64(c.(Counter).Reasons()[dataplane.Scheduled.String()]-before) / float64(n)
		if math.Abs(got-share) > 0.001 {
			t.Errorf("%.4f of the frames begin a connection, want %.4f", got, share)
		}
		if err := w.check(); err != nil {
			t.Error(err)
		}
	}
}
