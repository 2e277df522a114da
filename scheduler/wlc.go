package scheduler

// weightedLeastConn takes the fit server with the least load for its weight; the
// first in the list wins a tie. Behaviour: ipvsadm(8) "wlc", measured on Linux
// 6.1.
type weightedLeastConn struct{}

func (weightedLeastConn) lightest(dests []*Dest) int { return connections.lightest(dests) }

func (weightedLeastConn) rank(d *Dest) contestant { return connections.rank(d) }

func (weightedLeastConn) words() string {
	return "least load for its weight, (256 × active + inactive connections) / weight; the first in the list wins a tie"
}
