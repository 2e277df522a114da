package health

import (
	"slices"
	"time"
)

// A Saved is a Server as plain data, to be told to another process. Its moments count from
// where the caller's do.
type Saved struct {
	Policy  Policy
	Checks  []SavedCheck
	Growing bool          `json:",omitempty"`
	Since   time.Duration `json:",omitempty"`
	Failure SavedHold
	Damped  SavedHold
	Penalty SavedPenalty
}

// A SavedCheck is a Check as plain data.
type SavedCheck struct {
	Down    bool   `json:",omitempty"`
	Against int    `json:",omitempty"` // results in a row that say otherwise
	Weight  Weight // of the last result that was up
	Reason  string `json:",omitempty"`
}

// A SavedHold keeps a server down until a moment; without a reason it does not.
type SavedHold struct {
	Until  time.Duration `json:",omitempty"`
	Reason string        `json:",omitempty"`
}

// A SavedPenalty is the penalty of a server that has failed, at a moment.
type SavedPenalty struct {
	Sum float64       `json:",omitempty"`
	At  time.Duration `json:",omitempty"`
}

// Save is s as plain data.
func (s Server) Save() Saved {
	out := Saved{Policy: s.policy, Growing: s.growing, Since: s.since, Failure: SavedHold{s.failure.until, s.failure.reason}, Damped: SavedHold{s.damped.until, s.damped.reason},
		Penalty: SavedPenalty{s.penalty.sum, s.penalty.at}, Checks: make([]SavedCheck, len(s.checks))}
	for i, c := range s.checks {
		out.Checks[i] = SavedCheck{Down: c.down, Against: c.against, Weight: c.weight, Reason: c.reason}
	}
	return out
}

// Server is the server that was saved, with n checks: those that s has no word of are as
// the zero Check, and those beyond are left out.
func (s Saved) Server(n int) Server {
	out := NewServer(s.Policy, make([]Check, n))
	out.growing, out.since = s.Growing, s.Since
	out.failure, out.damped = hold{s.Failure.Until, s.Failure.Reason}, hold{s.Damped.Until, s.Damped.Reason}
	out.penalty = penalty{s.Penalty.Sum, s.Penalty.At}
	for i, c := range slices.All(s.Checks[:min(n, len(s.Checks))]) {
		out.checks[i] = Check{down: c.Down, against: c.Against, weight: c.Weight, reason: c.Reason}
	}
	return out
}
