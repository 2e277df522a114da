package afpacket

import (
	"time"

	"lvsdr/dataplane"
)

// Each packet socket on an interface costs every frame that comes there some 50 ns: the
// kernel offers it to the socket and runs its filter. The socket for SYNs is worth that
// but for one case: many frames and hardly a SYN among them. Then it leaves the kernel's
// list, and SYNs come by the main ring:
//
//	          heavyFrames, few of them SYNs, within heavyWithin
//	       ┌────────────────────────────────────────────────────┐
//	       │                                                    ▼
//	SYNs in their own ring                           SYNs in the main ring
//	       ▲                                                    │
//	       └────────────────────────────────────────────────────┘
//	         many of the frames looked at are SYNs, or few frames
//	                     came in calmEvery
//
// So a burst finds the ring for SYNs while the worker has little to do, and a flood
// finds it after some batches.
const (
	heavyFrames = 16384
	heavyWithin = 80 * time.Millisecond // 200 000 frames a second
	fewSYNs     = 64                    // few are fewer than one in 64

	// hookedFor is how long SYNs keep their ring at least after a flood.
	hookedFor = time.Second

	calmEvery  = 2 * time.Second
	calmFrames = 50_000 // in calmEvery

	// A SYN among the frames looked at adds synScore, another frame takes 1 away:
	// where more than one frame in 17 is a SYN the sum grows, and a few in a row that
	// come by chance do not reach floodScore.
	batchLooks = 4 // frames of a batch that are looked at
	synScore   = 16
	floodScore = 64
)

// A load holds the counts of the worker, which reads no clock for them.
type load struct {
	frames, syns int // since the last report, while SYNs have their ring
	score        int // while they have not
}

// heavy counts n frames, whose SYNs are in l.syns by now. It reports whether these
// were the last of heavyFrames with few SYNs.
func (l *load) heavy(n int) bool {
	if l.frames += n; l.frames < heavyFrames {
		return false
	}
	few := l.syns < l.frames/fewSYNs
	l.frames, l.syns = 0, 0
	return few
}

// flooded looks at some frames of a batch, and reports whether SYNs need their ring.
func (l *load) flooded(pkts []dataplane.Packet) bool {
	step := max(len(pkts)/batchLooks, 1)
	for i := step - 1; i < len(pkts); i += step {
		if isSYN(pkts[i].Data) {
			l.score += synScore
		} else if l.score > 0 {
			l.score--
		}
	}
	if l.score < floodScore {
		return false
	}
	l.score = 0
	return true
}

// A hookRule judges, by the clock, what the worker reports.
type hookRule struct {
	last     time.Time // of the last report of heavyFrames
	since    time.Time // SYNs have their ring; zero: from the start
	received uint64    // frames, when calm looked last
}

// heavy reports whether the main ring is to take SYNs, after a report at now.
func (r *hookRule) heavy(now time.Time) bool {
	quick := now.Sub(r.last) < heavyWithin
	r.last = now
	return quick && now.Sub(r.since) >= hookedFor
}

// calm reports whether few frames came since the last call. It is called every
// calmEvery, with how many have come by then.
func (r *hookRule) calm(received uint64) bool {
	n := received - r.received
	r.received = received
	return n < calmFrames
}
