package scheduler

import (
	"slices"
	"testing"
)

// slowFO is "the fit server of the greatest weight, the first wins a tie".
func slowFO(list []*Dest, _ *Flow) *Dest { return heaviest(fit(list)) }

func heaviest(list []*Dest) *Dest {
	if len(list) == 0 {
		return nil
	}
	return slices.MaxFunc(list, func(a, b *Dest) int { return a.Weight - b.Weight })
}

func TestFOLaws(t *testing.T) {
	counted(t, "fo", []countCase{
		{"nobody in an empty list", nil, -1},
		{"nobody when all are quiesced", [][3]int{{0, 0, 0}}, -1},
		{"the heaviest, however busy", [][3]int{{1, 0, 0}, {3, 999, 0}, {2, 0, 0}}, 1},
		{"the first wins a tie", [][3]int{{1, 0, 0}, {3, 9, 0}, {3, 0, 0}}, 1},
	})
}
