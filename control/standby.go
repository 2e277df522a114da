package control

import (
	"context"
	"errors"
	"time"

	"lvsdr/control/lock"
)

// runStandby waits until the director that runs has ended, and runs the next one: what a start of
// the program itself costs is spent by then. The file is read before that too, so that errors
// in it are known, and again afterwards; if it is no good then, what was read before counts.
func runStandby(ctx context.Context, o Options, reload <-chan struct{}) error {
	before, err := readFile(ctx, &o)
	if ctx.Err() != nil || err != nil {
		return unlessEnded(ctx, err)
	}
	d, err := ready(&o)
	var only *lock.Lock
	if err == nil {
		only, err = standBy(ctx, &o)
	}
	if ctx.Err() != nil || err != nil {
		return errors.Join(unlessEnded(ctx, err), d.close(), only.Close())
	}
	first, err := readFile(ctx, &o)
	if bad := new(BadFile); errors.As(err, &bad) {
		o.Log.Warn("the file has errors now; the configuration of the time when the wait began is used", "file", o.File)
		first, err = before, nil
	}
	if ctx.Err() != nil || err != nil {
		return errors.Join(unlessEnded(ctx, err), d.close(), only.Close())
	}
	return runLocked(ctx, o, d, only, &first, reload)
}

// standBy waits for the lock. The service manager is told that the program is ready, for its part, and
// hears its watchdog's word meanwhile.
func standBy(ctx context.Context, o *Options) (*lock.Lock, error) {
	waiting, over := context.WithCancel(ctx)
	defer over()
	o.Notify("READY=1")
	o.Notify("STATUS=standing by until the director that runs has ended")
	o.Log.Info("standing by until the director that runs has ended")
	if o.Watchdog > 0 {
		go keepAlive(waiting, o.Watchdog/2, func() { o.Notify("WATCHDOG=1") })
	}
	only, err := lock.Await(ctx, o.Log)
	if err == nil {
		o.Log.Info("no director runs: this one serves")
	}
	return only, err
}

// keepAlive calls feed at each interval until ctx ends.
func keepAlive(ctx context.Context, every time.Duration, feed func()) {
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			feed()
		}
	}
}
