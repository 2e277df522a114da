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
