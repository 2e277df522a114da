package supervise

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// A subject answers at once, after a time, or never.
type subject struct {
	slow  time.Duration // before it answers
	stuck bool
	owes  bool
}

func (s *subject) ask() {
	s.owes = true
	if !s.stuck {
		time.AfterFunc(s.slow, func() { s.owes = false })
	}
}

// A watched is a Watchdog of 8 s whose feeds are noted, as seconds since the start.
type watched struct {
	Watchdog
	start time.Time
	fed   []float64
	log   bytes.Buffer
}

func watch(t *testing.T, subjects ...*subject) *watched {
	w := &watched{start: time.Now()}
	w.Timeout, w.Log = 8*time.Second, slog.New(slog.NewTextHandler(&w.log, nil))
	w.Feed = func() { w.fed = append(w.fed, time.Since(w.start).Seconds()) }
	for i, s := range subjects {
		w.Subjects = append(w.Subjects, Subject{fmt.Sprint("part ", i), s.ask, func() bool { return !s.owes }})
	}
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- w.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return w
}

// rest lets time pass, and a moment more.
func rest(d time.Duration) {
	time.Sleep(d + time.Millisecond)
	synctest.Wait()
}

func TestTheWatchdogIsFedAtHalfTheTimeWhileAllAnswer(t *testing.T) {
	for _, c := range []struct {
		name     string
		subjects []*subject
		fed      []float64
	}{
		{"nobody is watched", nil, []float64{0, 4, 8, 12, 16}},
		{"all answer at once", []*subject{{}, {}, {}}, []float64{0, 4, 8, 12, 16}},
		{"one needs nearly half the time", []*subject{{}, {slow: 3900 * time.Millisecond}}, []float64{0, 4, 8, 12, 16}},
		{"one needs more: it is waited for, in time", []*subject{{slow: 4500 * time.Millisecond}, {}}, []float64{0, 5, 10, 15}},
		{"one never answers", []*subject{{}, {}, {stuck: true}}, []float64{0}},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := watch(t, c.subjects...)
				rest(16 * time.Second)
				if !slices.Equal(w.fed, c.fed) {
					t.Errorf("fed at %v, want %v", w.fed, c.fed)
				}
			})
		})
	}
}

// Each subject alone is enough to let the time pass; the log says which one, once.
func TestEachSubjectThatIsStuckKeepsTheWatchdogHungry(t *testing.T) {
	for i := range 3 {
		synctest.Test(t, func(t *testing.T) {
			all := []*subject{{}, {}, {}}
			w := watch(t, all...)
			rest(9 * time.Second) // fed at 0, 4, 8
			all[i].stuck, all[i].owes = true, true
			rest(100 * time.Second)
			if want := []float64{0, 4, 8}; !slices.Equal(w.fed, want) {
				t.Errorf("fed at %v, want %v", w.fed, want)
			}
			if n := strings.Count(w.log.String(), "\n"); n != 1 || !strings.Contains(w.log.String(), fmt.Sprintf(`parts="part %d"`, i)) {
				t.Errorf("logged\n%s", &w.log)
			}
			all[i].owes = false // as if a thread got its CPU again
			all[i].stuck = false
			rest(10 * time.Second)
			if n := len(w.fed); n < 5 || !strings.Contains(w.log.String(), "do again") {
				t.Errorf("fed %d times afterwards; logged\n%s", n, &w.log)
			}
		})
	}
}
