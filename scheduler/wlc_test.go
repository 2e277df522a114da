package scheduler

import "testing"

// slowWLC is "least (active x 256 + inactive) / weight, the first wins a tie".
func slowWLC(list []*Dest, _ *Flow) *Dest { return least(fit(list), load) }

func TestWLCLaws(t *testing.T) {
	counted(t, "wlc", []countCase{
		{"nobody in an empty list", nil, -1},
		{"nobody when all are quiesced", [][3]int{{0, 0, 0}, {0, 0, 0}}, -1},
		{"twice the weight is half the load", [][3]int{{1, 2, 1}, {2, 4, 1}}, 1},
		{"the first wins a tie of quotients", [][3]int{{2, 2, 0}, {1, 1, 0}, {4, 4, 0}}, 0},
		{"thirds are not rounded", [][3]int{{3, 0, 2}, {5, 0, 3}}, 1},
		{"weights and counts of any size do not overflow",
			[][3]int{{1<<31 - 1, 1 << 24, 0}, {1<<31 - 2, 1<<24 - 1, 0}}, 1},
	})
}
