package check

import (
	"errors"

	"lvsdr/control/health"
)

// ErrNotMade is wrapped by errors about an attempt that did not leave this
// host, for want of a descriptor, a local address or a privilege: it says
// nothing about the server.
var ErrNotMade = errors.New("check not made")

// A Result is the finding of one attempt.
type Result struct {
	// Err is nil if the server works. An error that wraps ErrNotMade says that
	// this host could not make the attempt.
	Err error
	// Weight says what becomes of the server's weight. It counts only if Err is
	// nil.
	Weight health.Weight
}

// Outcome sorts r.
func (r Result) Outcome() Outcome {
	switch {
	case r.Err == nil:
		return Good
	case errors.Is(r.Err, ErrNotMade):
		return NotMade
	}
	return Bad
}

// An Outcome is the sort of a Result.
type Outcome uint8

// The outcomes.
const (
	Good    Outcome = iota // the server works
	Bad                    // it does not
	NotMade                // this host could not make the attempt; says nothing about the server
)

// String is the outcome in lower case.
func (o Outcome) String() string {
	switch o {
	case Good:
		return "good"
	case Bad:
		return "bad"
	case NotMade:
		return "not made"
	}
	return "outcome?"
}
