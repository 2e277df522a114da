package afpacket

import (
	"time"

	"golang.org/x/sys/unix"
)

// crowded is how long the CPU may be given to others at a time before it counts as
// theirs: then sleeping costs nobody anything.
const crowded = 30 * time.Microsecond

// spinPays reports whether to watch the ring before a sleep.
func (p *NIC) spinPays() bool {
	if p.spinFor <= 0 {
		return false
	}
	if p.spin.due() {
		p.spin.next(time.Since(p.opened).Nanoseconds(), p.received.Load())
	}
	return p.spin.want()
}

// watch looks at the rings until a frame comes or the time is over. Where the time is
// not fixed it offers the CPU to other threads meanwhile: one of them may be the kernel's
// that brings the frames. Where one takes it for long this CPU is not watch's to burn.
func (p *NIC) watch() bool {
	const looks = 64 // between two offers, which cost 0.2 µs each
	start := time.Now()
	for before := time.Duration(0); before < p.spinFor && !p.stopped.Load(); {
		for range looks {
			if p.ready() {
				return true
			}
		}
		if !p.spin.fixed {
			yield()
		}
		now := time.Since(start)
		if !p.spin.fixed && now-before > crowded {
			return p.ready()
		}
		before = now
	}
	return false
}

// yield is sched_yield(2), which cannot fail. Go's scheduler is told: another thread may
// run for long.
func yield() { _, _, _ = unix.Syscall(unix.SYS_SCHED_YIELD, 0, 0, 0) }
