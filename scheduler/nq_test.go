package scheduler

import "testing"

// slowNQ is "the first fit server without active connections, else as sed".
func slowNQ(list []*Dest, f *Flow) *Dest {
	for _, d := range fit(list) {
		if d.Active == 0 {
			return d
		}
	}
	return slowSED(list, f)
}

func TestNQLaws(t *testing.T) {
	counted(t, "nq", []countCase{
		{"nobody in an empty list", nil, -1},
		{"an idle light one goes before a heavy busy one", [][3]int{{9, 1, 0}, {1, 0, 0}}, 1},
		{"the first idle one, not the heaviest", [][3]int{{1, 0, 50}, {9, 0, 0}}, 0},
		{"a quiesced one is not idle", [][3]int{{0, 0, 0}, {1, 5, 0}}, 1},
		{"as sed when all are busy", [][3]int{{1, 1, 0}, {3, 2, 0}}, 1},
	})
}
