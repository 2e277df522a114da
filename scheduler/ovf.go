package scheduler

// overflow takes the fit server of the greatest weight among those that do not
// have more active connections than their weight; the first in the list wins a
// tie. With all of them full there is none. Behaviour: ipvsadm(8) "ovf",
// measured on Linux 6.1.
type overflow struct{ stateless }

// Pick looks at every server.
func (overflow) Pick(dests []*Dest, _ *Flow) int {
	best, weight := -1, 0
	for i, d := range dests {
		if d.Weight > weight && d.Active <= d.Weight && d.available() {
			best, weight = i, d.Weight
		}
	}
	return best
}

// Clone has nothing to copy.
func (s overflow) Clone([]*Dest) Scheduler { return s }

// Describe says what it goes by.
func (overflow) Describe([]*Dest, *Flow) string {
	return "the greatest weight among those with no more active connections than their weight"
}
