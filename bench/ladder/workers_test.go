package ladder

import (
	"testing"

	"lvsdr/dataplane"
)

// Each worker makes connections of its own and hits them alone.
func TestWorkersHaveFlowsOfTheirOwn(t *testing.T) {
	const n, flows = 3, 5000
	workers, err := newWorkers(n, flows, 64)
	if err != nil {
		t.Fatal(err)
	}
	d := workers[0].c.(*director).d
	for i, dr := range workers {
		if err := dr.establish(t.Context(), flows); err != nil {
			t.Fatal(err)
		}
		if got := numConns(d); got != (i+1)*flows {
			t.Fatalf("%d workers have made %d connections, want %d each", i+1, got, flows)
		}
	}
	before := d.Counters()
	for _, dr := range workers {
		if _, err := dr.hit(t.Context(), Uniform(flows), 1); err != nil {
			t.Error(err)
		}
	}
	after := d.Counters()
	if got := after[dataplane.Hit] - before[dataplane.Hit]; got != n*chunk || numConns(d) != n*flows {
		t.Errorf("%d hits in chunks of %d, and now %d connections", got, chunk, numConns(d))
	}
}
