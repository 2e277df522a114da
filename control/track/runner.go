package track

import (
	"context"
	"log/slog"
	"reflect"
	"sync"
	"time"

	"lvsdr/control/check"
	"lvsdr/control/script"
	"lvsdr/control/vrrp"
)

// Settings are all that is tracked. Names are unique within a kind.
type Settings struct {
	Scripts   []Script
	Processes []Process
	Files     []File
}

// A Script is a program that is run from time to time. It says with exit code 0 that all is
// well.
type Script struct {
	Name     string
	Command  script.Command
	Interval time.Duration // between the starts of two runs
	Timeout  time.Duration // of a run, which has failed then; 0: Interval
	// Rise and Fall are the results in a row until it is up, or down; 0: 1. The first result
	// counts at once.
	Rise, Fall int
	InitFail   bool // it is down until it has risen
}

// A File has a number in it; without a file it is 0.
type File struct{ Name, Path string }

// Config says how a Runner works. Zero values mean the defaults.
type Config struct {
	// Report takes each result that is another than the one before. It must not block.
	Report func(vrrp.Tracked)
	Log    *slog.Logger
	// Run runs a program; nil: script.Run.
	Run func(context.Context, script.Command) (script.Outcome, error)
	// Scan lists the processes of this host; nil: /proc is read.
	Scan func() ([]Running, error)
	// Every is the time between two looks at processes and files; 0: 1 s.
	Every time.Duration
}

// A Runner tracks. It is safe for concurrent use.
type Runner struct {
	c     Config
	files *check.Watcher

	mu     sync.Mutex
	jobs   map[vrrp.Tracker]*job
	closed bool
	wg     sync.WaitGroup
}

// A job is one thing that is tracked.
type job struct {
	settings any // a Script, Process or File
	stop     context.CancelFunc
	kick     chan struct{} // holds a token when a file has changed
	path     string        // of a file
	told     *vrrp.Tracked // what was reported last; its goroutine owns it
}

// New makes a Runner that tracks nothing yet.
func New(c Config) *Runner {
	if c.Run == nil {
		c.Run = script.Run
	}
	if c.Scan == nil {
		c.Scan = scan
	}
	if c.Every == 0 {
		c.Every = time.Second
	}
	r := &Runner{c: c, jobs: map[vrrp.Tracker]*job{}}
	r.files = check.NewWatcher(r.changed)
	return r
}

// Kinds of trackers, as vrrp.Tracker has them.
const (
	kindScript  = "track_script"
	kindProcess = "track_process"
	kindFile    = "track_file"
)

// Set makes s what is tracked. What stays as it is goes on; a new script with InitFail has
// been reported as down when Set returns. It waits for nothing.
func (r *Runner) Set(s Settings) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return nil
	}
	old := r.jobs
	r.jobs = map[vrrp.Tracker]*job{}
	for i := range s.Scripts {
		r.keep(old, vrrp.Tracker{Kind: kindScript, Name: s.Scripts[i].Name}, s.Scripts[i], "")
	}
	for i := range s.Processes {
		r.keep(old, vrrp.Tracker{Kind: kindProcess, Name: s.Processes[i].Name}, s.Processes[i], "")
	}
	for i := range s.Files {
		r.keep(old, vrrp.Tracker{Kind: kindFile, Name: s.Files[i].Name}, s.Files[i], s.Files[i].Path)
	}
	for _, j := range old {
		j.stop()
	}
	return nil
}

// keep has t tracked as settings say, by the job of old if that is the same.
func (r *Runner) keep(old map[vrrp.Tracker]*job, t vrrp.Tracker, settings any, path string) {
	if j := old[t]; j != nil && reflect.DeepEqual(j.settings, settings) {
		r.jobs[t] = j
		delete(old, t)
		return
	}
	ctx, stop := context.WithCancel(context.Background())
	j := &job{settings: settings, stop: stop, kick: make(chan struct{}, 1), path: path}
	r.jobs[t] = j
	switch s := settings.(type) {
	case Script:
		if s.InitFail {
			r.report(j, vrrp.Tracked{Tracker: t})
		}
		r.wg.Go(func() { r.script(ctx, j, t, &s) })
	case Process:
		r.wg.Go(func() { r.process(ctx, j, t, &s) })
	case File:
		r.wg.Go(func() { r.file(ctx, j, t, &s) })
	}
}

// report tells t if it is news.
func (r *Runner) report(j *job, t vrrp.Tracked) {
	if j.told != nil && *j.told == t {
		return
	}
	j.told = &t
	r.c.Report(t)
}

// Close ends all. Programs that run are killed; it waits for them.
func (r *Runner) Close() {
	r.mu.Lock()
	r.closed = true
	for _, j := range r.jobs {
		j.stop()
	}
	r.mu.Unlock()
	r.files.Close()
	r.wg.Wait()
}

// sleep waits for d, or until ctx ends, which it reports.
func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}
