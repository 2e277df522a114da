package check

import "context"

// A Probe makes one attempt to find out whether a server works.
type Probe interface {
	// Check makes the attempt. It returns soon after ctx ends; the deadline of
	// ctx is the time the attempt may take.
	Check(ctx context.Context) Result
	// Kind is keepalived.conf's word for such a check, such as TCP_CHECK.
	Kind() string
	// String names the probe with all its parameters: two probes of the same
	// string do the same.
	String() string
}

// A Stepped probe makes rounds of several attempts, as Settings.Steps says.
type Stepped interface {
	Probe
	// CheckStep makes the attempt of step number step, from 0 on; Check is that of
	// the first.
	CheckStep(ctx context.Context, step int) Result
}

// attempt makes the attempt of p's step number step.
func attempt(ctx context.Context, p Probe, step int) Result {
	if s, ok := p.(Stepped); ok {
		return s.CheckStep(ctx, step)
	}
	return p.Check(ctx)
}
