package health

import (
	"slices"
	"time"
)

// A Policy says how the results of a server's checks become its state.
type Policy struct {
	// Rise and Fall are how many results in a row turn a check that is down up,
	// and one that is up down. 0 and 1 mean that the first one does, as when
	// whoever makes the check has repeated it already.
	Rise, Fall int
	// SlowStart is how long the weight grows from 1 to what it is to be after
	// the server has come back; 0: not at all.
	SlowStart time.Duration
	// Passive says when the server has failed by what its clients do.
	Passive Passive
	// Damping keeps a server down for longer that fails again and again.
	Damping Damping
}

// A Result is the news of one check.
type Result struct {
	Up     bool
	Weight Weight // of a result that is up
	Reason string // of one that is down
}

// A Check is the state of one check of a server. The zero Check is up, and has
// nothing to say about the weight.
//
//	start ──────────▶ up ── Fall results "down" in a row ──▶ down ◀── start, alpha
//	                  ▲                                       │
//	                  └──── Rise results "up" in a row ───────┘
type Check struct {
	down    bool
	against int    // results in a row that say otherwise
	weight  Weight // of the last result that was up
	reason  string // of the last result that was down
}

// NewCheck is the state before the first result: down with alpha, for this
// reason, otherwise up.
func NewCheck(alpha bool, reason string) Check {
	if !alpha {
		return Check{}
	}
	return Check{down: true, reason: reason}
}

// Up reports whether the check is up.
func (c Check) Up() bool { return !c.down }

// Reason says why the check is down; empty: it is up.
func (c Check) Reason() string {
	if c.down {
		return c.reason
	}
	return ""
}

// Weight is that of the last result that was up.
func (c Check) Weight() Weight { return c.weight }

// after is c after r.
func (c Check) after(r Result, p Policy) Check {
	needed := p.Fall
	if r.Up {
		c.weight, needed = r.Weight, p.Rise
	} else {
		c.reason = r.Reason
	}
	switch {
	case r.Up == c.Up():
		c.against = 0
	case c.against+1 < needed:
		c.against++
	default:
		c.down, c.against = !r.Up, 0
	}
	return c
}

// A Server is the health of one real server, which is up when all its checks
// are and nothing else keeps it down for a time; without checks they are.
//
//	      one check down              all checks up
//	up ──────────────────▶ down ─────────────────────▶ growing ──▶ up
//	                         ▲                            │   SlowStart is over
//	                         └────────────────────────────┘
//	                                 one check down
//
// A server that is growing is up, with a part of its weight. One that starts up
// has all of its weight at once; one that starts down, by alpha, grows when it is
// up for the first time.
type Server struct {
	policy Policy
	checks []Check // not changed once they are in a Server
	// growing says that the server came back at since, and has less than its
	// weight until since + SlowStart.
	growing bool
	since   time.Duration
	failure hold // by what clients do
	damped  hold // because it has failed too often
	penalty penalty
}

// NewServer is a server with checks in these states, which it keeps.
func NewServer(p Policy, checks []Check) Server { return Server{policy: p, checks: checks} }

// Renew is s with another policy and other checks, at now: after a reload. It is
// a server that comes back if s was down and these checks are all up.
func (s Server) Renew(p Policy, checks []Check, now time.Duration) Server {
	next := s
	next.policy, next.checks = p, checks
	if p.Passive != s.policy.Passive {
		next.failure = hold{}
	}
	if p.Damping != s.policy.Damping {
		next.damped, next.penalty = hold{}, penalty{}
	}
	return next.settled(s, now)
}

// Result is s after the result of check number i at now.
func (s Server) Result(i int, r Result, now time.Duration) Server {
	next := s
	next.checks = slices.Clone(s.checks)
	next.checks[i] = s.checks[i].after(r, s.policy)
	return next.settled(s, now)
}

// settled is s with its failure and its growth noted; before is what it was.
func (s Server) settled(before Server, now time.Duration) Server {
	if s.policy.Damping.HalfLife > 0 && before.sound() && !s.sound() {
		s = s.flapped(now)
	}
	switch {
	case !s.Up() || s.policy.SlowStart <= 0:
		s.growing, s.since = false, 0
	case !before.Up():
		s.growing, s.since = true, now
	}
	return s
}

// Equal reports whether s and o are in the same state.
func (s Server) Equal(o Server) bool {
	return s.policy == o.policy && s.growing == o.growing && s.since == o.since && s.failure == o.failure && s.damped == o.damped && s.penalty == o.penalty &&
		slices.Equal(s.checks, o.checks)
}

// Check is the state of check number i.
func (s Server) Check(i int) Check { return s.checks[i] }

// Up reports whether the server is up.
func (s Server) Up() bool {
	return s.damped == hold{} && s.sound()
}

// sound reports whether s would be up but for its earlier failures.
func (s Server) sound() bool {
	return s.failure == hold{} && !slices.ContainsFunc(s.checks, func(c Check) bool { return c.down })
}

// Reason says why the server is down, in the words of the first check that is, or of what
// keeps it down for a time; empty: it is up.
func (s Server) Reason() string {
	switch now := s.cause(); {
	case s.damped.reason == "":
		return now
	case now == "":
		return s.damped.reason
	default:
		return now + "; " + s.damped.reason
	}
}

// cause is Reason but for earlier failures.
func (s Server) cause() string {
	for _, c := range s.checks {
		if c.down {
			return c.reason
		}
	}
	return s.failure.reason
}

// rampSteps is the number of steps in which the weight of a server that came
// back grows. Each is an edit of the director.
const rampSteps = 20

// Weight is the weight of the server at now, whether it is up or not; configured
// is what it has without its checks, 0 to MaxWeight. If several checks set
// it the last one counts, and what others add is added in their order. A server
// that is growing has at least 1, unless it is to have 0.
func (s Server) Weight(configured int, now time.Duration) int {
	sum := int64(configured)
	for _, c := range s.checks {
		sum = c.weight.of(sum)
	}
	w := int(min(max(sum, 0), MaxWeight))
	if step := s.step(now); step < rampSteps && w > 0 {
		w = max(1, int(int64(w)*step/rampSteps))
	}
	return w
}

// step is how many of the steps to its whole weight the server has made at now.
func (s Server) step(now time.Duration) int64 {
	if !s.growing {
		return rampSteps
	}
	return min(max(int64((now-s.since)/s.stepTime()), 0), rampSteps)
}

// stepTime is how long a step takes, at least 1 ns.
func (s Server) stepTime() time.Duration { return max(s.policy.SlowStart/rampSteps, 1) }

// Next is when the weight grows next after now, or what keeps the server down is over; ok is
// false where neither is to come.
func (s Server) Next(now time.Duration) (at time.Duration, ok bool) {
	for _, h := range [...]hold{s.failure, s.damped} {
		if h.reason != "" && (!ok || h.until < at) {
			at, ok = h.until, true
		}
	}
	if ok {
		return at, true
	}
	step := s.step(now)
	if step >= rampSteps {
		return 0, false
	}
	return s.since + time.Duration(step+1)*s.stepTime(), true
}
