package scheduler

// neverQueue takes the first fit server without active connections, and goes by
// sed where all are busy. Behaviour: ipvsadm(8) "nq", measured on Linux 6.1.
type neverQueue struct{ stateless }

// Pick ends at the first idle server.
func (neverQueue) Pick(dests []*Dest, _ *Flow) int {
	for i, d := range dests {
		if d.Active == 0 && d.Fit() {
			return i
		}
	}
	return delay.lightest(dests)
}

// Clone has nothing to copy.
func (s neverQueue) Clone([]*Dest) Scheduler { return s }

// Describe says what it goes by.
func (neverQueue) Describe([]*Dest, *Flow) string {
	return "the first in the list without active connections, else the least (active connections + 1) / weight"
}
