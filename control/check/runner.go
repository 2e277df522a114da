package check

import (
	"container/heap"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// A Spec is one check to run.
type Spec struct {
	// ID names the check; unique, not empty, otherwise opaque, such as
	// "TCP_CHECK of [192.168.1.11]:tcp:80 of VS [192.168.1.100]:tcp:80".
	ID string
	// Settings say when; Probe says what.
	Settings Settings
	Probe    Probe
	// Suspended makes no attempts: the state stays as it is.
	Suspended bool
}

// Config has the settings of a Runner. The zero Config works.
type Config struct {
	// OnChange is told what is new of a check, see Change; nil: no reports. It
	// is called one call at a time, without any lock held, and must not block:
	// while it does, no other check is reported. It may call the Runner's
	// methods, but not Close.
	OnChange func(Change)
	// Log takes a line for every change of a check; nil: no lines. It must not
	// block: a check waits for its line.
	Log *slog.Logger
	// Rand draws the times of first attempts; nil: math/rand/v2. Calls do not
	// overlap.
	Rand func() uint64
	// Parallel is the greatest number of attempts under way at a time; 0
	// means 256. Attempts that run a program have as many places of their own, and
	// those that wait for what a server that works does not send have 16 times as
	// many, so that they do not hold up others. An attempt that finds no place
	// waits; the one that has waited longest is next.
	Parallel int
	// Saved is how checks stood in a process before this one. A new check with an ID of
	// them goes on from there, at the time that was planned. nil: all begin anew.
	Saved []Saved
}

// A Runner runs checks, each on its own schedule. Its methods may be called
// concurrently. One goroutine starts the attempts, each of which is one while it
// lasts, and one more makes the reports; all end with Close. Attempts that do nothing but
// connect have no goroutines: they are made in batches, see connector.
type Runner struct {
	cfg   Config
	start time.Time     // the checkers' times count from here
	kick  chan struct{} // 1 place: the agenda has changed, or a place is free
	wake  chan struct{} // 1 place: there are reports
	root  context.Context
	stop  context.CancelFunc
	wg    sync.WaitGroup
	asked struct{ run, report atomic.Bool } // and not answered yet
	files *Watcher
	// connects is made with the first attempt that can use it; nil: there was none yet, or the
	// system has no such thing.
	connects   *connector
	noConnects bool          // it has not
	batch      []*connection // of attempts that are due

	mu      sync.Mutex // guards what follows and all jobs; nothing is waited for under it
	closed  bool
	jobs    map[string]*job
	agenda  [lanes]agenda
	running [lanes]int
	wakes   time.Duration            // when run wakes up by itself; while it does not sleep it need not be woken
	full    bool                     // attempts are due and wait for a place
	byFile  map[string]map[*job]bool // those that look at a file
	news    []*job                   // to be reported
	saved   map[string]Saved         // by ID: of those that have not been set yet
	// latencies are how long attempts took.
	latencies map[latencyKey]*Latency
}

// New makes a Runner without checks. Close it.
func New(cfg Config) *Runner {
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.Rand == nil {
		cfg.Rand = rand.Uint64
	}
	if cfg.Parallel <= 0 {
		cfg.Parallel = 256
	}
	r := &Runner{
		cfg:   cfg,
		start: time.Now(),
		kick:  make(chan struct{}, 1),
		wake:  make(chan struct{}, 1),
		jobs:  make(map[string]*job),

		byFile: make(map[string]map[*job]bool),

		latencies: make(map[latencyKey]*Latency),
		saved:     make(map[string]Saved, len(cfg.Saved)),
	}
	for _, s := range cfg.Saved {
		r.saved[s.ID] = s
	}
	r.files = NewWatcher(r.hasten)
	r.root, r.stop = context.WithCancel(context.Background())
	r.wg.Go(r.run)
	r.wg.Go(r.report)
	return r
}

// signal puts a token into c unless there is one.
func signal(c chan<- struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

func (r *Runner) now() time.Duration { return time.Since(r.start) }

// Set makes specs the checks that run. A check with the ID, settings and probe
// of one that runs goes on as if nothing had happened. One with the ID alone
// keeps its state, so that a check that is down does not come up by a change
// of configuration, and starts a new schedule. Others are stopped, an attempt
// under way included, and new ones started in the state their settings say. Set
// does not wait for an attempt.
//
// The start state of a check is not a change: a new one is up unless it has
// Alpha, and State tells of one that was there before. Nothing is reported of a
// check that is not in specs any more, unless that call has begun already.
//
// An error says which spec is not valid, or wraps os.ErrClosed; then nothing
// has changed.
func (r *Runner) Set(specs []Spec) error {
	names, err := validate(specs)
	if err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return fmt.Errorf("set checks: %w", os.ErrClosed)
	}
	old := r.jobs
	r.jobs = make(map[string]*job, len(specs))
	for i, s := range specs {
		before := old[s.ID]
		if before != nil && before.spec.Settings == s.Settings && before.name == names[i] {
			wakes := before.spec.Suspended && !s.Suspended && !before.running
			before.spec = s
			r.jobs[s.ID] = before
			if wakes {
				heap.Remove(&r.agenda[before.lane], before.i)
				r.plan(before, r.now())
			}
			delete(old, s.ID)
			continue
		}
		r.jobs[s.ID] = r.launch(s, names[i], before)
	}
	for _, j := range old {
		r.drop(j)
	}
	signal(r.kick)
	return nil
}

// validate says which of specs is not valid, and else gives the names of their
// probes.
func validate(specs []Spec) ([]string, error) {
	names := make([]string, len(specs))
	seen := make(map[string]bool, len(specs))
	for i, s := range specs {
		switch {
		case s.ID == "":
			return nil, errors.New("set checks: one has no ID")
		case seen[s.ID]:
			return nil, fmt.Errorf("set checks: two are called %s", s.ID)
		case s.Probe == nil:
			return nil, fmt.Errorf("set checks: %s has no probe", s.ID)
		}
		if err := s.Settings.validate(); err != nil {
			return nil, fmt.Errorf("set checks: %s: %w", s.ID, err)
		}
		seen[s.ID], names[i] = true, s.Probe.String()
	}
	return names, nil
}

// launch starts a check in the state of the one it replaces, if any, or of a process before
// this one.
func (r *Runner) launch(s Spec, name string, before *job) *job {
	j := &job{spec: s, lane: laneOf(s.Probe), name: name, checker: newChecker(s.Settings), state: State{Made: true, Since: time.Now()}}
	var due time.Duration
	resumed := false
	if before != nil {
		j.checker, j.state, j.told = before.checker, before.state, before.told
		j.checker.setSettings(s.Settings)
		j.result = before.result
		r.note(j) // if the last change of the one before was not told yet
	} else {
		due, resumed = r.resume(j)
		j.told = j.news()
	}
	j.direct = connectionOf(j)
	if path := watchedBy(s.Probe); path != "" {
		if r.byFile[path] == nil {
			r.byFile[path] = map[*job]bool{}
		}
		r.byFile[path][j] = true
	}
	if !resumed {
		due = j.checker.first(r.now(), r.cfg.Rand())
	}
	r.plan(j, due)
	return j
}

// attempt starts an attempt of j, or has it wait in r.batch.
func (r *Runner) attempt(j *job) {
	if j.spec.Suspended {
		r.plan(j, r.now()+j.spec.Settings.DelayLoop)
		return
	}
	r.running[j.lane]++
	j.running = true
	if j.direct != nil && r.canConnect() {
		r.batch = append(r.batch, j.direct)
		return
	}
	ctx, cancel := context.WithTimeout(r.root, j.spec.Settings.ConnectTimeout)
	j.cancel = cancel
	probe, step := j.spec.Probe, j.checker.step
	r.wg.Go(func() {
		defer cancel()
		if path := watchedBy(probe); path != "" {
			r.files.Ensure(path)
		}
		start := r.now()
		res := attempt(ctx, probe, step)
		r.finish(j, res, r.now()-start)
	})
}

// finish takes the result of an attempt of j, and how long that took.
func (r *Runner) finish(j *job, res Result, took time.Duration) {
	if line := r.judge(j, res, took); line != nil {
		line()
	}
}

// judge hands the result of an attempt to the checker, plans the next attempt,
// and gives what is to be logged; nil: nothing.
func (r *Runner) judge(j *job, res Result, took time.Duration) func() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.running[j.lane]--
	if r.full {
		signal(r.kick)
	}
	if j.gone || r.closed {
		return nil
	}
	j.running, j.cancel = false, nil
	outcome := res.Outcome()
	event, next := j.checker.next(outcome, r.now())
	line := r.line(j, event, outcome, res.Err)
	s := &j.state
	s.Attempts++
	s.Took = took
	r.took(j.spec.Probe.Kind(), outcome, took)
	s.Made, s.LastError = outcome != NotMade, ""
	if s.NotMade++; s.Made {
		s.NotMade = 0
	}
	if res.Err != nil {
		s.LastError = res.Err.Error()
	}
	switch outcome {
	case Good:
		s.Weight = res.Weight
	case Bad:
		s.Failures++
	}
	if event != none {
		s.Since = time.Now()
	}
	j.result = res
	if j.again {
		next = r.now()
	}
	j.again = false
	r.plan(j, next)
	r.note(j)
	return line
}

// line returns the log line for an attempt of j, whose state is that
// before it; nil: nothing.
func (r *Runner) line(j *job, event event, outcome Outcome, err error) func() {
	id, cause := slog.String("check", j.spec.ID), slog.Any("error", err)
	log := r.cfg.Log
	switch {
	case event == goUp: // who is told of it logs what becomes of the server
		return func() { log.Debug("check up", id) }
	case event == goDown:
		return func() { log.Debug("check down", id, cause) }
	case errors.Is(err, ErrLinkDown): // one cause of many checks, which is told of once
	case outcome == NotMade && err.Error() != j.state.LastError:
		return func() { log.Warn("check not made", id, cause) }
	case outcome == Bad && j.spec.Settings.LogAll:
		up, failed := slog.Bool("up", j.checker.up), slog.Int("failed", j.checker.failures)
		retry := slog.Int("retry", j.spec.Settings.Retry)
		return func() { log.Info("check failed", id, cause, up, failed, retry) }
	}
	return nil
}

// Close stops all checks, the attempts under way included, and waits until
// they, and a call of OnChange, have ended. Reports not made yet are dropped.
// It may be called more than once.
func (r *Runner) Close() {
	r.mu.Lock()
	r.closed = true
	connects := r.connects
	r.mu.Unlock()
	r.stop()
	r.files.Close()
	if connects != nil {
		connects.close()
	}
	r.wg.Wait()
}
