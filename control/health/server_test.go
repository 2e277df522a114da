package health

import (
	"fmt"
	"math"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// slowUp states when a check is up: of the two, as many results "up" in a row as
// it takes and as many "down", the one that was seen last counts.
func slowUp(start bool, results []bool, rise, fall int) bool {
	last := map[bool]int{} // the end of the last row, 1 for the first result
	for end := range results {
		for up, n := range map[bool]int{true: max(rise, 1), false: max(fall, 1)} {
			row := end+1 >= n
			for i := max(end+1-n, 0); i <= end; i++ {
				row = row && results[i] == up
			}
			if row {
				last[up] = end + 1
			}
		}
	}
	if last[true] == last[false] { // neither was seen
		return start
	}
	return last[true] > last[false]
}

func TestAServerIsUpWhenTheLastRowsOfAllItsChecksSaySo(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := Policy{Rise: rapid.IntRange(0, 3).Draw(t, "rise"), Fall: rapid.IntRange(0, 3).Draw(t, "fall")}
		n := rapid.IntRange(0, 3).Draw(t, "checks")
		alpha := make([]bool, n)
		seen := make([][]bool, n)
		var checks []Check
		for i := range n {
			alpha[i] = rapid.Bool().Draw(t, "alpha")
			checks = append(checks, NewCheck(alpha[i], "no good check yet"))
		}
		s := NewServer(p, checks)
		for step := range rapid.IntRange(0, 30).Draw(t, "results") * min(n, 1) {
			i := rapid.IntRange(0, n-1).Draw(t, "check")
			r := Result{Up: rapid.Bool().Draw(t, "up")}
			if !r.Up {
				r.Reason = fmt.Sprint("failure ", step)
			}
			seen[i] = append(seen[i], r.Up)
			before := s.Check(i)
			next := s.Result(i, r, 0)
			if s.Check(i) != before {
				t.Fatal("a result changes the server before")
			}
			s = next
		}
		up := true
		for i := range n {
			want := slowUp(!alpha[i], seen[i], p.Rise, p.Fall)
			if s.Check(i).Up() != want || (s.Check(i).Reason() == "") != want {
				t.Fatalf("check %d after %v is up: %v, for %q", i, seen[i], !want, s.Check(i).Reason())
			}
			up = up && want
		}
		if s.Up() != up || (s.Reason() == "") != up {
			t.Fatalf("the server is up: %v, for %q, want %v", s.Up(), s.Reason(), up)
		}
	})
}

func TestAServersReasonIsTheLastOneOfItsFirstCheckThatIsDown(t *testing.T) {
	s := NewServer(Policy{}, []Check{{}, NewCheck(true, "not yet"), {}})
	for _, c := range []struct {
		check  int
		r      Result
		reason string
	}{
		{2, Result{Reason: "refused"}, "not yet"},
		{1, Result{Reason: "timeout"}, "timeout"},
		{1, Result{Up: true}, "refused"},
		{2, Result{Reason: "no route"}, "no route"},
		{2, Result{Up: true}, ""},
	} {
		if s = s.Result(c.check, c.r, 0); s.Reason() != c.reason {
			t.Errorf("check %d says %+v: the reason is %q, want %q", c.check, c.r, s.Reason(), c.reason)
		}
	}
}

// A check that needs more than one good result was down without a reason until
// the last of them.
func TestACheckOnItsWayUpKeepsTheReasonItIsDownFor(t *testing.T) {
	s := NewServer(Policy{Rise: 2}, []Check{NewCheck(false, "")}).Result(0, Result{Reason: "refused"}, 0)
	if s = s.Result(0, Result{Up: true}, 0); s.Up() || s.Reason() != "refused" {
		t.Errorf("up: %v, for %q", s.Up(), s.Reason())
	}
}

func TestChecksChangeTheWeight(t *testing.T) {
	set := func(n int) Weight { return Weight{SetWeight, n} }
	add := func(n int) Weight { return Weight{AddWeight, n} }
	for _, c := range []struct {
		law     string
		weights []Weight
		want    int
	}{
		{"without a word of a check it is the configured one", []Weight{{}, {}}, 10},
		{"a check sets it", []Weight{set(7)}, 7},
		{"of two that set it the last one counts", []Weight{set(7), set(0)}, 0},
		{"a check adds to it", []Weight{add(5), add(-3)}, 12},
		{"what one sets, the next adds to", []Weight{set(1), add(2)}, 3},
		{"it is never less than 0", []Weight{add(-11)}, 0},
		{"what is less than 0 on the way counts", []Weight{add(-200), add(195)}, 5},
		{"what is too much on the way counts, too", []Weight{add(MaxWeight), add(-MaxWeight)}, 10},
		{"numbers far out add up to a limit", []Weight{add(math.MaxInt), add(math.MaxInt)}, MaxWeight},
		{"nor more than there is room for", []Weight{set(MaxWeight), add(MaxWeight)}, MaxWeight},
	} {
		s := NewServer(Policy{}, make([]Check, len(c.weights)))
		for i, w := range c.weights {
			s = s.Result(i, Result{Up: true, Weight: w}, 0)
		}
		if got := s.Weight(10, 0); got != c.want {
			t.Errorf("%s: %d, want %d", c.law, got, c.want)
		}
		if len(c.weights) > 0 {
			if got := s.Result(0, Result{Reason: "refused"}, 0).Weight(10, 0); got != c.want {
				t.Errorf("%s: a failure makes it %d", c.law, got)
			}
		}
	}
}

// slowWeight states slow start: a twentieth of the weight more with every
// twentieth of the time, and never nothing.
func slowWeight(w int, slow, since, now time.Duration) int {
	part := 0
	for at := since + slow/20; at <= now && part < 20; at += slow / 20 {
		part++
	}
	if w > 0 && w*part < 20 {
		return 1
	}
	return w * part / 20
}

func TestAServerThatComesBackGetsItsWeightByAndBy(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		slow := time.Duration(rapid.IntRange(1, 60).Draw(t, "slow start")) * time.Second
		w := rapid.IntRange(0, 1000).Draw(t, "weight")
		back := time.Duration(rapid.Int64Range(0, int64(time.Hour)).Draw(t, "back"))
		s := NewServer(Policy{SlowStart: slow}, []Check{NewCheck(true, "not yet")}).Result(0, Result{Up: true}, back)
		last := 0
		at, growing := s.Next(back)
		for growing {
			for _, now := range []time.Duration{at - 1, at} {
				got := s.Weight(w, now)
				if want := slowWeight(w, slow, back, now); got != want || got < last {
					t.Fatalf("%v after it came back the weight is %d, want %d; before it was %d", now-back, got, want, last)
				}
				last = got
			}
			at, growing = s.Next(at)
		}
		if last != w || at != 0 {
			t.Fatalf("in the end the weight is %d, want %d", last, w)
		}
	})
}

func TestSlowStartCaseByCase(t *testing.T) {
	const slow = 20 * time.Second
	p := Policy{SlowStart: slow}
	up, down := Result{Up: true}, Result{Reason: "refused"}
	start := NewServer(p, []Check{{}, {}})
	failed := start.Result(0, down, 0)
	back := failed.Result(0, up, time.Minute)
	for _, c := range []struct {
		law  string
		s    Server
		now  time.Duration
		want int
	}{
		{"a server that starts up has all of it", start, 0, 100},
		{"one that comes back begins with 1", back, time.Minute, 1},
		{"before that moment too", back, 0, 1},
		{"half of the time later it has half", back, time.Minute + slow/2, 50},
		{"in the end it has all", back, time.Minute + slow, 100},
		{"another good result changes nothing", back.Result(1, up, time.Minute+slow/2), time.Minute + slow/2, 50},
		{"a relapse begins anew", back.Result(1, down, time.Minute).Result(1, up, time.Hour), time.Hour + slow/4, 25},
		{"a reload goes on where it was", back.Renew(p, []Check{{}}, time.Hour), time.Minute + slow/2, 50},
		{"a reload that takes the failed check away brings it back", failed.Renew(p, nil, time.Hour), time.Hour + slow/2, 50},
		{"a reload without slow start ends it", back.Renew(Policy{}, []Check{{}}, time.Hour), time.Minute, 100},
		{"less time than there are steps", failed.Renew(Policy{SlowStart: 1}, nil, 0), 20, 100},
	} {
		if got := c.s.Weight(100, c.now); got != c.want {
			t.Errorf("%s: %d, want %d", c.law, got, c.want)
		}
	}
	if at, ok := start.Next(0); ok {
		t.Errorf("a server that has all its weight gets more at %v", at)
	}
}
