package check

import (
	"fmt"
	"time"
)

// Settings are the words of keepalived.conf(5) that decide when a server is
// checked and when a check counts as down. They are resolved values: a zero is a
// zero, not a default.
//
// The longest time from the end of a server's last good attempt until its check
// is down is
//
//	DelayLoop + (Retry+1)×ConnectTimeout + Retry×DelayBeforeRetry
//
// for a server that fell silent just after it answered. One that refuses
// connections costs no ConnectTimeout. With keepalived's defaults that is 71 s
// and 61 s. Not included are attempts that could not be made, and the wait for
// one of Config.Parallel places.
type Settings struct {
	// DelayLoop is the pause between the end of an attempt and the start of the
	// next, > 0; delay_loop, default 60 s.
	DelayLoop time.Duration
	// ConnectTimeout limits one attempt as a whole, > 0; connect_timeout,
	// default 5 s. For kinds that wait more than once it is a multiple of that.
	ConnectTimeout time.Duration
	// Retry is how many times a bad attempt at a server that has worked is
	// repeated before the check is down, >= 0; retry, default 1.
	Retry int
	// DelayBeforeRetry is the pause before each of these repetitions, >= 0;
	// delay_before_retry, default 1 s (HTTP and SSL 3 s).
	DelayBeforeRetry time.Duration
	// Warmup spreads the first attempts: each comes at a random time in
	// [0, Warmup]; warmup, default DelayLoop, 0 is off.
	Warmup time.Duration
	// Rise is how many good attempts in a row, or rounds, bring a check up that is
	// down, >= 0; 0 is 1, as with keepalived; lvsdr_rise, default 1.
	Rise int
	// Alpha lets the check start down; alpha, default off.
	Alpha bool
	// LogAll logs every bad attempt and not only the changes;
	// log_all_failures, default off. Only Runner reads it.
	LogAll bool
	// Steps is how many steps a round of attempts has, one attempt a step, as with
	// the urls of HTTP_GET; 0: each attempt is the whole check. The check is up after
	// a round of good attempts, and a bad step is repeated until it is good.
	Steps int
	// Fast makes the steps of a round without a pause while the check is down and no
	// step is known as bad, or none was good yet; fast_recovery, default off.
	Fast bool
}

// validate says which setting is out of its range.
func (s Settings) validate() error {
	switch {
	case s.DelayLoop <= 0:
		return fmt.Errorf("delay_loop %s: must be positive", s.DelayLoop)
	case s.ConnectTimeout <= 0:
		return fmt.Errorf("connect_timeout %s: must be positive", s.ConnectTimeout)
	case s.Retry < 0:
		return fmt.Errorf("retry %d: must not be negative", s.Retry)
	case s.DelayBeforeRetry < 0:
		return fmt.Errorf("delay_before_retry %s: must not be negative", s.DelayBeforeRetry)
	case s.Rise < 0:
		return fmt.Errorf("lvsdr_rise %d: must not be negative", s.Rise)
	case s.Steps < 0:
		return fmt.Errorf("%d steps: must not be negative", s.Steps)
	case s.Warmup < 0:
		return fmt.Errorf("warmup %s: must not be negative", s.Warmup)
	}
	return nil
}
