package nics

import (
	"runtime"

	"golang.org/x/sys/unix"
)

// slice is how long a worker may run before another thread's turn, in nanoseconds, the
// shortest that Linux knows. A thread with a short slice that wakes takes the place of
// one with a long slice at once, as since Linux 6.12; without it a worker that a frame
// wakes waits for the end of the other's slice where each CPU has something to do.
const slice = 100_000

// prompt makes the calling goroutine's thread one that runs soon when it is woken, and
// keeps the goroutine on it: the thread ends with it. Where the kernel refuses, or
// is older, the thread is like any other.
func prompt() {
	runtime.LockOSThread()
	attr, err := unix.SchedGetAttr(0, 0)
	if err != nil || attr.Policy != unix.SCHED_NORMAL {
		return // a user who chose a policy knows better
	}
	attr.Runtime = slice
	_ = unix.SchedSetAttr(0, attr, 0)
}
