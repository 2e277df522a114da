package scheduler

// leastConn takes the fit server with the least load, whatever the weights; the
// first in the list wins a tie. Behaviour: ipvsadm(8) "lc", measured on Linux 6.1.
type leastConn struct{}

func (leastConn) lightest(dests []*Dest) int {
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

func (leastConn) rank(d *Dest) contestant {
	if !d.Fit() {
		return unfit
	}
	return contestant{connections.of(d), 1}
}

func (leastConn) words() string {
	return "least load, 256 × active + inactive connections; the first in the list wins a tie"
}
