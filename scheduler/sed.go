package scheduler

// shortestDelay takes the fit server with the least of active connections, the
// new one counted, for its weight; the first in the list wins a tie. Behaviour:
// ipvsadm(8) "sed", measured on Linux 6.1.
type shortestDelay struct{}

func (shortestDelay) lightest(dests []*Dest) int { return delay.lightest(dests) }

func (shortestDelay) rank(d *Dest) contestant { return delay.rank(d) }

func (shortestDelay) words() string {
	return "least delay, (active connections + 1) / weight; the first in the list wins a tie"
}
