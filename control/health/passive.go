package health

import (
	"fmt"
	"time"
)

// A Passive says when a server has failed by what its clients do: a client that gets no answer
// to its SYN sends it again. The zero Passive never says so.
type Passive struct {
	// Percent of the SYNs of a window must be exceeded by repeated ones; 0: never, else below 100.
	Percent int
	// Connections must have begun in the window, at least 1.
	Connections int
	// Hold is how long the server is down then, before it is tried again.
	Hold time.Duration
}

// SYNs count what a server was sent since some moment: connections that began, and SYNs of
// those that were repeated because no answer had come.
type SYNs struct{ Connections, Repeated uint64 }

// since is how much was counted after before; a counter that is smaller than it was began anew.
func (n SYNs) since(before SYNs) SYNs {
	grown := func(old, now uint64) uint64 {
		if now < old {
			return now
		}
		return now - old
	}
	return SYNs{grown(before.Connections, n.Connections), grown(before.Repeated, n.Repeated)}
}

// looks is how many looks a Window has. A client repeats its SYN after 1 and 3 seconds, so that
// one look a second sees both.
const looks = 4

// A Window holds what a server was sent between its last looks. The zero Window is one without a look.
type Window struct {
	begun bool
	last  SYNs // of the last look
	grown [looks]SYNs
	next  int // in grown
}

// Look is w after one more look.
func (w Window) Look(n SYNs) Window {
	if w.begun {
		w.grown[w.next] = n.since(w.last)
		w.next = (w.next + 1) % looks
	}
	w.begun, w.last = true, n
	return w
}

// Sum adds up the SYNs that w holds.
func (w Window) Sum() (sum SYNs) {
	for _, n := range w.grown {
		sum.Connections += n.Connections
		sum.Repeated += n.Repeated
	}
	return sum
}

// Failure says why a server with window w has failed; empty: it has not.
func (p Passive) Failure(w Window) string {
	n := w.Sum()
	all := n.Connections + n.Repeated
	if p.Percent <= 0 || n.Connections < uint64(p.Connections) || 100*n.Repeated <= uint64(p.Percent)*all {
		return ""
	}
	return fmt.Sprintf("passive: %d of %d SYNs of clients were repeated ones; tried again after %v", n.Repeated, all, p.Hold)
}

// A hold keeps a server down until a moment, whatever its checks say. The zero hold does not.
type hold struct {
	until  time.Duration
	reason string // empty: it does not
}

// at is h at now.
func (h hold) at(now time.Duration) hold {
	if now >= h.until {
		return hold{}
	}
	return h
}

// Fail is s after it has failed by what its clients do, for this reason, at now.
func (s Server) Fail(reason string, now time.Duration) Server {
	next := s
	next.failure = hold{now + s.policy.Passive.Hold, reason}
	return next.settled(s, now)
}

// At is s at now, when what kept it down for a time may be over.
func (s Server) At(now time.Duration) Server {
	next := s
	next.failure, next.damped = s.failure.at(now), s.damped.at(now)
	return next.settled(s, now)
}
