package check

import (
	"time"

	"lvsdr/control/health"
)

// A Saved is how a check stands, as plain data, to be told to another process that goes on
// with it; see Config.Saved.
type Saved struct {
	ID       string
	Up       bool
	Proven   bool `json:",omitempty"` // there was a good attempt
	Failures int  `json:",omitempty"` // bad attempts since the last good one, while up
	Rises    int  `json:",omitempty"` // good ones since the last bad one, while down
	Step     int  `json:",omitempty"` // the next one of the round
	Stuck    bool `json:",omitempty"` // the step has failed and is asked until it is good

	Made      bool // the last attempt could be made
	NotMade   int  `json:",omitempty"` // attempts in a row that could not
	Since     time.Time
	LastError string        `json:",omitempty"`
	Weight    health.Weight // of the last good attempt
	Attempts  uint64
	Failed    uint64        // bad ones among them
	Took      time.Duration // the last attempt
	Next      time.Time     // the planned start of the next attempt, or of the one under way
}

// Save is how all checks stand, in no order. An attempt under way is none: it is made again.
func (r *Runner) Save() []Saved {
	r.mu.Lock()
	defer r.mu.Unlock()
	all := make([]Saved, 0, len(r.jobs))
	for _, j := range r.jobs {
		c, s := &j.checker, &j.state
		all = append(all, Saved{ID: j.spec.ID, Up: c.up, Proven: c.proven, Failures: c.failures, Rises: c.rises, Step: c.step, Stuck: c.stuck,
			Made: s.Made, NotMade: s.NotMade, Since: s.Since, LastError: s.LastError, Weight: s.Weight, Attempts: s.Attempts, Failed: s.Failures,
			Took: s.Took, Next: s.Next})
	}
	return all
}

// resume gives j, which is new, the state of the check with its ID in another process. It reports
// the time of the next attempt; false: nothing is known of it.
func (r *Runner) resume(j *job) (due time.Duration, ok bool) {
	s, ok := r.saved[j.spec.ID]
	if !ok {
		return 0, false
	}
	delete(r.saved, j.spec.ID) // a check that goes and comes back later begins anew
	c := &j.checker
	c.up, c.proven, c.failures, c.rises = s.Up, s.Proven, s.Failures, s.Rises
	if s.Step < max(c.settings.Steps, 1) {
		c.step, c.stuck = s.Step, s.Stuck
	}
	j.state = State{Made: s.Made, NotMade: s.NotMade, Since: s.Since, LastError: s.LastError, Weight: s.Weight, Attempts: s.Attempts,
		Failures: s.Failed, Took: s.Took}
	return min(max(s.Next.Sub(r.start), r.now()), r.now()+c.settings.DelayLoop), true
}
