// Package check finds out which real servers work. It has three layers, each
// usable without the next:
//
//   - Checker, a pure state machine: results and the time go in, up or down and
//     the time of the next check come out (checker.go, group.go);
//   - Probe, one attempt against one server: TCP, which connects to the real
//     server's own address as keepalived does, DR, which sends the connection
//     to the real server's MAC address with the virtual address as IP
//     destination, and Pair, which does both and names the difference
//     (probe.go, dr.go);
//   - Runner, which runs many probes on the schedules of their checkers and
//     keeps the state of what a new configuration did not change (runner.go).
//
// Meanings and defaults of the settings are those of keepalived.conf(5).
package check

import (
	"errors"
	"fmt"
	"math"
	"math/bits"
	"time"
)

// Settings are the words of keepalived.conf(5) that decide when a server is
// checked and when it counts as down. They are resolved values: a zero is a
// zero, not a default. DefaultSettings has the defaults.
type Settings struct {
	// DelayLoop is the pause between the end of a check and the start of the
	// next, > 0; delay_loop, default 60 s.
	DelayLoop time.Duration
	// ConnectTimeout limits one attempt as a whole, > 0; connect_timeout,
	// default 5 s.
	ConnectTimeout time.Duration
	// Retry is how many times a failed check of a server that has worked is
	// repeated before the server is down, >= 0; retry, default 1.
	Retry int
	// DelayBeforeRetry is the pause before each of these repetitions, >= 0;
	// delay_before_retry, default 1 s (HTTP and SSL 3 s).
	DelayBeforeRetry time.Duration
	// Warmup spreads the first checks: each comes at a random time in
	// [0, Warmup]; warmup, default DelayLoop, 0 is off.
	Warmup time.Duration
	// Alpha lets the server start down; alpha, default off.
	Alpha bool
	// LogAll logs every failed attempt and not only the changes;
	// log_all_failures, default off. Only Runner looks at it.
	LogAll bool
}

// DefaultSettings are keepalived's defaults for a TCP_CHECK.
func DefaultSettings() Settings {
	return Settings{
		DelayLoop:        60 * time.Second,
		ConnectTimeout:   5 * time.Second,
		Retry:            1,
		DelayBeforeRetry: time.Second,
		Warmup:           60 * time.Second,
	}
}

// Validate says which setting is out of its range.
func (s Settings) Validate() error {
	switch {
	case s.DelayLoop <= 0:
		return fmt.Errorf("delay_loop %s: must be positive", s.DelayLoop)
	case s.ConnectTimeout <= 0:
		return fmt.Errorf("connect_timeout %s: must be positive", s.ConnectTimeout)
	case s.Retry < 0:
		return fmt.Errorf("retry %d: must not be negative", s.Retry)
	case s.DelayBeforeRetry < 0:
		return fmt.Errorf("delay_before_retry %s: must not be negative", s.DelayBeforeRetry)
	case s.Warmup < 0:
		return fmt.Errorf("warmup %s: must not be negative", s.Warmup)
	}
	return nil
}

// Bound is the longest time from the end of a server's last good check until
// it is down:
//
//	DelayLoop + (Retry+1)×ConnectTimeout + Retry×DelayBeforeRetry
//
// It is reached by a server that fell silent just after it answered. One that
// refuses connections costs no ConnectTimeout: DelayLoop +
// Retry×DelayBeforeRetry. With the defaults that is 71 s and 61 s. Not
// included: attempts that could not be made (NotMade), and waiting for one of
// Config.Parallel places. A sum beyond the range of Duration gives its maximum.
func (s Settings) Bound() time.Duration {
	retry := uint64(max(s.Retry, 0))
	sum := uint64(s.DelayLoop)
	for _, term := range [][2]uint64{
		{retry + 1, uint64(s.ConnectTimeout)},
		{retry, uint64(s.DelayBeforeRetry)},
	} {
		hi, lo := bits.Mul64(term[0], term[1])
		if hi != 0 || lo > math.MaxInt64-sum {
			return math.MaxInt64
		}
		sum += lo
	}
	return time.Duration(sum)
}

// A Result is the outcome of one attempt.
type Result uint8

// The results.
const (
	Good    Result = iota // the server works
	Bad                   // it does not
	NotMade               // this host could not make the attempt; says nothing about the server
)

// ResultOf is the result a probe's error stands for.
func ResultOf(err error) Result {
	switch {
	case err == nil:
		return Good
	case errors.Is(err, ErrNotMade):
		return NotMade
	}
	return Bad
}

// String is the result in lower case.
func (r Result) String() string {
	switch r {
	case Good:
		return "good"
	case Bad:
		return "bad"
	case NotMade:
		return "not made"
	}
	return "result?"
}

// An Event is a change of state.
type Event uint8

// The events.
const (
	None Event = iota // no change
	Up                // the server was down and works now
	Down              // the server was up and does not work any more
)

// String is the event in lower case.
func (e Event) String() string {
	switch e {
	case None:
		return "none"
	case Up:
		return "up"
	case Down:
		return "down"
	}
	return "event?"
}

// A Checker is the state of one check of one server. It is a pure state
// machine and knows no clock; times are durations since a moment the caller
// chose. It is not safe for concurrent use. Make it with NewChecker.
//
//	 start, no alpha                            start, alpha
//	    │                                             │
//	    ▼                  bad: Down                  ▼  ┌──┐ bad
//	 untried ─────────────────────────────────────▶ down ◀──┘
//	    │                                           │ ▲
//	    │ good              good: Up                │ │
//	    │  ┌────────────────────────────────────────┘ │ bad, no retries left: Down
//	    ▼  ▼              bad                         │
//	┌─▶ up ───────────────────────────────▶ trying ───┘
//	└──┘ ▲                                   │  ▲  │
//	good └───────────────────────────────────┘  └──┘
//	                     good                   bad, retries left
//
// After a check that ends in trying the next comes after DelayBeforeRetry,
// after all others after DelayLoop.
//
// From up, a bad check with Retry = 0 leads to down at once. A server counts
// as up in untried, up and trying. In untried the first bad check counts at
// once, as in keepalived: a server that never worked gets no retries. A NotMade
// result changes nothing.
type Checker struct {
	settings Settings
	up       bool
	proven   bool // there was a good check
	failures int  // bad checks since the last good one, while up
}

// NewChecker is a checker in its start state.
func NewChecker(s Settings) Checker {
	return Checker{settings: s, up: !s.Alpha}
}

// Up reports whether the server counts as up.
func (c *Checker) Up() bool { return c.up }

// Settings are the checker's settings.
func (c *Checker) Settings() Settings { return c.settings }

// Retrying is how many bad checks in a row a server that is still up has had.
func (c *Checker) Retrying() int { return c.failures }

// SetSettings replaces the settings and keeps the state: a server that is
// down stays down, whatever alpha now says.
func (c *Checker) SetSettings(s Settings) { c.settings = s }

// First is the time of the first check after now: now plus rnd's share of
// Warmup. All rnd being equally likely, so are all times in [now, now+Warmup].
func (c *Checker) First(now time.Duration, rnd uint64) time.Duration {
	share, _ := bits.Mul64(rnd, uint64(c.settings.Warmup)+1)
	return now + time.Duration(share)
}

// Next takes the result of a check that ended at now and gives the change it
// made and the time of the next check.
func (c *Checker) Next(r Result, now time.Duration) (Event, time.Duration) {
	event := None
	switch {
	case r == Good:
		if !c.up {
			event = Up
		}
		c.up, c.proven, c.failures = true, true, 0
	case r == Bad && c.up:
		c.failures++
		if !c.proven || c.failures > c.settings.Retry {
			c.up, c.failures = false, 0
			event = Down
		}
	}
	if c.failures > 0 {
		return event, now + c.settings.DelayBeforeRetry
	}
	return event, now + c.settings.DelayLoop
}
