package health

import (
	"encoding/json"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// told is s as another process has it, which gets it as JSON.
func told(t *rapid.T, s Server) Server {
	b, err := json.Marshal(s.Save())
	if err != nil {
		t.Fatal(err)
	}
	var out Saved
	if err := json.Unmarshal(b, &out); err != nil {
		t.Fatal(err)
	}
	return out.Server(len(s.checks))
}

// Whatever a server has been through, another process that is told of it goes on as this one does.
func TestASavedServerGoesOnAsTheServerItself(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := Policy{Rise: rapid.IntRange(0, 3).Draw(t, "rise"), Fall: rapid.IntRange(0, 3).Draw(t, "fall"),
			SlowStart: time.Duration(rapid.IntRange(0, 2).Draw(t, "slow start")) * 10 * time.Second,
			Passive:   Passive{Percent: 30, Connections: 1, Hold: 5 * time.Second}}
		if rapid.Bool().Draw(t, "damped") {
			p.Damping = Damping{HalfLife: 10 * time.Second, Suppress: 2, Reuse: 1}
		}
		s := NewServer(p, []Check{{}, NewCheck(true, "not yet")})
		now := time.Duration(0)
		step := func(s Server, kind, check int, up bool) Server {
			switch kind {
			case 0:
				return s.At(now)
			case 1:
				return s.Fail("passive", now)
			}
			return s.Result(check, Result{Up: up, Reason: "refused", Weight: Weight{AddWeight, check}}, now)
		}
		for range rapid.IntRange(0, 20).Draw(t, "events") {
			now += time.Duration(rapid.IntRange(0, 4000).Draw(t, "ms")) * time.Millisecond
			s = step(s, rapid.IntRange(0, 6).Draw(t, "kind"), rapid.IntRange(0, 1).Draw(t, "check"), rapid.Bool().Draw(t, "up"))
		}
		other := told(t, s)
		if !other.Equal(s) {
			t.Fatalf("it is told as %+v, and was %+v", other, s)
		}
		for range 5 {
			now += time.Second
			kind, check, up := rapid.IntRange(0, 6).Draw(t, "kind"), rapid.IntRange(0, 1).Draw(t, "check"), rapid.Bool().Draw(t, "up")
			if s, other = step(s, kind, check, up), step(other, kind, check, up); !other.Equal(s) || other.Weight(9, now) != s.Weight(9, now) || other.Reason() != s.Reason() {
				t.Fatalf("it goes on as %+v, and the server itself as %+v", other, s)
			}
		}
	})
}

// Another build may know more or fewer checks of a server.
func TestASavedServerHasAsManyChecksAsAreWanted(t *testing.T) {
	s := NewServer(Policy{}, []Check{{}, {}}).Result(1, Result{Reason: "refused"}, 0).Save()
	for n, up := range map[int]bool{0: true, 1: true, 2: false, 3: false} {
		if got := s.Server(n); got.Up() != up || len(got.checks) != n {
			t.Errorf("%d checks: up %v, %d of them", n, got.Up(), len(got.checks))
		}
	}
}
