package scheduler

// shortestDelay takes the fit server with the least of active connections, the
// new one counted, for its weight; the first in the list wins a tie. Behaviour:
// ipvsadm(8) "sed", measured on Linux 6.1.
type shortestDelay struct{ stateless }

// Pick looks at every server.
func (shortestDelay) Pick(dests []*Dest, _ *Flow) int { return delay.lightest(dests) }

// Clone has nothing to copy.
func (s shortestDelay) Clone([]*Dest) Scheduler { return s }

// Describe says what it goes by.
func (shortestDelay) Describe([]*Dest, *Flow) string {
	return "least delay, (active connections + 1) / weight; the first in the list wins a tie"
}
