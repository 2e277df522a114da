package health

import (
	"math"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

var damping = Damping{HalfLife: time.Minute, Suppress: 3, Reuse: 1}

// fails is s whose check fails at now and is good again a second later.
func fails(s Server, now time.Duration) Server {
	return s.Result(0, Result{Reason: "refused"}, now).Result(0, Result{Up: true}, now+time.Second)
}

func damped(d Damping) Server { return NewServer(Policy{Damping: d}, []Check{{}}) }

func TestAServerThatFlapsIsSuppressedUntilItsPenaltyHasDecayed(t *testing.T) {
	for _, c := range []struct {
		name  string
		every time.Duration // between failures
		n     int
		up    bool
	}{
		{"three failures at once", 2 * time.Second, 3, true},
		{"four", 2 * time.Second, 4, false},
		{"four, a minute apart", time.Minute, 4, true},
		{"any number of them, a minute apart", time.Minute, 100, true},
		{"any number, half a minute apart", 30 * time.Second, 100, false},
	} {
		s := damped(damping)
		for i := range c.n {
			s = fails(s, time.Duration(i)*c.every)
		}
		if s.Up() != c.up {
			t.Errorf("%s: up %v, penalty %v", c.name, s.Up(), s.penalty)
		}
	}
}

func TestASuppressedServerSaysSoAndIsUsedAgain(t *testing.T) {
	s := damped(damping)
	for i := range 3 {
		s = fails(s, time.Duration(i)*2*time.Second)
	}
	down := s.Result(0, Result{Reason: "refused"}, 6*time.Second)
	if got := down.Reason(); !strings.HasPrefix(got, "refused; flapping: penalty 3.9, down for 1m57s") {
		t.Errorf("it is down because of %q", got)
	}
	good := down.Result(0, Result{Up: true}, 7*time.Second)
	if got := good.Reason(); good.Up() || !strings.HasPrefix(got, "flapping: penalty 3.9") {
		t.Errorf("with a good check: up %v, %q", good.Up(), got)
	}
	at, ok := good.Next(7 * time.Second)
	if !ok || at.Round(time.Second) != 123*time.Second {
		t.Fatalf("it is used again at %v, %v", at, ok)
	}
	if good.At(at - 1).Up() {
		t.Error("it is up before")
	}
	again := good.At(at)
	if !again.Up() || again.Reason() != "" {
		t.Errorf("up %v, %q", again.Up(), again.Reason())
	}
	if !fails(again, at).Up() {
		t.Error("one failure after that suppresses it, though its penalty is 2")
	}
	if bad := good.Result(0, Result{Reason: "refused"}, 9*time.Second); bad.damped.until <= at {
		t.Errorf("a failure of a suppressed server leaves it down until %v", bad.damped.until)
	}
	still := down.At(at)
	if still.Up() || still.Reason() != "refused" {
		t.Errorf("one whose check is still bad: up %v, %q", still.Up(), still.Reason())
	}
}

// However often it fails, a server is used again four half-lives after its last failure.
func TestAServerIsNotSuppressedForEver(t *testing.T) {
	for _, d := range []Damping{damping, {HalfLife: time.Second, Suppress: 10, Reuse: 2}, {HalfLife: time.Hour, Suppress: 1, Reuse: 1}} {
		s := damped(d)
		now := time.Duration(0)
		for range 1000 {
			s = fails(s, now)
			now += time.Millisecond
		}
		if s.Up() {
			t.Errorf("%+v: 1000 failures leave it up", d)
		}
		if end := now + longest*d.HalfLife; !s.At(end).Up() {
			t.Errorf("%+v: it is not up after four half-lives", d)
		}
	}
}

func TestWhereThereIsNoDampingNoFailureCounts(t *testing.T) {
	s := damped(Damping{})
	for range 100 {
		s = fails(s, time.Second)
	}
	if !s.Up() || s.penalty != (penalty{}) {
		t.Errorf("up %v, penalty %v", s.Up(), s.penalty)
	}
}

func TestAFailureThatClientsShowCounts(t *testing.T) {
	s := NewServer(Policy{Damping: damping, Passive: Passive{Percent: 40, Connections: 10, Hold: 2 * time.Second}}, []Check{{}})
	now := time.Duration(0)
	for range 4 {
		s = s.Fail("passive: silent", now)
		now += 2 * time.Second
		s = s.At(now)
	}
	if s.Up() || !strings.HasPrefix(s.Reason(), "flapping: ") {
		t.Errorf("after four failures: up %v, %q", s.Up(), s.Reason())
	}
}

func TestAReloadKeepsThePenaltyUnlessItsWordHasChanged(t *testing.T) {
	s := damped(damping)
	for i := range 4 {
		s = fails(s, time.Duration(i)*2*time.Second)
	}
	now := 10 * time.Second
	if got := s.Renew(Policy{Damping: damping, SlowStart: time.Second}, []Check{{}}, now); got.Up() || got.penalty != s.penalty {
		t.Error("another word brings it up")
	}
	for name, d := range map[string]Damping{"off": {}, "another half-life": {time.Hour, 3, 1}} {
		if got := s.Renew(Policy{Damping: d}, []Check{{}}, now); !got.Up() || got.penalty != (penalty{}) {
			t.Errorf("%s: up %v, penalty %v", name, got.Up(), got.penalty)
		}
	}
}

// slowPenalty adds up what each failure of before has left at now, as the definition reads.
func slowPenalty(d Damping, failures []time.Duration, now time.Duration) (sum float64) {
	for _, at := range failures {
		sum += math.Pow(0.5, (now-at).Seconds()/d.HalfLife.Seconds())
	}
	return sum
}

func TestThePenaltyIsThatOfAllFailuresEachDecayed(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := Damping{HalfLife: time.Duration(rapid.IntRange(1, 1000).Draw(t, "half-life")) * time.Second, Suppress: 1e6, Reuse: 1e5} // no ceiling is reached
		s := damped(d)
		var at []time.Duration
		now := time.Duration(0)
		for range rapid.IntRange(1, 20).Draw(t, "failures") {
			now += time.Duration(rapid.IntRange(2, 500).Draw(t, "gap")) * time.Second
			s = fails(s, now)
			at = append(at, now)
		}
		now += time.Duration(rapid.IntRange(0, 500).Draw(t, "later")) * time.Second
		if got, want := s.penalty.now(d, now), slowPenalty(d, at, now); math.Abs(got-want) > 1e-9 {
			t.Fatalf("penalty %v, want %v", got, want)
		}
	})
}
