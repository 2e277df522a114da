package dataplane

import (
	"runtime"
	"sync"

	"lvsdr/conntrack"
	"lvsdr/dataplane/frame"
)

// A shard is the connections that one worker made, and what it counted. Most
// packets are of a connection of their worker's own, and change nothing but
// its timer: for them the worker needs nobody else's memory, and no lock but
// this, which nobody else wants for long.
//
// Connections come, go and change their state under Director.mu and mu both, in
// this order; of their timers, and of traffic, mu alone is the guard. A worker
// that holds Director.mu may take the lock of another's shard beside its own.
type shard struct {
	mu    sync.Mutex
	conns *conntrack.Table
	// strained says that the table is nearly full; as of the last batch or
	// sweep.
	strained bool
	// traffic counts the frames sent to the servers that are not in their totals
	// yet, by slot and in pages as hops are.
	traffic []*[hopPage]load
	touched uint8 // keeps the loads of Table.Touch alive
	in      int32 // the interface by which the batch came that is decided about
	_       [64]byte
}

// A load is the packets and bytes that were sent to a server.
type load = conntrack.Load

// load is that of a slot.
func (sh *shard) load(slot uint32) *load { return &sh.traffic[slot/hopPage][slot%hopPage] }

// maxSpins is how often a worker retries a held lock before it blocks: longer than
// one sweep chunk takes. A thread that blocked may wait for milliseconds until
// the kernel finds it a CPU again.
const maxSpins = 1 << 17

// lockFor locks mu for a worker.
func (d *Director) lockFor(mu *sync.Mutex) {
	if mu.TryLock() {
		return
	}
	d.waiting.Add(1)
	for n := 0; n < maxSpins; n++ {
		if mu.TryLock() {
			d.served.Add(1)
			d.waiting.Add(-1)
			return
		}
	}
	mu.Lock()
	d.served.Add(1)
	d.waiting.Add(-1)
}

// release unlocks d.mu and lets the workers go first that wait for a lock, each
// once.
func (d *Director) release() {
	d.mu.Unlock()
	d.letWorkersIn()
}

// letWorkersIn waits until the workers that wait for a lock now have got one.
func (d *Director) letWorkersIn() {
	n := d.waiting.Load()
	if n == 0 {
		return
	}
	for until := d.served.Load() + uint64(n); d.waiting.Load() > 0 && d.served.Load() < until; {
		runtime.Gosched()
	}
}

// hits decides about the packets of b that are of connections of s's own
// shard, and change no more than a timer. It leaves the others pending, and
// with one all later ones that may be of the same connection; it reports
// whether there are any.
func (d *Director) hits(t *Table, s *Scratch, b *Batch, now int64) (more bool) {
	sh, hops := s.shard, *d.hops.Load()
	d.lockFor(&sh.mu)
	defer sh.mu.Unlock()
	sh.in = b.In
	sh.strained = sh.conns.Len() > strainedAt(sh.conns.Limit())
	sh.touch(b)
	if t.answerers.last != 0 {
		sh.touchAnswered(b)
	}
	var left uint64 // by six bits of the hash
	for i := range b.Packets {
		p := &b.Packets[i]
		if p.Reason != pending {
			continue
		}
		bit := uint64(1) << (p.flow.id.Hash & 63)
		if left&bit == 0 {
			p.Reason = sh.hit(t, hops, p, now)
		}
		if p.Reason == pending {
			left |= bit
		}
	}
	return left != 0
}

// touch brings the places of the connections of b on their way from memory, all at once.
func (sh *shard) touch(b *Batch) {
	var touched uint8
	for i := range b.Packets {
		if p := &b.Packets[i]; p.Reason == pending {
			touched += sh.conns.Touch(p.flow.id.Hash)
		}
	}
	if sh.conns.Far() {
		for i := range b.Packets {
			if p := &b.Packets[i]; p.Reason == pending {
				touched += sh.conns.TouchNext(p.flow.id.Hash)
			}
		}
	}
	sh.touched = touched
}

// touchAnswered finds the reply entries of the answers in b, whose places touch has brought,
// and brings their connections on their way, all at once. Nothing that hits does moves an
// entry.
func (sh *shard) touchAnswered(b *Batch) {
	for i := range b.Packets {
		if p := &b.Packets[i]; p.Reason == pending && p.flow.reply {
			if p.flow.by = sh.conns.Peek(&p.flow.id, &p.flow.key); p.flow.by != nil {
				sh.touched += sh.conns.TouchConn(p.flow.by)
			}
		}
	}
}

// hit decides about p, if that takes no more than its connection's timer.
func (sh *shard) hit(t *Table, hops hops, p *Packet, now int64) Reason {
	h := &p.header
	if p.flow.aside || h.IsFragment() || h.Proto == frame.ProtoTCP && h.Flags&frame.SYN != 0 {
		return sh.answered(t, hops, p, now)
	}
	e := sh.conns.Peek(&p.flow.id, &p.flow.key)
	if e == nil || e.Expired(now) || !p.plainly(e) && p.next(e, false) != e.State() {
		return pending
	}
	slot := e.Dest().Slot()
	to := hops.at(slot).Load()
	if to == nil || to.ref != e.Dest() || to.takesWay != e.Way() {
		return sh.hitMasqueraded(to, p, e, now)
	}
	sh.conns.Refresh(e, now)
	sh.conns.Note(e, now)
	n := sh.load(slot)
	n.Packets++
	n.Bytes += uint64(p.length())
	if to.takes(p) {
		p.flow.hop = to
		return Hit
	}
	return p.routeTo(to, Hit)
}

// plainly reports whether p is a segment as most are, of an open connection, and leaves
// it in its state: as next has it, but short enough for the compiler to put it where it is
// called.
func (p *Packet) plainly(e *conntrack.Entry) bool {
	const flags = frame.RST | frame.SYN | frame.FIN | frame.ACK
	return p.header.Proto == frame.ProtoTCP && p.header.Flags&flags == frame.ACK && e.State() == conntrack.Established
}

// next is the state that e is in after p.
func (p *Packet) next(e *conntrack.Entry, secure bool) conntrack.State {
	switch p.header.Proto {
	case frame.ProtoTCP:
		return conntrack.NextTCP(e.State(), p.header.Flags, secure)
	case frame.ProtoSCTP:
		if chunk, ok := frame.SCTPChunk(p.Data, &p.header); ok {
			return conntrack.NextSCTP(e.State(), chunk)
		}
	}
	return e.State()
}

// find finds the entry of id, whose key is k, and the shard it is in: own, or another's,
// where packets of one connection come to several workers (frames about it,
// and all of them while workers come and go). Another's is left locked, for
// shard.unlock. The caller holds d.mu and own.mu.
func (d *Director) find(own *shard, id *conntrack.ID, k *conntrack.Key, now int64) (*conntrack.Entry, *shard) {
	if e := own.find(id, k, now); e != nil {
		return e, own
	}
	for _, sh := range d.shards {
		if sh == own {
			continue
		}
		sh.mu.Lock()
		if e := sh.find(id, k, now); e != nil {
			return e, sh
		}
		sh.mu.Unlock()
	}
	return nil, own
}

// find is Table.Find; that there is no entry, as of most keys that are asked for, is quickly
// known.
func (sh *shard) find(id *conntrack.ID, k *conntrack.Key, now int64) *conntrack.Entry {
	if sh.conns.Peek(id, k) == nil {
		return nil
	}
	return sh.conns.Find(k, id.Hash, now)
}

// lock locks other, unless it is sh itself, which is locked.
func (sh *shard) lock(other *shard) {
	if other != sh {
		other.mu.Lock()
	}
}

// unlock unlocks other, unless it is sh itself.
func (sh *shard) unlock(other *shard) {
	if other != sh {
		other.mu.Unlock()
	}
}

// shardOf is the shard in which a template of that hash is, whoever made it.
func (d *Director) shardOf(hash uint64) *shard {
	return d.shards[uint64(uint32(hash))*uint64(len(d.shards))>>32]
}

// templates is shardOf, locked, for shard.unlock. The caller holds d.mu and
// own.mu.
func (d *Director) templates(own *shard, hash uint64) *shard {
	sh := d.shardOf(hash)
	own.lock(sh)
	return sh
}

// each calls f with every shard, locked. The caller holds d.mu, and no shard's
// lock.
func (d *Director) each(f func(*shard)) {
	for _, sh := range d.shards {
		sh.mu.Lock()
		f(sh)
		sh.mu.Unlock()
	}
}

// fold adds what sh has counted for ds to its totals. The caller holds d.mu and
// sh.mu.
func (sh *shard) fold(ds *dest) {
	n := sh.load(ds.ref.Slot())
	ds.totals.Join(*n)
	if ds.in != nil {
		ds.in.totals.Join(*n)
	}
	*n = load{}
}

// book adds what all workers have sent to ds to its totals. The caller holds
// d.mu, and no shard's lock.
func (d *Director) book(ds *dest) {
	d.each(func(sh *shard) { sh.fold(ds) })
	d.takeOffloaded(ds)
}
