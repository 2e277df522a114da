package check

import (
	"container/heap"
	"math"
	"time"
)

// slack is the least time between the starts of two batches of connections. What many checks
// cost is little for each while there are several in a batch: the process sleeps and wakes up
// once. So an attempt may be late by slack.
const slack = 20 * time.Millisecond

// run starts the attempts that are due, until Close.
func (r *Runner) run() {
	timer := time.NewTimer(0)
	defer timer.Stop()
	var next time.Duration // the earliest time of the next attempts
	for {
		select {
		case <-r.root.Done():
			return
		case <-timer.C:
		case <-r.kick:
		}
		if next <= r.now() {
			batch, connects := r.startDue()
			if len(batch) > 0 {
				next = r.now() + slack
				connects.start(batch)
			}
		}
		if wait, ok := r.rest(next); ok {
			timer.Reset(wait)
		}
		r.asked.run.Store(false)
	}
}

// startDue starts the attempts that are due, as many as there are places, but for the
// connections that it returns.
func (r *Runner) startDue() ([]*connection, *connector) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.batch, r.full, r.wakes = r.batch[:0], false, math.MinInt64
	for l := range lanes {
		for a := &r.agenda[l]; len(*a) > 0 && (*a)[0].due <= r.now() && r.free(l); {
			r.attempt(heap.Pop(a).(*job))
		}
	}
	return r.batch, r.connects
}

// free reports whether an attempt more may be under way in lane l.
func (r *Runner) free(l lane) bool { return r.running[l] < l.places(r.cfg.Parallel) }

// rest is how long no attempt will be due, or until next if that is later; false: until it
// is kicked, as it is if that changes.
func (r *Runner) rest(next time.Duration) (wait time.Duration, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.wakes, r.full = math.MaxInt64, false
	for l, a := range r.agenda {
		switch {
		case len(a) == 0:
		case r.free(lane(l)):
			r.wakes = min(r.wakes, max(a[0].due, next))
		default:
			r.full = true
		}
	}
	return r.wakes - r.now(), r.wakes != math.MaxInt64
}

// connectionOf is the connection of attempts of j that are made together with others; nil: they
// cannot be.
func connectionOf(j *job) *connection {
	p, ok := j.spec.Probe.(connecting)
	if !ok {
		return nil
	}
	to, ok := p.target()
	if !ok {
		return nil
	}
	return &connection{target: to, job: j, probe: p, limit: j.spec.Settings.ConnectTimeout, fd: -1}
}

// canConnect makes the connector, if the system has one.
func (r *Runner) canConnect() bool {
	if r.connects != nil || r.noConnects {
		return r.connects != nil
	}
	c, err := newConnector(r.connected)
	if err != nil {
		r.noConnects = true
		return false
	}
	r.connects = c
	r.wg.Go(c.serve)
	return true
}

// connected takes the end of a connection.
func (r *Runner) connected(x *connection, err error) {
	took := time.Since(x.begun)
	r.finish(x.job, x.probe.verdict(err, x.begun), took)
}
