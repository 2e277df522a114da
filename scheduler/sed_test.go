package scheduler

import (
	"math/big"
	"testing"
)

// slowSED is "least (active + 1) / weight, the first wins a tie".
func slowSED(list []*Dest, _ *Flow) *Dest {
	return least(fit(list), func(d *Dest) *big.Rat { return big.NewRat(int64(d.Active)+1, int64(d.Weight)) })
}

func TestSEDLaws(t *testing.T) {
	counted(t, "sed", []countCase{
		{"nobody in an empty list", nil, -1},
		{"a heavy busy one goes before a light idle one", [][3]int{{1, 0, 0}, {3, 1, 0}}, 1},
		{"inactive connections do not count", [][3]int{{1, 0, 999}, {1, 0, 0}}, 0},
		{"the first wins a tie", [][3]int{{1, 1, 0}, {2, 3, 0}}, 0},
	})
}
