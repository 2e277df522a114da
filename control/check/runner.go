package check

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"sync"
	"time"
)

// A Spec is one check to run.
type Spec struct {
	// ID names the check, for logs and States; unique, not empty, otherwise
	// opaque, such as "TCP_CHECK of [192.168.1.11]:tcp:80 of VS
	// [192.168.1.100]:tcp:80".
	ID string
	// Server names the real server the check belongs to, which is up when all
	// its checks are; empty: ID.
	Server string
	// Settings say when; Probe says what.
	Settings Settings
	Probe    Probe
}

// server is the name of the server s belongs to.
func (s Spec) server() string { return cmp.Or(s.Server, s.ID) }

// same reports whether s and o do the same at the same times.
func (s Spec) same(o Spec) bool {
	return s.Settings == o.Settings && s.Probe.String() == o.Probe.String()
}

// Config is what a Runner is made of. The zero Config works.
type Config struct {
	// OnChange is told of every change of a server between up and down, once,
	// in order, one call at a time; err is the failed check's error, nil when
	// the server is up. It may call Set, States and Servers, but not Close. Its
	// duration delays later reports, but no check.
	OnChange func(server string, up bool, err error)
	// Log gets the changes of single checks, and their failed attempts where
	// Settings.LogAll asks for them; nil: nothing.
	Log *slog.Logger
	// Rand draws the times of first checks; nil: math/rand/v2. Calls do not
	// overlap.
	Rand func() uint64
	// Parallel is the greatest number of attempts under way at a time; 0
	// means 256. An attempt that finds no place waits.
	Parallel int
}

// A State is the state of one check.
type State struct {
	ID        string    `json:"id"`
	Server    string    `json:"server"`
	Probe     string    `json:"probe"`
	Up        bool      `json:"up"`
	Since     time.Time `json:"since"`                // start or last change of Up
	LastError string    `json:"last_error,omitempty"` // of the last attempt; empty: it was good, or there was none
	Checks    uint64    `json:"checks"`               // attempts that ended
	Failures  uint64    `json:"failures"`             // bad ones among them
	Next      time.Time `json:"next"`                 // planned start of the next attempt, or start of the one under way
}

// A Runner runs checks, each on its own schedule. Its methods may be called
// concurrently. Each check has one goroutine, and one more makes the reports;
// all end with Close.
type Runner struct {
	cfg   Config
	start time.Time // the checkers' times count from here
	slots chan struct{}
	wake  chan struct{} // 1 place: there are reports
	root  context.Context
	stop  context.CancelFunc
	wg    sync.WaitGroup

	mu      sync.Mutex
	closed  bool
	jobs    map[string]*job
	servers map[string]*Group
	reports []report // not yet made
}

// A report is a change OnChange has to be told.
type report struct {
	server string
	up     bool
	err    error
}

// A job is one check that runs. Runner.mu guards it.
type job struct {
	spec    Spec
	checker Checker
	state   State // but ID, Server, Probe and Up, which are filled in when asked for
	cancel  context.CancelFunc
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
		cfg:     cfg,
		start:   time.Now(),
		slots:   make(chan struct{}, cfg.Parallel),
		wake:    make(chan struct{}, 1),
		jobs:    make(map[string]*job),
		servers: make(map[string]*Group),
	}
	r.root, r.stop = context.WithCancel(context.Background())
	r.wg.Go(r.report)
	return r
}

// Set makes specs the checks that run. A check with the ID, settings and probe
// of one that runs goes on as if nothing had happened. One with the ID alone
// keeps its state, so that a server that is down does not come back by a change
// of configuration, and starts a new schedule. Others are stopped, an attempt
// under way included, and new ones started in the state their settings say.
//
// OnChange is told if this changes a server that was there before (its failing
// check was removed, say); the start state of a new server is not a change and
// is found in Servers. Nothing is reported of a server that is not in specs any
// more, unless that call has begun already.
//
// An error says which spec is not valid, or wraps os.ErrClosed; then nothing
// has changed.
func (r *Runner) Set(specs []Spec) error {
	if err := validate(specs); err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return fmt.Errorf("set checks: %w", os.ErrClosed)
	}
	old := r.jobs
	r.jobs = make(map[string]*job, len(specs))
	for _, s := range specs {
		before := old[s.ID]
		if before != nil && before.spec.same(s) {
			before.spec = s
			r.jobs[s.ID] = before
			delete(old, s.ID)
			continue
		}
		r.jobs[s.ID] = r.launch(s, before)
	}
	for _, j := range old {
		j.cancel()
	}
	r.regroup()
	return nil
}

// validate says which of specs is not valid.
func validate(specs []Spec) error {
	seen := make(map[string]bool, len(specs))
	for _, s := range specs {
		switch {
		case s.ID == "":
			return errors.New("set checks: one has no ID")
		case seen[s.ID]:
			return fmt.Errorf("set checks: two are called %s", s.ID)
		case s.Probe == nil:
			return fmt.Errorf("set checks: %s has no probe", s.ID)
		}
		if err := s.Settings.Validate(); err != nil {
			return fmt.Errorf("set checks: %s: %w", s.ID, err)
		}
		seen[s.ID] = true
	}
	return nil
}

// launch starts a check in the state of the one it replaces, if any.
func (r *Runner) launch(s Spec, before *job) *job {
	j := &job{spec: s, checker: NewChecker(s.Settings), state: State{Since: time.Now()}}
	if before != nil {
		j.checker, j.state = before.checker, before.state
		j.checker.SetSettings(s.Settings)
	}
	next := j.checker.First(time.Since(r.start), r.cfg.Rand())
	j.state.Next = r.start.Add(next)
	ctx, cancel := context.WithCancel(r.root)
	j.cancel = cancel
	r.wg.Go(func() { r.run(ctx, j, next) })
	return j
}

// regroup makes the groups anew from the jobs and queues what changed.
func (r *Runner) regroup() {
	groups := make(map[string]*Group)
	cause := make(map[string]error)
	for id, j := range r.jobs {
		name := j.spec.server()
		if groups[name] == nil {
			groups[name] = new(Group)
		}
		groups[name].Put(id, j.checker.Up())
		if !j.checker.Up() {
			cause[name] = fmt.Errorf("%s is down", id)
		}
	}
	r.reports = slices.DeleteFunc(r.reports, func(p report) bool { return groups[p.server] == nil })
	for _, name := range slices.Sorted(maps.Keys(groups)) {
		if was := r.servers[name]; was != nil && was.Up() != groups[name].Up() {
			r.queue(report{name, groups[name].Up(), cause[name]})
		}
	}
	r.servers = groups
}

// queue adds a report and wakes its goroutine.
func (r *Runner) queue(p report) {
	r.reports = append(r.reports, p)
	select {
	case r.wake <- struct{}{}:
	default: // it is awake, or will be
	}
}

// report calls OnChange until Close.
func (r *Runner) report() {
	for {
		select {
		case <-r.root.Done():
			return
		case <-r.wake:
		}
		for r.root.Err() == nil {
			r.mu.Lock()
			if len(r.reports) == 0 {
				r.mu.Unlock()
				break
			}
			p := r.reports[0]
			r.reports = r.reports[1:]
			r.mu.Unlock()
			if r.cfg.OnChange != nil {
				r.cfg.OnChange(p.server, p.up, p.err)
			}
		}
	}
}

// run is the life of one check, until ctx ends.
func (r *Runner) run(ctx context.Context, j *job, next time.Duration) {
	timer := time.NewTimer(next - time.Since(r.start))
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		}
		ok, err := r.attempt(ctx, j)
		if !ok {
			return
		}
		next, ok := r.judge(ctx, j, err)
		if !ok {
			return
		}
		timer.Reset(next - time.Since(r.start))
	}
}

// attempt waits for a place and runs the probe once; false: ctx ended.
func (r *Runner) attempt(ctx context.Context, j *job) (bool, error) {
	select {
	case <-ctx.Done():
		return false, nil
	case r.slots <- struct{}{}:
	}
	defer func() { <-r.slots }()
	r.mu.Lock()
	spec := j.spec
	r.mu.Unlock()
	attempt, cancel := context.WithTimeout(ctx, spec.Settings.ConnectTimeout)
	defer cancel()
	err := spec.Probe.Check(attempt)
	return ctx.Err() == nil, err
}

// judge hands the outcome of an attempt to the checker, the group and the log,
// and gives the time of the next; false: the check was stopped meanwhile.
func (r *Runner) judge(ctx context.Context, j *job, err error) (time.Duration, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if ctx.Err() != nil {
		return 0, false
	}
	result := ResultOf(err)
	last := j.state.LastError
	event, next := j.checker.Next(result, time.Since(r.start))
	j.state.Checks++
	j.state.LastError = ""
	j.state.Next = r.start.Add(next)
	if err != nil {
		j.state.LastError = err.Error()
	}
	if result == Bad {
		j.state.Failures++
	}
	if event != None {
		j.state.Since = time.Now()
		server := j.spec.server()
		if r.servers[server].Put(j.spec.ID, event == Up) == event {
			r.queue(report{server, event == Up, err})
		}
	}
	r.log(j, event, result, err, last)
	return next, true
}

// log says what an attempt was about, if somebody wants to know.
func (r *Runner) log(j *job, event Event, result Result, err error, last string) {
	id := slog.String("check", j.spec.ID)
	switch {
	case event == Up:
		r.cfg.Log.Info("check up", id)
	case event == Down:
		r.cfg.Log.Warn("check down", id, slog.Any("error", err))
	case result == NotMade && err.Error() != last:
		r.cfg.Log.Warn("check not made", id, slog.Any("error", err))
	case result == Bad && j.spec.Settings.LogAll:
		r.cfg.Log.Info("check failed", id, slog.Any("error", err),
			slog.Bool("up", j.checker.Up()), slog.Int("failed", j.checker.Retrying()), slog.Int("retry", j.spec.Settings.Retry))
	}
}

// States are the states of all checks, sorted by ID.
func (r *Runner) States() []State {
	r.mu.Lock()
	defer r.mu.Unlock()
	states := make([]State, 0, len(r.jobs))
	for id, j := range r.jobs {
		s := j.state
		s.ID, s.Server, s.Probe, s.Up = id, j.spec.server(), j.spec.Probe.String(), j.checker.Up()
		states = append(states, s)
	}
	slices.SortFunc(states, func(a, b State) int { return cmp.Compare(a.ID, b.ID) })
	return states
}

// Servers says of every server whether it is up. Servers without checks are
// not in it: they always are.
func (r *Runner) Servers() map[string]bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	up := make(map[string]bool, len(r.servers))
	for name, g := range r.servers {
		up[name] = g.Up()
	}
	return up
}

// Close stops all checks, the attempts under way included, and waits until
// they, and a call of OnChange, have ended. Reports not made yet are dropped.
// It may be called more than once.
func (r *Runner) Close() {
	r.mu.Lock()
	r.closed = true
	r.mu.Unlock()
	r.stop()
	r.wg.Wait()
}
