package scheduler

// neverQueue takes the first fit server without active connections, and goes by
// sed where all are busy. Behaviour: ipvsadm(8) "nq", measured on Linux 6.1.
type neverQueue struct{}

// lightest ends at the first idle server.
func (neverQueue) lightest(dests []*Dest) int {
	for i, d := range dests {
		if d.Active == 0 && d.Fit() {
			return i
		}
	}
	return delay.lightest(dests)
}

// rank has no load for an idle server, whatever its weight.
func (neverQueue) rank(d *Dest) contestant {
	c := delay.rank(d)
	if d.Active == 0 && c.weight > 0 {
		c.load = 0
	}
	return c
}

func (neverQueue) words() string {
	return "the first in the list without active connections, else the least (active connections + 1) / weight"
}
