package health

import (
	"testing"

	"pgregory.net/rapid"
)

// slowQuorum states when the quorum is up: of the live weights that regain it and
// those that lose it, the one that was seen last counts; the start is down.
func slowQuorum(q Quorum, lives []int64) bool {
	up := false
	for _, live := range lives {
		regains := live > 0 && live >= q.Weight+q.Hysteresis
		loses := live == 0 || live < q.Weight-q.Hysteresis
		if regains || loses {
			up = regains
		}
	}
	return up
}

func TestTheQuorumIsWhatTheLastLiveWeightThatDecidesSays(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		q := Quorum{Weight: rapid.Int64Range(1, 5).Draw(t, "quorum")}
		q.Hysteresis = rapid.Int64Range(0, q.Weight-1).Draw(t, "hysteresis")
		lives := rapid.SliceOfN(rapid.Int64Range(0, 10), 1, 20).Draw(t, "live weights")
		s := NewService(q, lives[0])
		for i, live := range lives {
			s = s.Live(live)
			if want := slowQuorum(q, lives[:i+1]); s.Up() != want {
				t.Fatalf("quorum %+v after the live weights %v is up: %v", q, lives[:i+1], s.Up())
			}
		}
	})
}

func TestAnotherQuorumCountsFromTheNextLiveWeightOn(t *testing.T) {
	s := NewService(Quorum{Weight: 2}, 3)
	if s = s.Renew(Quorum{Weight: 5, Hysteresis: 2}); !s.Up() {
		t.Error("the quorum is lost by a reload alone")
	}
	if s = s.Live(3); !s.Up() {
		t.Error("it is lost though the live weight is not less than 5 - 2")
	}
	if s = s.Live(2); s.Up() {
		t.Error("it is not lost with less than 5 - 2")
	}
	if s = s.Live(6); s.Up() {
		t.Error("it is regained with less than 5 + 2")
	}
	if s = s.Live(7); !s.Up() {
		t.Error("it is not regained with 5 + 2")
	}
}

// Without servers, or with weight 0 alone, there is nothing to have a quorum of.
func TestALiveWeightOfZeroLosesTheQuorum(t *testing.T) {
	if s := NewService(Quorum{}, 0); s.Up() || s.Live(0).Up() || !s.Live(1).Up() || s.Live(1).Live(0).Up() {
		t.Error("a quorum of 0 is up with no server, or down with one")
	}
}
