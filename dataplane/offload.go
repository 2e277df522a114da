package dataplane

import (
	"math"
	"time"

	"lvsdr/conntrack"
)

// A Way is how the frames of a server's connections leave, for those who forward them in
// the director's place.
type Way struct {
	Next, From [6]byte // the frame's new addresses
	Link       int32   // index of the interface
	MTU        int     // the longest packet; MaxInt: any
	// Plain says that no more is done to a frame of an established connection than to give
	// it these addresses and to take one from its TTL.
	Plain bool
}

// An Offloader forwards packets of steady connections elsewhere. Its methods are called
// with the director's locks held, and must not wait.
type Offloader interface {
	// SetWay says how frames get to the server of a slot from now on.
	SetWay(slot uint32, w Way)
	// Load is the number of packets and bytes sent to the server of a slot since the last call.
	Load(slot uint32) conntrack.Load
	// Last is when a packet of the connection was sent last, in nanoseconds of the
	// director's clock; 0: not at all.
	Last(k *conntrack.Key) int64
	// Packets is the number of all packets that were sent.
	Packets() uint64
}

// SetOffloader has o forward packets of steady connections; nil: nobody does any more. All
// workers must be given Worker.Sent beside it.
func (d *Director) SetOffloader(o Offloader) {
	d.admin.Lock()
	defer d.admin.Unlock()
	d.mu.Lock()
	defer d.release()
	if d.offloader != nil {
		for _, ds := range d.everyDest() {
			d.takeOffloaded(ds)
		}
		d.past[Offloaded] += d.offloader.Packets()
	}
	d.offloader = o
	var alive func(*conntrack.Table, *conntrack.Entry) int64
	if o != nil {
		alive = func(t *conntrack.Table, e *conntrack.Entry) int64 {
			k := t.Key(e)
			return o.Last(&k)
		}
		for _, ds := range d.everyDest() {
			o.SetWay(ds.ref.Slot(), ds.hop.way())
		}
	}
	d.each(func(sh *shard) { sh.conns.Alive = alive })
}

// way is the hop's.
func (to *hop) way() Way {
	w := Way{Next: to.next, From: to.link.MAC, Link: to.link.Index, MTU: to.mtu, Plain: to.takesWay == conntrack.ByDirect && to.method == Direct && to.most >= 0}
	if w.MTU == 0 {
		w.MTU = math.MaxInt
	}
	return w
}

// everyDest are all servers, removed ones too. The caller holds d.mu.
func (d *Director) everyDest() (all []*dest) {
	for _, page := range *d.hops.Load() {
		for i := range page {
			if to := page[i].Load(); to != nil {
				all = append(all, to.dest)
			}
		}
	}
	return all
}

// takeOffloaded adds what was sent to ds elsewhere to its totals. The caller holds d.mu.
func (d *Director) takeOffloaded(ds *dest) {
	if d.offloader == nil {
		return
	}
	n := d.offloader.Load(ds.ref.Slot())
	ds.totals.Join(n)
	if ds.in != nil {
		ds.in.totals.Join(n)
	}
}

// Steady reports whether the packets of the connection of k need no decision any more, but
// for those that end it: it is established, so many packets of it have come, nobody looks at
// them, and they get to its server by a plain Way. server is that of the Way.
func (d *Director) Steady(k conntrack.Key, packets uint32, now int64) (server uint32, ok bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.tracing.Load() != nil || d.feed != nil {
		return 0, false
	}
	hash := d.hasher.Hash(&k)
	for _, sh := range d.shards {
		sh.mu.Lock()
		e := sh.conns.Find(&k, hash, now)
		if e == nil {
			sh.mu.Unlock()
			continue
		}
		ds := d.destOf(e)
		ok = e.Steady(packets) && e.Way() == conntrack.ByDirect && ds != nil && ds.hop.way().Plain
		sh.mu.Unlock()
		if ok {
			return ds.ref.Slot(), true
		}
		return 0, false
	}
	return 0, false
}

// expires is how long e, whose key is k, has left at now. The caller holds d.mu and the lock
// of its shard.
func (d *Director) expires(k *conntrack.Key, e *conntrack.Entry, now int64) time.Duration {
	if d.offloader == nil {
		return e.Expires(now)
	}
	return d.hasher.ExpiresUsed(e, d.offloader.Last(k), now)
}
