package notify

import (
	"context"
	"log/slog"
	"slices"
	"time"

	"lvsdr/control/script"
)

// A runner runs a command until its end, as script.Run does.
type runner = func(context.Context, script.Command) (script.Outcome, error)

// grace is the time between SIGTERM and SIGKILL.
const grace = time.Second

// Between two starts of a reader: the first time, and at most. One that has run for longest is new.
const (
	shortest = time.Second
	longest  = time.Minute
)

// A reader is the program of a FIFO. It is started again when it ends, until stop is called.
type reader struct {
	fifo  FIFO
	stop  context.CancelFunc
	ended chan struct{} // closed when the program has ended for good
}

// startReader starts the program of f when the one before has ended, which it stops; nil: there was none.
func startReader(f FIFO, log *slog.Logger, run runner, before *reader) *reader {
	ctx, stop := context.WithCancel(context.Background())
	r := &reader{fifo: f, stop: stop, ended: make(chan struct{})}
	go func() {
		defer close(r.ended)
		if before != nil {
			before.stop()
			<-before.ended
		}
		r.keep(ctx, log, run)
	}()
	return r
}

// keep keeps the program running until ctx ends. The same end again is not logged.
func (r *reader) keep(ctx context.Context, log *slog.Logger, run runner) {
	c := r.fifo.Reader
	c.Argv, c.Grace = append(slices.Clone(c.Argv), r.fifo.Path), grace
	pause, last := shortest, ""
	for ctx.Err() == nil {
		start := time.Now()
		out, err := run(ctx, c)
		if ctx.Err() != nil {
			return
		}
		if time.Since(start) >= longest {
			pause, last = shortest, ""
		}
		why := failure(out, err)
		if why == "" {
			why = "exit code 0"
		}
		if why != last {
			log.Error("the program that reads a notification FIFO has ended; it is started again", "program", c.Argv[0], "fifo", r.fifo.Path, "error", why)
		}
		last = why
		select {
		case <-ctx.Done():
		case <-time.After(pause):
		}
		pause = min(2*pause, longest)
	}
}
