package check

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

// slowRise reports whether a check that went down just before history comes up with the end of
// it: the last rise attempts that were made, or the last one for 0, are good.
func slowRise(history []Outcome, rise int) bool {
	var made []Outcome
	for _, o := range history {
		if o != NotMade {
			made = append(made, o)
		}
	}
	n := max(rise, 1)
	if len(made) < n {
		return false
	}
	for _, o := range made[len(made)-n:] {
		if o != Good {
			return false
		}
	}
	return true
}

func TestACheckThatIsDownNeedsAsManyGoodAttemptsInARow(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := genSettings(t)
		s.Rise = rapid.IntRange(0, 4).Draw(t, "rise")
		c := newChecker(s)
		var since []Outcome // it is down
		for range rapid.IntRange(1, 60).Draw(t, "attempts") {
			was := c.up
			o := rapid.SampledFrom([]Outcome{Good, Good, Bad, NotMade}).Draw(t, "outcome")
			e, next := c.next(o, 0)
			switch since = append(since, o); {
			case was:
				since = nil
			case c.up != slowRise(since, s.Rise) || (e == goUp) != c.up:
				t.Fatalf("up: %v, event %d after %v with rise %d", c.up, e, since, s.Rise)
			case next != s.DelayLoop:
				t.Fatalf("while it is down the next attempt is %v later, want %v", next, s.DelayLoop)
			}
		}
	})
}

// Three good attempts, delay_loop apart, bring a check up.
func TestRiseCountsAttempts(t *testing.T) {
	s := Settings{DelayLoop: 6 * sec, Rise: 3, Alpha: true}
	c := newChecker(s)
	now := time.Duration(0)
	for i, step := range []struct {
		o  Outcome
		up bool
	}{{Good, false}, {Good, false}, {Bad, false}, {Good, false}, {NotMade, false}, {Good, false}, {Good, true}, {Bad, false}, {Good, false}, {Good, false}, {Good, true}} {
		_, next := c.next(step.o, now)
		if c.up != step.up || next-now != s.DelayLoop {
			t.Errorf("after attempt %d it is up: %v, and the next comes %v later", i+1, c.up, next-now)
		}
		now = next
	}
}

// With several urls a round of good ones is one of them.
func TestRiseCountsRounds(t *testing.T) {
	c := newChecker(Settings{DelayLoop: sec, Steps: 2, Rise: 2, Alpha: true})
	for i, want := range []bool{false, false, false, true} {
		if c.next(Good, 0); c.up != want {
			t.Errorf("after %d good steps it is up: %v", i+1, c.up)
		}
	}
	c = newChecker(Settings{DelayLoop: sec, Steps: 2, Rise: 2, Alpha: true})
	for i, o := range []Outcome{Good, Good, Good, Bad, Good, Good, Good} { // a bad step is asked again
		if c.next(o, 0); c.up != (i == 6) {
			t.Errorf("up after %d steps, of which one was bad", i+1)
		}
	}
}
