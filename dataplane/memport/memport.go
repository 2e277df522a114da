package memport

import (
	"bytes"
	"fmt"
	"os"
	"slices"
	"sync"

	"lvsdr/dataplane"
)

var _ dataplane.NIC = (*NIC)(nil)

// DefaultCapacity is the default of [Config.Capacity].
const DefaultCapacity = 4096

// A Config says how a NIC behaves. The zero value of a field means its
// default.
type Config struct {
	// Index is the interface the frames come in by, default 0.
	Index int32

	// Capacity is how many frames may wait for Recv; more are dropped and
	// counted as missed. Default 4096.
	Capacity int

	// Batch is the greatest number of frames in a batch, default
	// dataplane.MaxBatch.
	Batch int

	// Collect keeps copies of what is sent, see Sent. Otherwise it is only
	// counted, and Recv and Send allocate nothing.
	Collect bool

	// Repeat hands out the frames fed again and again, in turn, as they were
	// fed, so that Recv never waits once there is one.
	Repeat bool
}

// A Frame is a frame with what a NIC knows about it.
type Frame struct {
	Data    []byte // from the Ethernet header on
	GSOSize uint16 // see dataplane.Packet
	Partial bool   // see dataplane.Packet; Unfinished likewise
	Mark    uint32 // see dataplane.Packet
	Out     int32  // of a frame sent: the interface it left by
	Reply   bool   // of a frame sent: it was one of our own

	Unfinished bool
}

// A NIC hands out what Feed put in. Recv and Send are for one goroutine, the
// other methods for any.
type NIC struct {
	cfg Config

	mu      sync.Mutex
	change  sync.Cond // something was fed, Recv began to wait, or Stop
	queue   []Frame   // a ring of cfg.Capacity; Data are buffers of the NIC
	first   int       // the oldest frame in queue
	waiting int       // how many frames are in queue
	idle    bool      // Recv waits
	woken   bool      // Wake was called, and Recv has not returned since
	stopped bool
	sent    []Frame
	stats   dataplane.NICStats

	out [][]byte // buffers handed out by Recv, one for each packet of a batch
}

// New makes a NIC.
func New(cfg Config) *NIC {
	if cfg.Capacity <= 0 {
		cfg.Capacity = DefaultCapacity
	}
	if cfg.Batch <= 0 || cfg.Batch > dataplane.MaxBatch {
		cfg.Batch = dataplane.MaxBatch
	}
	p := &NIC{cfg: cfg, queue: make([]Frame, cfg.Capacity), out: make([][]byte, cfg.Batch)}
	p.change.L = &p.mu
	return p
}

// Feed puts copies of frames in, as ordinary frames with finished checksums,
// and says how many found room.
func (p *NIC) Feed(frames ...[]byte) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := 0
	for _, f := range frames {
		if p.feed(Frame{Data: f}) {
			n++
		}
	}
	p.change.Broadcast()
	return n
}

// FeedFrame puts a copy of f in, with its GSOSize, Partial, Unfinished and Mark, and
// says whether it found room.
func (p *NIC) FeedFrame(f Frame) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	defer p.change.Broadcast()
	return p.feed(f)
}

func (p *NIC) feed(f Frame) bool {
	if p.waiting == len(p.queue) {
		p.stats.Missed++
		return false
	}
	q := &p.queue[(p.first+p.waiting)%len(p.queue)]
	f.Data = append(q.Data[:0], f.Data...)
	*q = f
	p.waiting++
	return true
}

// Recv implements [dataplane.NIC].
func (p *NIC) Recv(b *dataplane.Batch) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	b.Packets, b.Replies, b.In, b.Pressed = b.Packets[:0], b.Replies[:0], p.cfg.Index, false
	for p.waiting == 0 && !p.stopped && !p.woken {
		p.idle = true
		p.change.Broadcast()
		p.change.Wait()
	}
	p.idle, p.woken = false, false
	if p.stopped {
		return os.ErrClosed
	}
	n := min(p.cfg.Batch, cap(b.Packets))
	if !p.cfg.Repeat {
		n = min(n, p.waiting)
	}
	if p.waiting == 0 {
		return nil // woken
	}
	b.Packets = b.Packets[:n]
	for i := range b.Packets {
		p.hand(&b.Packets[i], i)
	}
	p.stats.Received += uint64(n)
	return nil
}

// headroom holds the bytes before each frame.
var headroom [dataplane.Headroom]byte

// hand makes k the oldest frame, in buffer i, and takes it out of the queue, or
// to its end.
func (p *NIC) hand(k *dataplane.Packet, i int) {
	q := &p.queue[p.first]
	p.out[i] = append(append(p.out[i][:0], headroom[:]...), q.Data...)
	k.Front, k.Data = p.out[i][:dataplane.Headroom], p.out[i][dataplane.Headroom:]
	k.Slot, k.Out, k.Verdict, k.Segments = uint32(i), 0, dataplane.Drop, 0
	k.GSOSize, k.Partial, k.Unfinished, k.Mark = q.GSOSize, q.Partial, q.Unfinished, q.Mark
	if p.cfg.Repeat {
		// The frame goes to the end of the line, where there is another
		// buffer unless the queue is full; then the end is where it is.
		end := &p.queue[(p.first+p.waiting)%len(p.queue)]
		*q, *end = *end, *q
	} else {
		p.waiting--
	}
	p.first = (p.first + 1) % len(p.queue)
}

// Send implements [dataplane.NIC]. It never fails.
func (p *NIC) Send(b *dataplane.Batch) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i := range b.Packets {
		k := &b.Packets[i]
		if k.Verdict != dataplane.Forward {
			continue
		}
		for _, r := range b.Segments[k.First:][:k.Segments] {
			p.send(Frame{Data: slices.Concat(r.Data, r.Body), Mark: k.Mark, Out: r.Out})
		}
		if k.Segments == 0 {
			p.send(Frame{Data: k.Data, GSOSize: k.GSOSize, Partial: k.Partial, Unfinished: k.Unfinished, Mark: k.Mark, Out: k.Out})
		}
	}
	for i := range b.Replies {
		p.send(Frame{Data: b.Replies[i].Data, Out: b.Replies[i].Out, Reply: true})
	}
	return nil
}

func (p *NIC) send(f Frame) {
	p.stats.Sent++
	if p.cfg.Collect {
		f.Data = bytes.Clone(f.Data)
		p.sent = append(p.sent, f)
	}
}

// Sent gives what was sent since the last call, in order, and forgets it. The
// frames are the caller's.
func (p *NIC) Sent() []Frame {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := p.sent
	p.sent = nil
	return s
}

// Drain waits until everything fed has been handed out and dealt with: Recv
// waits again. It returns os.ErrClosed if the NIC is stopped before, and an
// error at once if it repeats.
func (p *NIC) Drain() error {
	if p.cfg.Repeat {
		return fmt.Errorf("drain a NIC that repeats its frames")
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for (p.waiting > 0 || !p.idle) && !p.stopped {
		p.change.Wait()
	}
	if p.stopped {
		return os.ErrClosed
	}
	return nil
}

// Wake implements [dataplane.NIC].
func (p *NIC) Wake() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.woken = true
	p.change.Broadcast()
}

// Stop implements [dataplane.NIC].
func (p *NIC) Stop() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.stopped = true
	p.change.Broadcast()
}

// Start lets Recv hand out frames again after Stop.
func (p *NIC) Start() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.stopped = false
}

// Close implements [dataplane.NIC]. It stops the NIC; what was sent can still
// be read.
func (p *NIC) Close() error {
	p.Stop()
	return nil
}

// Stats implements [dataplane.NIC].
func (p *NIC) Stats() dataplane.NICStats {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.stats
}
