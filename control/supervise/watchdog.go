package supervise

import (
	"context"
	"log/slog"
	"slices"
	"strings"
	"time"
)

// A Subject is a part of the director that must make progress.
type Subject struct {
	Name string
	// Ask asks whether it does, and waits for nothing.
	Ask func()
	// Answered reports whether it has made progress since it was asked last.
	Answered func() bool
}

// A Watchdog feeds the service manager's watchdog while all subjects make progress: it
// asks them, and feeds at half the time if all have answered, or as soon as the last
// one has. One that is stuck, and this process if it is stopped, lets the time pass, and
// the service manager ends and restarts the director.
//
//	feed, ask all ──half the time──▶ all have answered? ──yes──▶ feed, ask all
//	                                        │ no: an eighth of the time later
//	                                        └──▶ again
type Watchdog struct {
	Timeout  time.Duration // of the service manager; more than 0
	Subjects []Subject
	Feed     func() // sends WATCHDOG=1
	Log      *slog.Logger

	late []string // subjects that the log says are stuck
}

// Looks in a Timeout, and after how many the watchdog is to be fed.
const (
	looks     = 8
	feedAfter = looks / 2
)

// Run feeds until ctx ends, which is no error.
func (w *Watchdog) Run(ctx context.Context) error {
	tick := time.NewTicker(max(w.Timeout/looks, 1))
	defer tick.Stop()
	w.feed()
	for n := 1; ; n++ {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		if n >= feedAfter && w.look() {
			n = 0
			w.feed()
		}
	}
}

// feed feeds and asks all.
func (w *Watchdog) feed() {
	w.Feed()
	for _, s := range w.Subjects {
		s.Ask()
	}
}

// look reports whether all have answered, and logs who has not, once.
func (w *Watchdog) look() bool {
	var late []string
	for _, s := range w.Subjects {
		if !s.Answered() {
			late = append(late, s.Name)
		}
	}
	switch {
	case len(late) == 0 && w.late != nil:
		w.Log.Info("the parts that made no progress do again", "parts", strings.Join(w.late, ", "))
	case len(late) > 0 && !slices.Equal(late, w.late):
		w.Log.Error("parts of the director make no progress: the service manager will restart it", "parts", strings.Join(late, ", "))
	}
	w.late = late
	return len(late) == 0
}
