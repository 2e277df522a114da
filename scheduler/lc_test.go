package scheduler

import (
	"math/big"
	"testing"
)

// slowLC is "least active x 256 + inactive, the first in the list wins a tie".
func slowLC(list []*Dest, _ *Flow) *Dest {
	return least(fit(list), func(d *Dest) *big.Rat {
		return new(big.Rat).Mul(load(d), new(big.Rat).SetInt64(int64(d.Weight)))
	})
}

// A countCase is a list of servers with connections, and the server to be chosen.
type countCase struct {
	law    string
	counts [][3]int // weight, active, inactive; the head first
	want   int
}

// counted checks the choice of a scheduler that looks at the list alone.
func counted(t *testing.T, name string, cases []countCase) {
	for _, c := range cases {
		t.Run(c.law, func(t *testing.T) {
			var dests []*Dest
			for _, n := range c.counts {
				dests = append(dests, &Dest{Weight: n[0], Active: n[1], Inactive: n[2]})
			}
			if got := scheduled(t, name, dests).Pick(dests, &Flow{}); got != c.want {
				t.Errorf("server %d, want %d", got, c.want)
			}
		})
	}
}

func TestLCLaws(t *testing.T) {
	counted(t, "lc", []countCase{
		{"nobody in an empty list", nil, -1},
		{"weights do not matter", [][3]int{{9, 2, 0}, {1, 1, 0}}, 1},
		{"but for 0", [][3]int{{0, 0, 0}, {1, 9, 9}}, 1},
		{"the first wins a tie", [][3]int{{1, 1, 1}, {1, 0, 3}, {1, 0, 3}}, 1},
		{"an active one is less than 257 others", [][3]int{{1, 0, 257}, {1, 1, 0}}, 1},
		{"and as much as 256", [][3]int{{1, 0, 256}, {1, 1, 0}}, 0},
	})
}
