package track

import (
	"context"
	"time"

	"lvsdr/control/script"
	"lvsdr/control/vrrp"
)

// A verdict is whether a script is up, after results in a row.
//
//	unknown ──any result──▶ up ◀──Rise good ones── down
//	                         └───Fall bad ones────▶ ▲
type verdict struct {
	known, up bool
	against   int // results in a row that say the opposite
}

// result takes a result of s, and reports whether the script is up.
func (v *verdict) result(s *Script, good bool) bool {
	switch {
	case !v.known:
		v.known, v.up = true, good
	case good == v.up:
		v.against = 0
	default:
		needed := s.Rise
		if v.up {
			needed = s.Fall
		}
		if v.against++; v.against >= max(needed, 1) {
			v.up, v.against = good, 0
		}
	}
	return v.up
}

// grace is how long a program that has run for too long has to end by itself.
const grace = time.Second

// script runs s until ctx ends.
func (r *Runner) script(ctx context.Context, j *job, t vrrp.Tracker, s *Script) {
	c := s.Command
	if c.Timeout, c.Grace = s.Timeout, grace; c.Timeout == 0 {
		c.Timeout = s.Interval
	}
	v := verdict{known: s.InitFail}
	why := ""
	for {
		start := time.Now()
		out, err := r.c.Run(ctx, c)
		if ctx.Err() != nil {
			return
		}
		failure := failureOf(out, err)
		if failure != why {
			r.logScript(s, failure)
			why = failure
		}
		r.report(j, vrrp.Tracked{Tracker: t, Up: v.result(s, failure == "")})
		if !sleep(ctx, max(s.Interval-time.Since(start), 0)) {
			return
		}
	}
}

// failureOf says why a run is a bad result; empty: it is a good one.
func failureOf(out script.Outcome, err error) string {
	if err != nil {
		return err.Error()
	}
	return out.Failure()
}

func (r *Runner) logScript(s *Script, failure string) {
	switch {
	case r.c.Log == nil:
	case failure == "":
		r.c.Log.Info("vrrp_script is good again", "script", s.Name)
	default:
		r.c.Log.Warn("vrrp_script fails", "script", s.Name, "error", failure)
	}
}
