package check

import (
	"context"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// TestRounds: with steps a check is the checker of keepalived's check_http.c, where each
// url is a step.
func TestRounds(t *testing.T) {
	s := Settings{DelayLoop: 6 * sec, ConnectTimeout: 5 * sec, Retry: 1, DelayBeforeRetry: 3 * sec, Steps: 2}
	change := func(f func(*Settings)) Settings {
		c := s
		f(&c)
		return c
	}
	fast, one, alpha := change(func(s *Settings) { s.Fast = true }), change(func(s *Settings) { s.Steps = 1 }), change(func(s *Settings) { s.Alpha = true })
	for _, c := range []struct {
		name     string
		settings Settings
		results  string // g good, b bad, - not made
		asked    string // the step of each attempt
		events   string // U up, D down, . none
		times    string // l: next after delay_loop, r: after delay_before_retry, 0: at once
	}{
		{"each url has its turn", s, "ggggg", "01010", ".....", "lllll"},
		{"the first failure of a new server counts at once, on any url", s, "gb", "01", ".D", "ll"},
		{"a url that fails is asked again", s, "ggbg", "0100", "....", "llrl"},
		{"and has its retries", s, "ggbb", "0100", "...D", "llrl"},
		{"the url that failed is asked until it is good, then all are", s, "ggbbbggg", "01000001", "...D...U", "llrlllll"},
		{"another that fails then is asked again before the rest of them", s, "bgbgg", "00001", "D...U", "llrll"},
		{"one url that has failed must be good twice", one, "gbbgg", "00000", "..D.U", "lrlll"},
		{"with alpha all must be good", alpha, "gg", "01", ".U", "ll"},
		{"a bad one then is asked again", alpha, "gbg", "011", "..U", "lrl"},
		{"fast recovery: a start without pauses", fast, "ggg", "010", "...", "0ll"},
		{"fast recovery: no pause when the failed url is good again", fast, "ggbbbggg", "01000001", "...D...U", "0lrll00l"},
		{"an attempt that was not made is the same step again", s, "g-g", "011", "...", "lll"},
	} {
		k := newChecker(c.settings)
		for i := range c.results {
			if got := k.step; got != int(c.asked[i]-'0') {
				t.Errorf("%s: attempt %d is step %d", c.name, i, got)
				break
			}
			r := map[byte]Outcome{'g': Good, 'b': Bad, '-': NotMade}[c.results[i]]
			event, next := k.next(r, 100*sec)
			want := map[byte]time.Duration{'l': 6 * sec, 'r': 3 * sec, '0': 0}[c.times[i]]
			if event != map[byte]eventKind{'U': goUp, 'D': goDown, '.': none}[c.events[i]] || next != 100*sec+want {
				t.Errorf("%s: attempt %d: event %v, next in %v", c.name, i, event, next-100*sec)
				break
			}
		}
	}
}

// eventKind is event where a variable has that name.
type eventKind = event

// TestARoundIsWhatItsLastAttemptsSay: a check with steps comes up only when each step was
// good when it was asked last, and goes down only at a bad one.
func TestARoundIsWhatItsLastAttemptsSay(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := genSettings(t)
		s.Steps, s.Fast = rapid.IntRange(1, 4).Draw(t, "steps"), rapid.Bool().Draw(t, "fast")
		k := newChecker(s)
		good := map[int]bool{} // steps whose last attempt was, since the check went down
		for range rapid.IntRange(1, 60).Draw(t, "attempts") {
			step, up := k.step, k.up
			if step < 0 || step >= s.Steps {
				t.Fatalf("step %d of %d", step, s.Steps)
			}
			o := rapid.SampledFrom([]Outcome{Good, Good, Good, Bad, NotMade}).Draw(t, "outcome")
			e, next := k.next(o, 0)
			switch o {
			case Good:
				good[step] = true
			case Bad:
				delete(good, step)
			}
			if e == goDown {
				clear(good)
			}
			if e == goUp && (len(good) != s.Steps || up) || e == goDown && (o != Bad || !up) || o == NotMade && (k.step != step || k.up != up) {
				t.Fatalf("event %v after %v, good are %v of %d", e, o, good, s.Steps)
			}
			if o == Bad && k.step != step {
				t.Fatalf("after a bad step %d comes step %d", step, k.step)
			}
			if next == 0 && s.DelayBeforeRetry > 0 && (!s.Fast || o != Good) {
				t.Fatalf("no pause after %v", o)
			}
		}
	})
}

func TestOtherStepsAreAnotherRound(t *testing.T) {
	s := quick()
	s.Steps = 3
	k := newChecker(s)
	k.next(Good, 0)
	k.next(Good, 0)
	same := k
	same.setSettings(s)
	if s.Steps = 2; same.step != 2 {
		t.Errorf("the same settings: step %d", same.step)
	}
	if k.setSettings(s); k.step != 0 || !k.up {
		t.Errorf("fewer steps: step %d, up %v", k.step, k.up)
	}
	if s.Steps = -1; s.validate() == nil {
		t.Error("-1 steps are valid")
	}
}

// A stepper notes which steps it was asked.
type stepper struct {
	fake
	steps []int
}

func (p *stepper) CheckStep(_ context.Context, step int) Result {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.steps = append(p.steps, step)
	return Result{}
}

func TestTheRunnerAsksStepAfterStepThroughWhatIsAroundAProbe(t *testing.T) {
	for name, around := range map[string]func(Probe) Probe{
		"itself": func(p Probe) Probe { return p },
		"OnLink": func(p Probe) Probe { return OnLink{Probe: p} },
		"Pair":   func(p Probe) Probe { return Pair{Own: p, DR: DR{Router: new(lostRouter)}} },
		"Pair in OnLink": func(p Probe) Probe {
			return OnLink{Probe: Pair{Own: p, DR: DR{Router: new(lostRouter)}}, Links: allUp{}}
		},
	} {
		bubble(t, Config{}, func(t *testing.T, r *Runner, _ *diary) {
			p := &stepper{fake: fake{name: "p"}}
			s := quick()
			s.Steps = 3
			must(t, r.Set([]Spec{{ID: "c", Settings: s, Probe: around(p)}}))
			time.Sleep(35 * sec)
			p.mu.Lock()
			defer p.mu.Unlock()
			want := []int{0, 1, 2, 0}
			if name != "itself" && name != "OnLink" {
				want = []int{0, 0, 0, 0} // without the router nothing is made
			}
			if !slices.Equal(p.steps, want) {
				t.Errorf("%s: steps %v, want %v", name, p.steps, want)
			}
		})
	}
}

// allUp are Links that are never down.
type allUp struct{}

func (allUp) Down(int, time.Time) string { return "" }
