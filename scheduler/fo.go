package scheduler

// failOver takes the fit server of the greatest weight; the first in the list
// wins a tie. Behaviour: ipvsadm(8) "fo", measured on Linux 6.1.
type failOver struct{ stateless }

// Pick looks at every server.
func (failOver) Pick(dests []*Dest, _ *Flow) int {
	best, weight := -1, 0
	for i, d := range dests {
		if d.Weight > weight && d.available() {
			best, weight = i, d.Weight
		}
	}
	return best
}

// Clone has nothing to copy.
func (s failOver) Clone([]*Dest) Scheduler { return s }

// Describe says what it goes by.
func (failOver) Describe([]*Dest, *Flow) string {
	return "the greatest weight; the first in the list wins a tie"
}
