package afpacket

import (
	"golang.org/x/sys/unix"

	"lvsdr/dataplane"
)

// A NIC can stand by for one of another process on the same interface, which hands its work
// over. Each has rings of its own, in which the kernel puts every frame:
//
//	           other works   │ both rest │ this one works
//	this one:  Thin Thin ... │           │ Discard(before cut)  Recv
//	the other: Recv ─────────┼── Stop    │ Oldest: the cut
//
// A frame that is in both rings has nearly the same timestamp in both: the kernel takes it
// for each socket in turn. The other may stop before it takes what came last, so that this one keeps that
// until the cut is known.

// Start lets Recv work again after Stop, once the worker's Recv has returned. What came
// meanwhile waits in the ring.
func (p *NIC) Start() {
	p.stopped.Store(false)
	_, _ = unix.Read(p.wake, p.token[:]) // what Stop wrote; else there is nothing
}

// Oldest is when the first frame that waits to be received came, in nanoseconds of CLOCK_REALTIME; false:
// none waits. No worker may use the NIC.
func (p *NIC) Oldest() (at int64, ok bool) {
	for _, r := range [...]*ring{&p.ring, &p.syns.ring} {
		if r.ready() && (!ok || r.since() < at) {
			at, ok = r.since(), true
		}
	}
	return at, ok
}

// Thin gives frames back to the kernel unseen, the oldest first, while more than half of a ring
// waits. No worker may use the NIC.
func (p *NIC) Thin() {
	var pkts [16]dataplane.Packet // few beside a ring
	for p.ring.waitMore(len(p.ring.offs) / 2) {
		p.takeOthers(pkts[:], always)
		p.release()
	}
	for p.syns.ring.waitMore(len(p.syns.ring.offs) / 2) {
		p.takeOne(pkts[:1])
		p.release()
	}
}

// Discard gives frames back to the kernel unseen that came before until, in nanoseconds of
// CLOCK_REALTIME, and returns how many. Frames and losses until now are not counted in Stats. No
// worker may use the NIC.
func (p *NIC) Discard(until int64) (n int) {
	var pkts [dataplane.MaxBatch]dataplane.Packet
	waits := func(r *ring) bool { return r.ready() && r.since() < until }
	for waits(&p.ring) {
		n += p.takeOthers(pkts[:], until)
		p.release()
	}
	for waits(&p.syns.ring) {
		n += p.takeOne(pkts[:1])
		p.release()
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.closed {
		p.readMissed(p.synFD)
	}
	p.missed.Store(0)
	p.missedSYN.Store(0)
	p.truncated.Store(0)
	return n
}
