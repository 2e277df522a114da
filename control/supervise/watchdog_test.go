package supervise

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// A subject answers at once, after a time, or never.
type subject struct {
	slow time.Duration // before it answers

	mu    sync.Mutex
	stuck bool
	owes  bool
}

func (s *subject) ask() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.owes = true
	if !s.stuck {
		time.AfterFunc(s.slow, func() { s.owe(false) })
	}
}

func (s *subject) owe(owes bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.owes = owes
}

func (s *subject) answered() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return !s.owes
}

// get makes the subject stuck, with an answer owed, or well again.
func (s *subject) get(stuck bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stuck, s.owes = stuck, stuck
}

// A watched is a Watchdog of 8 s whose feeds are noted, as seconds since the start.
type watched struct {
	Watchdog
	start time.Time

	mu    sync.Mutex
	fed   []float64
	lines bytes.Buffer
}

// Write appends to the log.
func (w *watched) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.lines.Write(p)
}

// seen is when the watchdog was fed, and what it has logged.
func (w *watched) seen() ([]float64, string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.fed), w.lines.String()
}

func watch(t *testing.T, subjects ...*subject) *watched {
	w := &watched{start: time.Now()}
	w.Timeout, w.Log = 8*time.Second, slog.New(slog.NewTextHandler(w, nil))
	w.Feed = func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.fed = append(w.fed, time.Since(w.start).Seconds())
	}
	for i, s := range subjects {
		w.Subjects = append(w.Subjects, Subject{fmt.Sprint("part ", i), s.ask, s.answered})
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
				if fed, _ := w.seen(); !slices.Equal(fed, c.fed) {
					t.Errorf("fed at %v, want %v", fed, c.fed)
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
			all[i].get(true)
			rest(100 * time.Second)
			fed, log := w.seen()
			if want := []float64{0, 4, 8}; !slices.Equal(fed, want) {
				t.Errorf("fed at %v, want %v", fed, want)
			}
			if n := strings.Count(log, "\n"); n != 1 || !strings.Contains(log, fmt.Sprintf(`parts="part %d"`, i)) {
				t.Errorf("logged\n%s", log)
			}
			all[i].get(false) // as if a thread got its CPU again
			rest(10 * time.Second)
			if fed, log := w.seen(); len(fed) < 5 || !strings.Contains(log, "do again") {
				t.Errorf("fed at %v afterwards; logged\n%s", fed, log)
			}
		})
	}
}
