package scheduler

// roundRobin takes the next fit server after the last one, whatever the
// weights. Behaviour: ipvsadm(8) "rr", measured on Linux 6.1.
type roundRobin struct {
	last int // index of the last server chosen; -1: before the head
}

func newRR() *roundRobin { return &roundRobin{last: -1} }

// Pick walks once around the list from the server after the last one.
func (r *roundRobin) Pick(dests []*Dest, _ *Flow) int {
	i := r.last
	for range dests {
		if i++; i >= len(dests) {
			i = 0
		}
		if dests[i].Fit() {
			r.last = i
			return i
		}
	}
	return -1
}

// Update keeps the position on its server. A server added at the head does not
// move it; when its server goes, the position falls back by one, so that none
// is skipped.
func (r *roundRobin) Update(_ []*Dest, c Change, i int) {
	r.last = follow(r.last, c, i)
}

// follow is where a list position pos is after change c at index i; -1 is the
// place before the head.
func follow(pos int, c Change, i int) int {
	switch {
	case c == Added && i <= pos:
		return pos + 1
	case c == Removed && i <= pos:
		return pos - 1
	}
	return pos
}

// Clone copies the position.
func (r *roundRobin) Clone([]*Dest) Scheduler {
	c := *r
	return &c
}

// Describe says whose turn was last.
func (r *roundRobin) Describe(dests []*Dest, _ *Flow) string {
	if r.last < 0 || r.last >= len(dests) {
		return "before the head of the list: the first server comes next"
	}
	return "the last one was " + dests[r.last].name() + ": the next fit server in the list comes next"
}
