package dataplane

import (
	"errors"
	"sync"

	"lvsdr/dataplane/frame"
)

// ErrTraced says that a director is traced already: one trace at a time keeps
// its price bounded.
var ErrTraced = errors.New("another trace is running")

// A TraceConfig says what a Trace collects.
type TraceConfig struct {
	// Match says which frames; nil: all. Workers call it: it must not block,
	// allocate, or keep the Traced.
	Match func(*Traced) bool
	// Sample is of how many frames that match one is taken; 0 means 1.
	Sample int
	// SnapLen is how many bytes of each frame are taken, besides its header
	// as it was read.
	SnapLen int
	// Room is how many frames may wait to be taken, Bytes how many of their
	// bytes; there are two rooms. 0 means 16384, and 4 MiB.
	Room, Bytes int
}

const (
	traceRoom  = 16384
	traceBytes = 4 << 20
)

// A Traced is a frame with what was decided about it.
type Traced struct {
	Time    int64 // of its batch, nanoseconds of CLOCK_BOOTTIME
	In, Out int32 // indexes of interfaces; Out 0: it did not leave
	Verdict Verdict
	Reason  Reason
	Server  frame.Addr // where it was sent, or would have been, or who sent it, of an answer; zero: nobody
	GSOSize uint16     // of a segmentation-offload super-frame
	Length  int        // bytes of the frame
	Header  frame.Header
	// Data is the frame's beginning. One that was forwarded is as it left, all
	// others as they came.
	Data []byte
}

// A Trace collects the decisions of a director at work. Its methods may be used
// by one goroutine, beside the workers, which never wait for it longer than one
// frame is copied.
type Trace struct {
	director *Director
	config   TraceConfig

	mu     sync.Mutex // guards what follows
	passed int        // frames that matched since one was taken
	filled traceRoomful
	empty  traceRoomful
	lost   uint64
}

// A traceRoomful is the frames that wait, and the memory of their bytes.
type traceRoomful struct {
	frames []Traced
	bytes  []byte
}

// StartTrace begins a trace, from each worker's next batch on. It is ErrTraced
// if there is one.
func (d *Director) StartTrace(c TraceConfig) (*Trace, error) {
	c.Sample = max(c.Sample, 1)
	if c.Room == 0 {
		c.Room = traceRoom
	}
	if c.Bytes == 0 {
		c.Bytes = traceBytes
	}
	if c.SnapLen == 0 {
		c.Bytes = 0
	}
	t := &Trace{director: d, config: c, passed: c.Sample - 1} // the first is taken
	for _, r := range []*traceRoomful{&t.filled, &t.empty} {
		r.frames, r.bytes = make([]Traced, 0, c.Room), make([]byte, 0, c.Bytes)
	}
	if !d.tracing.CompareAndSwap(nil, t) {
		return nil, ErrTraced
	}
	return t, nil
}

// Stop ends the trace. What was collected can still be taken.
func (t *Trace) Stop() { t.director.tracing.CompareAndSwap(t, nil) }

// Take returns the frames since the last Take, in the order in which they were
// decided, and how many others there was no room for. They are valid until the
// next Take.
func (t *Trace) Take() (frames []Traced, lost uint64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.filled, t.empty = t.empty, t.filled
	t.filled.frames, t.filled.bytes = t.filled.frames[:0], t.filled.bytes[:0]
	lost, t.lost = t.lost, 0
	return t.empty.frames, lost
}

// show shows a decided batch to the trace, if there is one.
func (d *Director) show(s *Scratch, b *Batch, now int64) {
	if t := d.tracing.Load(); t != nil {
		t.see(s, b, now)
	}
}

// see takes the frames of b that are wanted. It does not allocate.
func (t *Trace) see(s *Scratch, b *Batch, now int64) {
	for i := range b.Packets {
		p := &b.Packets[i]
		f := &s.traced // a local one would be allocated
		*f = Traced{Time: now, In: b.In, Verdict: p.Verdict, Reason: p.Reason, GSOSize: p.GSOSize, Length: len(p.Data), Header: p.header}
		if to := p.sentBy(); to != nil {
			if ds := p.server(); ds != nil {
				f.Server = ds.Addr
			}
			if p.Verdict == Forward || p.Reason == Fragmented {
				f.Out = to.link.Index
			}
		}
		if t.config.Match == nil || t.config.Match(f) {
			t.put(f, p.Data)
		}
	}
}

// put takes a sample of f, whose bytes are data.
func (t *Trace) put(f *Traced, data []byte) {
	data = data[:min(len(data), t.config.SnapLen)]
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.passed++; t.passed < t.config.Sample {
		return
	}
	t.passed = 0
	r := &t.filled
	if len(r.frames) == cap(r.frames) || len(r.bytes)+len(data) > cap(r.bytes) {
		t.lost++
		return
	}
	at := len(r.bytes)
	r.bytes = append(r.bytes, data...)
	f.Data = r.bytes[at:len(r.bytes):len(r.bytes)]
	r.frames = append(r.frames, *f)
}

// Traced reports whether a trace collects decisions.
func (d *Director) Traced() bool { return d.tracing.Load() != nil }
