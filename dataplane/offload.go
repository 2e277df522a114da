package dataplane

import (
	"math"
	"time"

	"lvsdr/conntrack"
	"lvsdr/dataplane/frame"
)

// A NextHop is how the frames of a server's connections leave, as those need it who forward
// them in the director's place.
type NextHop struct {
	MAC, From frame.MAC // the frame's new addresses
	Link      int32     // index of the interface
	MTU       int       // the longest packet, bytes; MaxInt: any
	// Plain says that no more is done to a frame of an established connection than to give
	// it these addresses and to take one from its TTL.
	Plain bool
}

// An Offloader forwards packets of steady connections elsewhere. Its methods are called
// with the director's locks held, and must not wait.
type Offloader interface {
	// SetNextHop says how frames get to the server of a slot from now on.
	SetNextHop(slot uint32, to NextHop)
	// Load is the number of packets and bytes sent to the server of a slot since the last call.
	Load(slot uint32) conntrack.Load
	// Last is when a packet of the connection was sent last, in nanoseconds of the
	// director's clock; 0: not at all.
	Last(k *conntrack.Key) int64
	// Recall ends it for all connections: the next packet of each is the director's.
	Recall()
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
		d.eachDest(d.takeOffloaded)
		d.past[Offloaded] += d.offloader.Packets()
	}
	d.offloader = o
	var alive func(*conntrack.Table, *conntrack.Entry) int64
	if o != nil {
		alive = func(t *conntrack.Table, e *conntrack.Entry) int64 {
			k := t.Key(e)
			return o.Last(&k)
		}
		d.eachDest(func(ds *dest) { o.SetNextHop(ds.ref.Slot(), ds.hop.nextHop()) })
	}
	d.each(func(sh *shard) { sh.conns.Alive = alive })
}

// Offloaded is the number of packets that were forwarded elsewhere.
func (d *Director) Offloaded() uint64 {
	d.mu.Lock()
	defer d.release()
	n := d.past[Offloaded]
	if d.offloader != nil {
		n += d.offloader.Packets()
	}
	return n
}

// nextHop is the hop's.
func (to *hop) nextHop() NextHop {
	n := NextHop{MAC: to.next, From: to.link.MAC, Link: to.link.Index, MTU: to.mtu, Plain: to.takesWay == conntrack.ByDirect && to.method == Direct && !to.dest.local && to.most >= 0}
	if n.MTU == 0 {
		n.MTU = math.MaxInt
	}
	return n
}

// eachDest calls f with all servers, removed ones too. The caller holds d.admin.
func (d *Director) eachDest(f func(*dest)) {
	for _, servers := range d.byAddr {
		for _, ds := range servers {
			f(ds)
		}
	}
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
// them, and its server's NextHop is a plain one. server is the slot of that.
func (d *Director) Steady(k conntrack.Key, packets uint32, now int64) (server uint32, ok bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.Traced() || d.feed != nil {
		return 0, false
	}
	own := d.shards[0]
	own.mu.Lock()
	defer own.mu.Unlock()
	id := d.hasher.ID(&k)
	e, at := d.find(own, &id, &k, now)
	if e == nil {
		return 0, false
	}
	defer own.unlock(at)
	ds := d.destOf(e)
	if !e.Steady(packets) || ds == nil || !ds.hop.nextHop().Plain {
		return 0, false
	}
	return ds.ref.Slot(), true
}

// expires is how long e, whose key is k, has left at now. The caller holds d.mu and the lock
// of its shard.
func (d *Director) expires(k *conntrack.Key, e *conntrack.Entry, now int64) time.Duration {
	if d.offloader == nil {
		return e.Expires(now)
	}
	return d.hasher.ExpiresUsed(e, d.offloader.Last(k), now)
}
