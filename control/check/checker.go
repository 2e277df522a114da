package check

import (
	"math/bits"
	"time"
)

// An event is a change of state.
type event uint8

// The events.
const (
	none   event = iota // no change
	goUp                // the check was down and is up
	goDown              // the check was up and is down
)

// change is the event that leads from one state to the other.
func change(before, after bool) event {
	switch {
	case before == after:
		return none
	case after:
		return goUp
	}
	return goDown
}

// A checker is the state of one check of one server. It is a pure state
// machine and knows no clock; times are durations since a moment the caller
// chose. It is not safe for concurrent use. Make it with newChecker.
//
//	 start, no alpha                            start, alpha
//	    │                                             │
//	    ▼                  bad: down                  ▼  ┌──┐ bad
//	 untried ─────────────────────────────────────▶ down ◀──┘
//	    │                                           │ ▲
//	    │ good              good: up                │ │
//	    │  ┌────────────────────────────────────────┘ │ bad, no retries left: down
//	    ▼  ▼              bad                         │
//	┌─▶ up ───────────────────────────────▶ trying ───┘
//	└──┘ ▲                                   │  ▲  │
//	good └───────────────────────────────────┘  └──┘
//	                     good                   bad, retries left
//
// After an attempt that ends in trying the next comes after DelayBeforeRetry,
// after all others after DelayLoop.
//
// From up, a bad attempt with Retry = 0 leads to down at once. A check counts
// as up in untried, up and trying.
//
// With Rise the good attempt that leads from down to up is the last of so many in a row; a bad
// one among them begins the row anew.
//
// With Steps the picture is of a round: good stands for its last step, and the steps
// before change nothing but what comes next. A step whose failure led to down is asked
// until it is good; then a round starts at the first one. In untried the first bad attempt counts at
// once, as in keepalived: a server that never worked gets no retries. An attempt
// that was not made changes nothing.
type checker struct {
	settings Settings
	up       bool
	proven   bool // there was a good attempt
	failures int  // bad attempts since the last good one, while up
	rises    int  // good ones since the last bad one, while down
	step     int  // the next one of the round, less than Settings.Steps
	stuck    bool // step has failed and is asked until it is good
}

// newChecker is a checker in its start state.
func newChecker(s Settings) checker { return checker{settings: s, up: !s.Alpha} }

// setSettings replaces the settings and keeps the state: a check that is down
// stays down, whatever alpha now says.
func (c *checker) setSettings(s Settings) {
	if c.settings.Steps != s.Steps {
		c.step, c.stuck = 0, false
	}
	c.settings = s
}

// first is the time of the first attempt after now: now plus rnd's share of
// Warmup. All rnd being equally likely, so are all times in [now, now+Warmup].
func (c *checker) first(now time.Duration, rnd uint64) time.Duration {
	share, _ := bits.Mul64(rnd, uint64(c.settings.Warmup)+1)
	return now + time.Duration(share)
}

// next takes the outcome of an attempt that ended at now and gives the change it
// made and the time of the next attempt.
func (c *checker) next(o Outcome, now time.Duration) (event, time.Duration) {
	before := c.up
	switch {
	case o == Good && !c.lastStep():
		c.failures = 0
	case o == Good:
		if c.rises++; c.up || c.rises >= c.settings.Rise {
			c.up, c.rises = true, 0
		}
		c.proven, c.failures = true, 0
	case o == Bad && !c.up:
		c.rises = 0
	case o == Bad && c.up:
		c.failures++
		if !c.proven || c.failures > c.settings.Retry {
			c.up, c.failures = false, 0
			c.stuck = c.settings.Steps > 0
		}
	}
	return change(before, c.up), now + c.wait(o)
}

// lastStep takes the step that was good and reports whether the round is complete.
func (c *checker) lastStep() bool {
	if c.stuck {
		c.stuck, c.step = false, 0
		return false
	}
	c.step++
	if c.step < c.settings.Steps {
		return false
	}
	c.step = 0
	return true
}

// wait is the pause after an attempt that ended with o.
func (c *checker) wait(o Outcome) time.Duration {
	s := &c.settings
	switch {
	case c.failures > 0:
		return s.DelayBeforeRetry
	case s.Steps == 0 || o == NotMade:
		return s.DelayLoop
	case o == Good && s.Fast && (!c.proven || !c.up):
		return 0
	case o == Bad && c.stuck:
		return max(s.DelayLoop, s.DelayBeforeRetry)
	case o == Bad:
		return s.DelayBeforeRetry // of a round that was to bring the check up
	}
	return s.DelayLoop
}
