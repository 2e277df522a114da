package dataplane

import (
	"slices"
	"sync/atomic"

	"lvsdr/dataplane/frame"
)

// A Scratch is the state that one worker keeps between batches: its counters, its rate
// limits and room for its answers. Make it with Director.NewScratch.
type Scratch struct {
	counts  [numReasons]atomic.Uint64
	limits  [oweEcho]limit
	replies [maxReplies][]byte
	// segments is room for the headers of segments; nil: there was none yet.
	segments []byte
	shard    *shard
	// ids is the identification of the last outer header; it grows by stride, so that
	// no two workers use the same.
	ids, stride uint32
	traced      Traced // of a Trace
	in          int32  // interface of the batch
}

// NewScratch makes the scratch of one more worker, the worker'th of
// Config.Workers from 0 on; greater numbers begin again. Several may have the
// same number, at a price: they share a lock. Its counters are part of Counters
// from now on.
func (d *Director) NewScratch(worker int) *Scratch {
	s := &Scratch{shard: d.shards[worker%len(d.shards)], ids: uint32(worker), stride: uint32(len(d.shards)), limits: [oweEcho]limit{
		oweReset - 1: newLimit(ResetLimited, d.limits.Resets, d.limits.Source),
		oweICMP - 1:  newLimit(ICMPLimited, d.limits.ICMP, d.limits.Source),
		oweEcho - 1:  newLimit(EchoLimited, d.limits.Echoes, d.limits.Source),
	}}
	room := make([]byte, maxReplies*frame.MaxReply)
	for i := range s.replies {
		s.replies[i] = room[i*frame.MaxReply : i*frame.MaxReply : (i+1)*frame.MaxReply]
	}
	d.mu.Lock()
	d.scratches = append(d.scratches, s)
	d.mu.Unlock()
	return s
}

// retire ends the use of s and keeps its counts.
func (d *Director) retire(s *Scratch) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.scratches = slices.DeleteFunc(d.scratches, func(other *Scratch) bool { return other == s })
	s.addTo(&d.past)
}

func (s *Scratch) addTo(c *Counters) {
	for r := range c {
		c[r] += s.counts[r].Load()
	}
}

// count adds the frames of a batch, by reason.
func (s *Scratch) count(n *[numReasons]uint64) {
	for r, c := range n {
		if c > 0 {
			s.counts[r].Add(c)
		}
	}
}

// Counters are frames by reason.
type Counters [NumReasons]uint64

// Counters sums up the frames that all workers have counted. Their sum is the
// number of frames processed.
func (d *Director) Counters() Counters {
	d.mu.Lock()
	defer d.mu.Unlock()
	c := d.past
	for _, s := range d.scratches {
		s.addTo(&c)
	}
	if d.offloader != nil {
		c[Offloaded] += d.offloader.Packets()
	}
	return c
}

// Map gives the counters that are not zero, by name.
func (c Counters) Map() map[string]uint64 {
	m := map[string]uint64{}
	for r, n := range c {
		if n > 0 {
			m[Reason(r).String()] = n
		}
	}
	return m
}
