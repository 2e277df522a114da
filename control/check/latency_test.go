package check

import (
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

// latencies are those of r, a line each: kind, outcome, number, sum, and the buckets with
// something in them by their bounds.
func latencies(r *Runner) []string {
	bounds := LatencyBounds()
	var all []string
	for _, l := range r.Latencies() {
		line := fmt.Sprintf("%s %v: %d in %v", l.Kind, l.Outcome, l.Count, l.Sum)
		for i, n := range l.Buckets {
			switch {
			case n > 0 && i < len(bounds):
				line += fmt.Sprintf(", %d <= %v", n, bounds[i])
			case n > 0:
				line += fmt.Sprintf(", %d above", n)
			}
		}
		all = append(all, line)
	}
	return all
}

func TestAttemptsAreTimedByKindAndOutcome(t *testing.T) {
	for _, c := range []struct {
		name  string
		err   error
		takes time.Duration
		want  []string
	}{
		{"a good answer at once", nil, 0, []string{"FAKE good: 1 in 0s, 1 <= 1ms"}},
		{"a bound belongs to its bucket", nil, 25 * time.Millisecond, []string{"FAKE good: 1 in 25ms, 1 <= 25ms"}},
		{"what is longer to the next", nil, 25*time.Millisecond + 1, []string{"FAKE good: 1 in 25.000001ms, 1 <= 50ms"}},
		{"a refusal", errRefused, time.Millisecond, []string{"FAKE bad: 1 in 1ms, 1 <= 1ms"}},
		{"one that is given up", nil, time.Hour, []string{"FAKE bad: 1 in 8s, 1 above"}},
		{"one that cannot be made", fmt.Errorf("%w: no descriptor", ErrNotMade), 0, []string{"FAKE not made: 1 in 0s, 1 <= 1ms"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			bubble(t, Config{}, func(t *testing.T, r *Runner, _ *diary) {
				p := &fake{name: "probe"}
				p.set(c.err, c.takes)
				s := quick()
				s.ConnectTimeout, s.DelayLoop, s.DelayBeforeRetry = 8*sec, time.Hour, time.Hour
				must(t, r.Set([]Spec{{ID: "a", Settings: s, Probe: p}}))
				time.Sleep(9 * sec) // virtual
				synctest.Wait()
				if got := latencies(r); !slices.Equal(got, c.want) {
					t.Errorf("%q, want %q", got, c.want)
				}
				if st, _ := r.State("a"); st.Took != min(c.takes, 8*sec) {
					t.Errorf("the state says %v", st.Took)
				}
			})
		})
	}
}

// Counters never go back: a check that is removed leaves its attempts.
func TestLatenciesOutliveTheirChecks(t *testing.T) {
	bubble(t, Config{}, func(t *testing.T, r *Runner, _ *diary) {
		if got := latencies(r); len(got) != 0 {
			t.Errorf("before any attempt: %q", got)
		}
		good, bad := &fake{name: "good"}, &fake{name: "bad"}
		bad.set(errRefused, 3*time.Millisecond)
		must(t, r.Set([]Spec{{ID: "a", Settings: quick(), Probe: good}, {ID: "b", Settings: quick(), Probe: bad}}))
		time.Sleep(15 * sec) // virtual
		synctest.Wait()
		must(t, r.Set(nil))
		time.Sleep(15 * sec) // virtual
		want := []string{"FAKE good: 2 in 0s, 2 <= 1ms", "FAKE bad: 2 in 6ms, 2 <= 5ms"}
		if got := latencies(r); !slices.Equal(got, want) {
			t.Errorf("%q, want %q", got, want)
		}
	})
}

// An attempt whose check is removed meanwhile says nothing.
func TestAnAttemptThatIsCutShortIsNotTimed(t *testing.T) {
	bubble(t, Config{}, func(t *testing.T, r *Runner, _ *diary) {
		p := &fake{name: "slow"}
		p.set(nil, 2*sec)
		must(t, r.Set([]Spec{{ID: "a", Settings: quick(), Probe: p}}))
		time.Sleep(sec) // virtual
		must(t, r.Set(nil))
		time.Sleep(10 * sec) // virtual
		synctest.Wait()
		if got := latencies(r); len(got) != 0 {
			t.Errorf("%q", got)
		}
	})
}
