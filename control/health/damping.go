package health

import (
	"fmt"
	"math"
	"time"
)

// A Damping keeps a server that fails again and again down for longer, as RFC 2439 does with routes:
// each failure adds 1 to a penalty, which decays with time. The zero Damping never does.
//
//	        penalty > Suppress
//	free ────────────────────────▶ suppressed: down, whatever its checks say
//	 ▲                                 │
//	 └─────────────────────────────────┘
//	        penalty ≤ Reuse
type Damping struct {
	HalfLife time.Duration // of the penalty; 0: there is none
	Suppress float64       // above Reuse
	Reuse    float64       // above 0
}

// longest is how many half-lives a suppressed server stays down after its last failure, at
// most: the penalty has a ceiling (RFC 2439 section 4.2).
const longest = 4

// ceiling is the greatest penalty, which suppresses.
func (d Damping) ceiling() float64 { return max(d.Reuse*(1<<longest), d.Suppress+1) }

// A penalty is that of a server at a moment.
type penalty struct {
	sum float64
	at  time.Duration
}

// now is the sum of p at a later moment.
func (p penalty) now(d Damping, now time.Duration) float64 {
	return p.sum * math.Exp2(-float64(now-p.at)/float64(d.HalfLife))
}

// after is p after one more failure.
func (p penalty) after(d Damping, now time.Duration) penalty {
	return penalty{min(p.now(d, now)+1, d.ceiling()), now}
}

// reuse is when p has decayed so far that the server is used again.
func (p penalty) reuse(d Damping) time.Duration {
	return p.at + time.Duration(math.Ceil(float64(d.HalfLife)*math.Log2(p.sum/d.Reuse)))
}

// flapped is s after its checks, or its clients, have said at now that it has failed.
func (s Server) flapped(now time.Duration) Server {
	d := s.policy.Damping
	s.penalty = s.penalty.after(d, now)
	if s.damped == (hold{}) && s.penalty.sum <= d.Suppress {
		return s
	}
	until := s.penalty.reuse(d)
	s.damped = hold{until, fmt.Sprintf("flapping: penalty %.1f, down for %v if it does not fail again", s.penalty.sum, (until - now).Round(time.Second))}
	return s
}
