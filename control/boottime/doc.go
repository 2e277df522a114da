// Package boottime is the director's clock: nanoseconds since the host was
// booted, time asleep included (CLOCK_BOOTTIME, clock_gettime(2)). Other
// processes of the same boot read the same time, so that moments in a
// connection table keep their meaning when the process that wrote them ends.
//
// The C library and Go's runtime read CLOCK_MONOTONIC without a system call;
// Go's unix.ClockGettime makes one. A Clock therefore counts with Go's
// monotonic clock and adds what the host has slept, which it looks up when it
// is told to.
package boottime
