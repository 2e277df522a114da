package check

import (
	"math"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

const sec = time.Second

// slowUp states when a server is up as the definition reads, from the whole
// history: before the first good check, as it started until the first bad one;
// after it, while there are no more than retry bad ones since the last good.
// NotMade results are not part of the history.
func slowUp(history []Outcome, s Settings) bool {
	last := -1
	for i, r := range history {
		if r == Good {
			last = i
		}
	}
	if last < 0 {
		return len(history) == 0 && !s.Alpha
	}
	return len(history)-1-last <= s.Retry
}

// slowWait is the pause the definition asks for after a history.
func slowWait(history []Outcome, s Settings) time.Duration {
	n := len(history)
	if n > 0 && history[n-1] == Bad && slowUp(history, s) {
		return s.DelayBeforeRetry
	}
	return s.DelayLoop
}

func genSettings(t *rapid.T) Settings {
	return Settings{
		DelayLoop:        time.Duration(rapid.Int64Range(int64(time.Second), int64(time.Hour)).Draw(t, "delay_loop")),
		ConnectTimeout:   time.Duration(rapid.Int64Range(1, int64(time.Minute)).Draw(t, "connect_timeout")),
		Retry:            rapid.IntRange(0, 5).Draw(t, "retry"),
		DelayBeforeRetry: time.Duration(rapid.Int64Range(0, int64(time.Minute)).Draw(t, "delay_before_retry")),
		Warmup:           time.Duration(rapid.Int64Range(0, int64(time.Hour)).Draw(t, "warmup")),
		Alpha:            rapid.Bool().Draw(t, "alpha"),
	}
}

func TestCheckerFollowsTheDefinition(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := genSettings(t)
		c := newChecker(s)
		var history []Outcome
		var now time.Duration
		if c.up != slowUp(nil, s) {
			t.Fatalf("starts up=%v with alpha=%v", c.up, s.Alpha)
		}
		for range rapid.IntRange(1, 40).Draw(t, "checks") {
			r := rapid.SampledFrom([]Outcome{Good, Bad, Bad, NotMade}).Draw(t, "result")
			before := slowUp(history, s)
			if r != NotMade {
				history = append(history, r)
			}
			event, next := c.next(r, now)
			if after := slowUp(history, s); c.up != after || event != change(before, after) {
				t.Fatalf("after %v: up=%v, event %v; want up=%v, event %v", history, c.up, event, after, change(before, after))
			}
			if next-now != slowWait(history, s) {
				t.Fatalf("after %v: next check in %v, want %v", history, next-now, slowWait(history, s))
			}
			now = next
		}
	})
}

func TestCheckerStories(t *testing.T) {
	s := Settings{DelayLoop: 6 * sec, ConnectTimeout: 5 * sec, Retry: 2, DelayBeforeRetry: 3 * sec}
	alpha, noRetry := s, s
	alpha.Alpha, noRetry.Retry = true, 0
	for _, c := range []struct {
		name     string
		settings Settings
		results  string // g good, b bad, - not made
		events   string // U up, D down, . none
		times    string // l: next after delay_loop, r: after delay_before_retry
	}{
		{"a server that never worked gets no retries", s, "b", "D", "l"},
		{"a server that worked gets its retries", s, "gbbb", "...D", "lrrl"},
		{"a good retry forgets the bad ones", s, "gbbgbbgbbb", ".........D", "lrrlrrlrrl"},
		{"one good check brings a server back", s, "bg", "DU", "ll"},
		{"a server that is down is checked each delay_loop", s, "bbbb", "D...", "llll"},
		{"a server that came back has retries again", s, "bgbb", "DU..", "llrr"},
		{"with alpha a server starts down and bad checks are no news", alpha, "bbg", "..U", "lll"},
		{"retry 0 means at once", noRetry, "gb", ".D", "ll"},
		{"an attempt that was not made says nothing about a new server", s, "-b", ".D", "ll"},
		{"an attempt that was not made is no retry", s, "gb-b-b", ".....D", "lrrrrl"},
		{"an attempt that was not made does not help a dead server", s, "b-", "D.", "ll"},
	} {
		t.Run(c.name, func(t *testing.T) {
			k := newChecker(c.settings)
			for i := range c.results {
				r := map[byte]Outcome{'g': Good, 'b': Bad, '-': NotMade}[c.results[i]]
				got, next := k.next(r, 100*sec)
				if want := map[byte]event{'U': goUp, 'D': goDown, '.': none}[c.events[i]]; got != want {
					t.Fatalf("check %d of %s: %v, want %v", i, c.results, got, want)
				}
				want := 106 * sec
				if c.times[i] == 'r' {
					want = 103 * sec
				}
				if next != want {
					t.Fatalf("check %d of %s: next at %v, want %v", i, c.results, next, want)
				}
			}
		})
	}
}

// TestDeadServerIsOutWithinBound lets a server die at any moment of its life;
// after its death it refuses at once or stays silent until the timeout.
func TestDeadServerIsOutWithinBound(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := genSettings(t)
		s.Alpha = false
		death := time.Duration(rapid.Int64Range(0, int64(s.Warmup+20*s.DelayLoop)).Draw(t, "death"))
		silent := rapid.Bool().Draw(t, "silent")
		c := newChecker(s)
		now := c.first(0, rapid.Uint64().Draw(t, "rnd"))
		lastGood := time.Duration(-1)
		for attempts := 0; ; {
			if now < death {
				lastGood, attempts = now, 0
				_, now = c.next(Good, now)
				continue
			}
			if silent {
				now += s.ConnectTimeout
			}
			attempts++
			event, next := c.next(Bad, now)
			if event != goDown {
				now = next
				continue
			}
			if lastGood < 0 { // died before its first check: the first failure counts
				if attempts != 1 {
					t.Fatalf("down after %d attempts although it never worked", attempts)
				}
				return
			}
			if attempts != s.Retry+1 {
				t.Fatalf("down after %d attempts with retry %d", attempts, s.Retry)
			}
			want := bound(s)
			if !silent {
				want -= time.Duration(s.Retry+1) * s.ConnectTimeout
			}
			if now-lastGood != want {
				t.Fatalf("down %v after the last good check, want %v", now-lastGood, want)
			}
			return
		}
	})
}

// bound is the longest time from a server's last good attempt until its check is
// down, as Settings documents it.
func bound(s Settings) time.Duration {
	retry := time.Duration(s.Retry)
	return s.DelayLoop + (retry+1)*s.ConnectTimeout + retry*s.DelayBeforeRetry
}

// defaults are keepalived's for a TCP_CHECK.
func defaults() Settings {
	return Settings{DelayLoop: 60 * sec, ConnectTimeout: 5 * sec, Retry: 1, DelayBeforeRetry: sec, Warmup: 60 * sec}
}

func TestTheBoundOfTheDefaultsIsAsDocumented(t *testing.T) {
	s := defaults()
	if b := bound(s); b != 71*sec {
		t.Fatalf("bound of a silent server %v, want 71s", b)
	}
	s.ConnectTimeout = 0
	if b := bound(s); b != 61*sec {
		t.Fatalf("bound of one that refuses %v, want 61s", b)
	}
}

func TestFirstCheckIsSpreadOverWarmup(t *testing.T) {
	s := defaults()
	s.Warmup = 10 * sec
	c := newChecker(s)
	for _, x := range []struct {
		rnd  uint64
		want time.Duration
	}{{0, 0}, {math.MaxUint64, 10 * sec}, {1 << 63, 5 * sec}, {1 << 62, 2500 * time.Millisecond}} {
		if got := c.first(7*sec, x.rnd) - 7*sec; got != x.want {
			t.Errorf("First(%#x) = %v, want %v", x.rnd, got, x.want)
		}
	}
	s.Warmup = 0
	c = newChecker(s)
	if got := c.first(7*sec, math.MaxUint64); got != 7*sec {
		t.Errorf("warmup 0: first check at %v, want at once", got)
	}
}

func TestSetSettingsKeepsState(t *testing.T) {
	s := defaults()
	c := newChecker(s)
	c.next(Bad, 0)
	s.DelayLoop, s.Alpha = 5*sec, false
	c.setSettings(s)
	if c.up {
		t.Fatal("a change of settings brought a dead server up")
	}
	if _, next := c.next(Bad, 0); next != 5*sec {
		t.Fatalf("next check at %v, want by the new delay_loop", next)
	}
}

func TestValidateNamesTheSetting(t *testing.T) {
	if err := defaults().validate(); err != nil {
		t.Fatal(err)
	}
	for word, spoil := range map[string]func(*Settings){
		"delay_loop":         func(s *Settings) { s.DelayLoop = 0 },
		"connect_timeout":    func(s *Settings) { s.ConnectTimeout = 0 },
		"retry":              func(s *Settings) { s.Retry = -1 },
		"delay_before_retry": func(s *Settings) { s.DelayBeforeRetry = -1 },
		"warmup":             func(s *Settings) { s.Warmup = -1 },
	} {
		s := defaults()
		spoil(&s)
		if err := s.validate(); err == nil || !strings.HasPrefix(err.Error(), word+" ") {
			t.Errorf("%s: %v", word, err)
		}
	}
}
