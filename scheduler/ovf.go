package scheduler

// overflow takes the fit server of the greatest weight among those that do not
// have more active connections than their weight; the first in the list wins a
// tie. With all of them full there is none. Behaviour: ipvsadm(8) "ovf",
// measured on Linux 6.1.
type overflow struct{}

func (overflow) lightest(dests []*Dest) int {
	best, weight := -1, 0
	for i, d := range dests {
		if d.Weight > weight && d.Active <= d.Weight && d.available() {
			best, weight = i, d.Weight
		}
	}
	return best
}

// rank is that of fo where the server has room.
func (overflow) rank(d *Dest) contestant {
	if d.Active > d.Weight {
		return unfit
	}
	return failOver{}.rank(d)
}

func (overflow) words() string {
	return "the greatest weight among those with no more active connections than their weight"
}
