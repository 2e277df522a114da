package check

import (
	"net/netip"
	"syscall"
	"time"
)

// A target is the address that a probe connects to which does nothing else.
type target struct {
	to      netip.AddrPort
	options socketOptions
}

// A connecting probe does nothing but connect, so that its attempts can be made together with
// others.
type connecting interface {
	// target is the address it connects to; false: it must make its attempt itself.
	target() (target, bool)
	// verdict is the result of an attempt that began at a time and ended with an error
	// of the system; nil: connected.
	verdict(err error, begun time.Time) Result
}

// A connection is that of a job whose probe does nothing but connect: all attempts of the job
// use it, one after the other.
type connection struct {
	target
	job   *job
	probe connecting
	limit time.Duration // of an attempt

	// The connector has what follows.
	sockaddr syscall.Sockaddr // of target.to; nil: not made yet
	fd       int              // -1: no socket
	err      error            // of the start
	begun    time.Time
	waits    bool // for an answer
	gone     bool // the job is
}

func (x *connection) deadline() time.Time { return x.begun.Add(x.limit) }
