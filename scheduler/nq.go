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
