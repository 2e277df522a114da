package scheduler

// failOver takes the fit server of the greatest weight; the first in the list
// wins a tie. Behaviour: ipvsadm(8) "fo", measured on Linux 6.1.
type failOver struct{}

func (failOver) lightest(dests []*Dest) int {
	best, weight := -1, 0
	for i, d := range dests {
		if d.Weight > weight && d.available() {
			best, weight = i, d.Weight
		}
	}
	return best
}

// rank is the same load for all, so that the greatest weight makes the least quotient.
func (failOver) rank(d *Dest) contestant {
	if !d.Fit() {
		return unfit
	}
	return contestant{1, uint64(d.Weight)}
}

func (failOver) words() string {
	return "the greatest weight; the first in the list wins a tie"
}
