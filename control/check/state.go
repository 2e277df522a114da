package check

import (
	"cmp"
	"slices"
	"time"

	"lvsdr/control/health"
)

// A State is the state of one check.
type State struct {
	ID    string
	Kind  string // of the probe
	Probe string // with all its parameters
	Up    bool
	// Made says whether the last attempt could be made; true before the first.
	Made bool
	// NotMade is how many attempts in a row could not be made.
	NotMade int
	// Since is the start or the last change of Up.
	Since time.Time
	// LastError is the error of the last attempt; empty: it was good, or there
	// was none yet.
	LastError string
	// Weight is that of the last good attempt.
	Weight   health.Weight
	Attempts uint64 // that ended
	Failures uint64 // bad ones among them
	// Took is how long the last attempt took; 0: there was none yet.
	Took time.Duration
	// Retrying is how many bad attempts in a row a check that is still up has
	// had.
	Retrying int
	// Next is the planned start of the next attempt, or the start of the one
	// under way.
	Next time.Time
}

// States are the states of all checks, sorted by ID.
func (r *Runner) States() []State {
	states := r.states()
	slices.SortFunc(states, func(a, b State) int { return cmp.Compare(a.ID, b.ID) })
	return states
}

func (r *Runner) states() []State {
	r.mu.Lock()
	defer r.mu.Unlock()
	all := make([]State, 0, len(r.jobs))
	for _, j := range r.jobs {
		all = append(all, j.view())
	}
	return all
}

// State is the state of the check with an ID; false: there is none.
func (r *Runner) State(id string) (State, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	j, ok := r.jobs[id]
	if !ok {
		return State{}, false
	}
	return j.view(), true
}
