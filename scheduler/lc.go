package scheduler

// leastConn takes the fit server with the least load, whatever the weights; the
// first in the list wins a tie. Behaviour: ipvsadm(8) "lc", measured on Linux 6.1.
type leastConn struct{ stateless }

// Pick looks at every server.
func (leastConn) Pick(dests []*Dest, _ *Flow) int {
	best, least := -1, uint64(0)
	for i, d := range dests {
		if !d.Fit() {
			continue
		}
		if load := connections.of(d); best < 0 || load < least {
			best, least = i, load
		}
	}
	return best
}

// Clone has nothing to copy.
func (s leastConn) Clone([]*Dest) Scheduler { return s }

// Describe says what it goes by.
func (leastConn) Describe([]*Dest, *Flow) string {
	return "least load, 256 × active + inactive connections; the first in the list wins a tie"
}
