package offload

import (
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"lvsdr/conntrack"
	"lvsdr/dataplane"
	"lvsdr/dataplane/frame"
)

const (
	// Threshold is after how many packets an established flow is forwarded by the
	// kernel. A connection of one request has fewer: for it the handing over would cost
	// more than it saves.
	Threshold = 16
	// handing is how long the handing over of a flow may take: a frame that was counted,
	// and for which the ring had no room, would hold it up for ever.
	handing = 20 * time.Millisecond
	// rest is how long the place of a flow is not used again: a program may have read the
	// place just before the flow was removed.
	rest = time.Second
	// orphaned is that of a flow of a process before this one, of which no frame has come:
	// nobody knows in whose ring one may be.
	orphaned = 10 * time.Second
	// ringRoom is more frames than the rings of a worker have room for.
	ringRoom = 1 << 18
	// cells is how many counters a worker has for the packets of flows. Flows may share
	// one: what is found that way is looked at more closely.
	cells = 1 << 12
)

// side is the kernel's part, as Flows needs it.
type side interface {
	put(k conntrack.Key, slot uint32) error
	remove(k conntrack.Key) error
	flow(slot uint32) flow
}

// A Core decides which connections the kernel may forward, as a dataplane.Director does.
type Core interface {
	Steady(k conntrack.Key, packets uint32, now int64) (server uint32, ok bool)
}

// Flows are those that the kernel forwards, or is about to. Its methods may be called
// from any goroutine.
type Flows struct {
	core      Core
	side      side
	threshold uint8
	servers   uint32 // how many there is room for

	mu      sync.Mutex
	records []record // by slot
	byKey   map[conntrack.Key]uint32
	free    []uint32 // slots
	resting resting
	off     bool // none may be added
	vips    map[place]bool
	counts  Counts
	// settling says that what this process does not serve yet may be what it will serve: flows
	// of the process before stay.
	settling bool
}

// Counts say what Flows did.
type Counts struct {
	Now      int    `json:"now"`      // flows in the kernel's table
	Adopted  int    `json:"adopted"`  // were there when this process began
	Begun    uint64 `json:"begun"`    // handed over to the kernel
	Ended    uint64 `json:"ended"`    // taken back, or over
	Forced   uint64 `json:"forced"`   // of those begun, before all of their frames were out
	Full     uint64 `json:"full"`     // not handed over: the table was full
	Failures uint64 `json:"failures"` // not handed over, or not taken back at once: the kernel refused
}

// A record is the director's side of a flow.
type record struct {
	key   conntrack.Key
	in    int32 // index of the interface that its frames come in by
	on    bool
	sent  uint32 // of the frames that the program passed up and counted
	since int64
	by    *Worker // nil: it is the process's before this one, and no frame has come up
}

// A rested slot is free again at a time, and when no frame that was counted is in the ring
// of its worker any more: it has been empty twice, or as many frames have left it as it has
// room for.
type rested struct {
	slot   uint32
	at     int64
	by     *Worker
	epoch  uint64
	frames uint64
}

// resting is a queue of slots.
type resting struct {
	ring     []rested
	first, n int
}

// newFlows makes room for n flows to so many servers.
func newFlows(core Core, s side, n, servers int, threshold uint8) *Flows {
	f := &Flows{core: core, side: s, threshold: max(threshold, 1), servers: uint32(servers), records: make([]record, n),
		byKey: map[conntrack.Key]uint32{}, vips: map[place]bool{}, free: make([]uint32, n), resting: resting{ring: make([]rested, n)}}
	for i := range f.free {
		f.free[i] = uint32(n - 1 - i)
	}
	return f
}

// A Worker is told what one worker of the director has sent.
type Worker struct {
	flows  *Flows
	epoch  atomic.Uint64 // how often its ring was empty behind a batch
	frames atomic.Uint64
	cells  [cells]uint8
}

// Worker makes that of one more worker.
func (f *Flows) Worker() dataplane.Follower { return f.worker() }

func (f *Flows) worker() *Worker { return &Worker{flows: f} }

// Sent looks at a batch that was processed and sent at now.
func (w *Worker) Sent(b *dataplane.Batch, now int64) {
	w.frames.Add(uint64(len(b.Packets)))
	if len(b.Packets) < dataplane.MaxBatch {
		w.epoch.Add(1)
	}
	for i := range b.Packets {
		switch p := &b.Packets[i]; {
		case p.Counted:
			w.flows.handed(w, p, now)
		case p.Reason == dataplane.Hit && p.Verdict == dataplane.Forward:
			w.look(p, b.In, now)
		}
	}
}

// look counts the packets of p's flow, and hands it over if they are enough.
func (w *Worker) look(p *dataplane.Packet, in int32, now int64) {
	h := p.Header()
	if h.Proto == frame.ProtoTCP && changes(h.Flags) || h.Proto != frame.ProtoTCP && h.Proto != frame.ProtoUDP || h.IsFragment() {
		return
	}
	c := &w.cells[p.Hash()%cells]
	if *c++; *c < w.flows.threshold {
		return
	}
	*c = 0
	k := keyOf(h)
	if server, ok := w.flows.core.Steady(k, uint32(w.flows.threshold), now); ok {
		w.flows.add(w, k, in, server, now)
	}
}

// changes reports whether a segment with such flags is other than a plain one.
func changes(flags uint8) bool { return flags&(frame.FIN|frame.SYN|frame.RST|frame.ACK) != frame.ACK }

// keyOf is the key of a packet's flow.
func keyOf(h *frame.Header) conntrack.Key {
	return conntrack.Key{Client: h.Src, Virtual: h.Dst, ClientPort: h.SrcPort, VirtualPort: h.DstPort, Proto: h.Proto}
}

// add hands a flow over to the kernel, which begins to forward it when all its frames
// that went up have been sent. They come in by the interface in.
func (f *Flows) add(w *Worker, k conntrack.Key, in int32, server uint32, now int64) {
	if server >= f.servers {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.wake(now)
	if _, known := f.byKey[k]; known || f.off || !f.vips[place{in, k.Virtual}] {
		return
	}
	if len(f.free) == 0 {
		f.counts.Full++
		return
	}
	slot := f.free[len(f.free)-1]
	kernel := f.side.flow(slot)
	kernel.begin(server, in, Pending)
	// The frames that the director has now, and has not counted, are as one that was: the
	// first that the program counts is behind them all.
	kernel.setPunted(1)
	if err := f.side.put(k, slot); err != nil {
		f.counts.Failures++
		return
	}
	f.free = f.free[:len(f.free)-1]
	f.records[slot] = record{key: k, in: in, on: true, since: now, by: w}
	f.byKey[k] = slot
	f.counts.Begun++
	f.counts.Now++
}

// handed notes that a frame that the program had counted is out, and takes the flow back
// that it may have ended.
func (f *Flows) handed(w *Worker, p *dataplane.Packet, now int64) {
	h := p.Header()
	k := keyOf(h)
	f.mu.Lock()
	defer f.mu.Unlock()
	slot, known := f.byKey[k]
	if !known || !f.records[slot].on {
		return
	}
	r, kernel := &f.records[slot], f.side.flow(slot)
	r.by = w
	if kernel.state() == Closed {
		// By this frame, or by one that the ring had no room for: then the flow may come back.
		f.end(slot, now)
		return
	}
	if r.sent++; r.sent == 1 {
		r.sent++ // and what was under way when it began
	}
	kernel.ack(r.sent)
	if now-r.since > int64(handing) && kernel.force() {
		f.counts.Forced++
	}
}

// end takes the flow of a slot back, if there is one; the slot rests.
func (f *Flows) end(slot uint32, now int64) {
	r := &f.records[slot]
	if !r.on {
		return
	}
	if err := f.side.remove(r.key); err != nil {
		f.counts.Failures++
		f.side.flow(slot).close()
		return
	}
	r.on = false
	if r.by == nil {
		f.resting.push(rested{slot: slot, at: now + int64(orphaned)})
	} else {
		f.resting.push(rested{slot: slot, at: now + int64(rest), by: r.by, epoch: r.by.epoch.Load() + 2, frames: r.by.frames.Load() + ringRoom})
	}
	f.counts.Ended++
	f.counts.Now--
}

// adopt goes on with the flows that the process before this one has handed over.
func (f *Flows) adopt(all map[conntrack.Key]uint32, now int64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for k, slot := range all {
		kernel := f.side.flow(slot)
		f.records[slot] = record{key: k, in: int32(load32(kernel, flowIf)), on: true, sent: load32(kernel, flowAcked), since: now}
		f.byKey[k] = slot
	}
	f.free = slices.DeleteFunc(f.free, func(slot uint32) bool { return f.records[slot].on })
	f.counts.Now, f.counts.Adopted = len(f.byKey), len(f.byKey)
	f.settling = true
}

// wake frees the slots that have rested.
func (f *Flows) wake(now int64) {
	for f.resting.n > 0 {
		r := f.resting.ring[f.resting.first]
		if now < r.at || r.by != nil && r.by.epoch.Load() < r.epoch && r.by.frames.Load() < r.frames {
			return
		}
		f.resting.first = (f.resting.first + 1) % len(f.resting.ring)
		f.resting.n--
		delete(f.byKey, f.records[r.slot].key)
		f.records[r.slot] = record{}
		f.free = append(f.free, r.slot)
	}
}

// push appends to the queue, which has room for all slots.
func (q *resting) push(r rested) {
	q.ring[(q.first+q.n)%len(q.ring)] = r
	q.n++
}

// Recheck takes the flow of k back, unless the director wants it forwarded where the kernel
// does: something happened to it, maybe long ago.
func (f *Flows) Recheck(k *conntrack.Key, now int64) {
	f.mu.Lock()
	slot, known := f.byKey[*k]
	known = known && f.records[slot].on
	f.mu.Unlock()
	if !known {
		return
	}
	server, ok := f.core.Steady(*k, 0, now)
	f.mu.Lock()
	defer f.mu.Unlock()
	if slot, known := f.byKey[*k]; known && (!ok || f.side.flow(slot).server() != server) {
		f.end(slot, now)
	}
}

// Last is when the kernel forwarded a packet of k last, nanoseconds of the clock that it was
// given; 0: never.
func (f *Flows) Last(k *conntrack.Key) int64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	if slot, known := f.byKey[*k]; known {
		return f.side.flow(slot).last()
	}
	return 0
}

// Pause takes all flows back and lets none go over until Resume: where every frame is to be
// seen.
func (f *Flows) Pause(now int64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.off = true
	for slot := range f.records {
		f.end(uint32(slot), now)
	}
}

// Recall has the frames of all flows go up: each is taken back with its next one.
func (f *Flows) Recall() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for slot := range f.records {
		if f.records[slot].on {
			f.side.flow(uint32(slot)).close()
		}
	}
}

// Resume lets flows go over again.
func (f *Flows) Resume() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.off = false
}

// Check takes back the flows that the director does not want forwarded any more; while it may
// not know yet, none.
func (f *Flows) Check(now int64) {
	f.mu.Lock()
	if f.settling {
		f.mu.Unlock()
		return
	}
	keys := make([]conntrack.Key, 0, f.counts.Now)
	for i := range f.records {
		if f.records[i].on {
			keys = append(keys, f.records[i].key)
		}
	}
	f.mu.Unlock()
	for i := range keys {
		f.Recheck(&keys[i], now)
	}
}

// Counts counts since the start.
func (f *Flows) Counts() Counts {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.counts
}
