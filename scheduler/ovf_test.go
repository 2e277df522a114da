package scheduler

import (
	"slices"
	"testing"
)

// slowOVF is fo among those with active <= weight.
func slowOVF(list []*Dest, _ *Flow) *Dest {
	return heaviest(slices.DeleteFunc(fit(list), func(d *Dest) bool { return d.Active > d.Weight }))
}

func TestOVFLaws(t *testing.T) {
	counted(t, "ovf", []countCase{
		{"nobody in an empty list", nil, -1},
		{"the heaviest until it is beyond its weight", [][3]int{{1, 0, 0}, {3, 3, 0}}, 1},
		{"then the next", [][3]int{{1, 0, 0}, {3, 4, 0}, {2, 0, 0}}, 2},
		{"nobody when all are", [][3]int{{1, 2, 0}, {3, 4, 0}}, -1},
		{"inactive connections do not count", [][3]int{{1, 1, 0}, {3, 3, 999}}, 1},
		{"the first wins a tie", [][3]int{{3, 3, 0}, {3, 0, 0}}, 0},
	})
}
