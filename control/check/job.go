package check

import (
	"container/heap"
	"context"
	"time"

	"lvsdr/control/health"
)

// A job is one check that runs. Runner.mu guards it.
//
//	waiting, in the agenda ──due, and a place is free──▶ running
//	      ▲                                                   │
//	      └────────────────────the attempt ends───────────────┘
//
// A job that is replaced or removed is gone: it leaves the agenda, its attempt
// is cancelled, and whatever that still says is dropped.
type job struct {
	spec    Spec
	lane    lane   // of the probe; it stays
	name    string // likewise
	checker checker
	state   State // but what view fills in
	due     time.Duration
	i       int                // index in the agenda
	running bool               // an attempt is under way
	cancel  context.CancelFunc // of it; nil: none is, or direct is used
	direct  *connection        // of its attempts, if the system can; nil: they have goroutines
	gone    bool
	again   bool // what it looks at changed during the attempt under way

	told   told // what OnChange knows
	result Result
	queued bool // for OnChange
}

// told is the part of a job's state that OnChange is told of.
type told struct {
	up, made bool
	weight   health.Weight
}

// view is the state of j.
func (j *job) view() State {
	s := j.state
	s.ID, s.Kind, s.Probe = j.spec.ID, j.spec.Probe.Kind(), j.name
	s.Up, s.Retrying = j.checker.up, j.checker.failures
	return s
}

// news is that part as it is now.
func (j *job) news() told { return told{j.checker.up, j.state.Made, j.state.Weight} }

// An agenda is a heap.Interface of jobs by the time they are due, which stands beside each
// so that a comparison does not fetch the jobs.
type agenda []entry

type entry struct {
	due time.Duration
	job *job
}

func (a agenda) Len() int           { return len(a) }
func (a agenda) Less(x, y int) bool { return a[x].due < a[y].due }

func (a agenda) Swap(x, y int) {
	a[x], a[y] = a[y], a[x]
	a[x].job.i, a[y].job.i = x, y
}

func (a *agenda) Push(x any) {
	j := x.(*job)
	j.i = len(*a)
	*a = append(*a, entry{j.due, j})
}

func (a *agenda) Pop() any {
	last := len(*a) - 1
	j := (*a)[last].job
	(*a)[last] = entry{}
	*a = (*a)[:last]
	return j
}

// plan puts j, which waits, into the agenda for due.
func (r *Runner) plan(j *job, due time.Duration) {
	j.due, j.state.Next = due, r.start.Add(due)
	heap.Push(&r.agenda[j.lane], j)
	if due < r.wakes {
		signal(r.kick)
	}
}

// hasten makes the checks that look at this file due.
func (r *Runner) hasten(path string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for j := range r.byFile[path] {
		if j.running {
			j.again = true
			continue
		}
		heap.Remove(&r.agenda[j.lane], j.i)
		r.plan(j, r.now())
	}
	signal(r.kick)
}

// drop stops j for good.
func (r *Runner) drop(j *job) {
	j.gone = true
	if path := watchedBy(j.spec.Probe); path != "" {
		if delete(r.byFile[path], j); len(r.byFile[path]) == 0 {
			delete(r.byFile, path)
		}
	}
	switch {
	case !j.running:
		heap.Remove(&r.agenda[j.lane], j.i)
	case j.cancel != nil:
		j.cancel()
	case r.connects.cancel(j.direct):
		r.running[j.lane]--
	}
}
