// Package dataplane is the director's core: it decides about frames. Process
// takes a batch from a NIC, finds or makes the connection of every frame,
// rewrites the MAC addresses of those that go to a real server and prepares
// the answers that are owed to clients. The same Process serves live workers,
// simulation, fuzzing and benchmarks: it knows neither sockets nor clocks.
package dataplane

import (
	"runtime"
	"slices"
	"sync"
	"sync/atomic"

	"lvsdr/conntrack"
	"lvsdr/dataplane/frame"
)

// A Config says how a Director is made.
type Config struct {
	Conns    conntrack.Config // size and secret of the connection table; Removed is the director's own
	Workers  int              // how many workers have a part of the table each; 0: one
	Tunables Tunables
	Limits   Limits
}

// A Director holds the services, the servers and the connections. Its methods
// may be called from several goroutines; Process by several workers at once.
type Director struct {
	table  atomic.Pointer[Table]
	routes atomic.Pointer[routes]
	limits Limits
	hasher *conntrack.Table // gives the identities of all shards
	shards []*shard
	// tracing is the trace that batches are shown to; nil: none.
	tracing atomic.Pointer[Trace]
	// waiting is how many workers want a lock that somebody else has.
	waiting atomic.Int32

	mu         sync.Mutex // guards all below, and the services' and servers' state; see shard
	timeouts   conntrack.Timeouts
	slots      []*dest  // by slot; nil: free
	gens       []uint16 // generation of each slot
	trash      []*dest  // removed, and not forgotten yet
	neighbours map[frame.Addr]neighbour
	scratches  []*Scratch
	past       Counters // of workers that have ended
	shedding   int      // new connections since drop_packet refused one
	frags      *fragments
}

// routes are those to all servers, by slot. It grows by being replaced.
type routes []atomic.Pointer[route]

// neighbour is how a real server is reached.
type neighbour struct {
	mac   frame.MAC
	link  Link
	local bool // it is this host
}

// A Table is a snapshot of what is configured; it never changes. The services
// in it have state of their own.
type Table struct {
	services map[ServiceKey]*service
	vips     map[frame.Addr]struct{}
	marks    bool // there are services by mark
	ftp      bool // there is a service on port 21
	tunables Tunables
}

// New makes a director without services.
func New(c Config) (*Director, error) {
	d := &Director{limits: c.Limits.orDefault(), neighbours: map[frame.Addr]neighbour{},
		timeouts: conntrack.DefaultTimeouts()}
	c.Conns.Removed = d.removed
	d.frags = newFragments(c.Conns.Secret)
	d.routes.Store(&routes{})
	tables, err := conntrack.NewGroup(c.Conns, max(c.Workers, 1))
	if err != nil {
		return nil, err
	}
	for _, t := range tables {
		d.shards = append(d.shards, &shard{conns: t})
	}
	d.hasher = tables[0]
	d.table.Store(&Table{tunables: c.Tunables})
	return d, nil
}

// removed keeps the servers' counts when an entry leaves the table.
func (d *Director) removed(e *conntrack.Entry) {
	if ds := d.destOf(e); ds != nil {
		ds.unbind(e)
	}
}

// destOf is the server of e, removed or not.
func (d *Director) destOf(e *conntrack.Entry) *dest {
	r := e.Dest()
	if ds := d.slots[r.Slot()]; ds != nil && ds.gen == r.Gen() {
		return ds
	}
	return nil
}

// lookup finds the service for a packet without connection: by mark, by
// address and port, as FTP data, by address alone.
func (t *Table) lookup(mark uint32, proto frame.Proto, vip frame.Addr, port uint16) *service {
	if mark != 0 && t.marks {
		if s := t.services[ServiceKey{Mark: mark, IPv6: !vip.Is4()}]; s != nil {
			return s
		}
	}
	k := ServiceKey{Proto: proto, Addr: vip, Port: port}
	if s := t.services[k]; s != nil {
		return s
	}
	if t.ftp && proto == frame.ProtoTCP && (port == ftpDataPort || port >= 1024) {
		k.Port = ftpPort
		if s := t.services[k]; s != nil {
			return s
		}
	}
	k.Port = 0
	return t.services[k]
}

const (
	ftpDataPort = 20
	ftpPort     = 21
)

// ours reports whether addr is a VIP.
func (t *Table) ours(addr frame.Addr) bool {
	_, ok := t.vips[addr]
	return ok
}

// Sweep ends connections whose time is up, in at most n chunks of the table
// (conntrack.Table.Sweep), and forgets removed servers nobody refers to.
func (d *Director) Sweep(now int64, n int) { d.SweepBeside(now, n, func(int64) {}) }

// sweepRest is, in nanoseconds, how long SweepBeside wants to rest for each
// entry it has removed, which took it a fifth of that or less.
const sweepRest = 500

// SweepBeside is Sweep beside traffic. Workers go first between any two chunks,
// and so wait for one at most; and after each chunk that something was removed
// from it calls rest with a time in nanoseconds. Who sleeps for so long there
// takes a fifth of a CPU: the kernel has no reason then to take it off its CPU
// in the middle of a chunk, while workers wait.
func (d *Director) SweepBeside(now int64, n int, rest func(ns int64)) {
	all := d.Chunks()
	d.spare(now)
	for _, sh := range d.shards {
		for range (n*sh.conns.Chunks() + all - 1) / all {
			if removed := d.sweep(sh, now); removed > 0 {
				rest(int64(removed) * sweepRest)
			}
			for d.waiting.Load() > 0 {
				runtime.Gosched()
			}
		}
	}
	d.forget(now)
}

// sweep is one chunk's. It returns how many entries went.
func (d *Director) sweep(sh *shard, now int64) int {
	d.mu.Lock()
	defer d.mu.Unlock()
	sh.mu.Lock()
	defer sh.mu.Unlock()
	return sh.conns.Sweep(now, 1)
}

// spare notes which removed servers have connections at now, also those that
// end right now.
func (d *Director) spare(now int64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, ds := range d.trash {
		if ds.refs > 0 {
			ds.idleSince = now
		}
	}
}

// forget forgets removed servers that nobody refers to any more.
func (d *Director) forget(now int64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.trash = slices.DeleteFunc(d.trash, func(ds *dest) bool {
		if ds.refs > 0 || now-ds.idleSince < trashTime {
			return false
		}
		d.book(ds) // a worker may have been late
		d.slots[ds.slot] = nil
		(*d.routes.Load())[ds.slot].Store(nil)
		d.gens[ds.slot]++
		return true
	})
}

// Defend does, once, what the tunable DropEntry asks for; call it every second.
// rnd gives random numbers. It returns how many entries went.
func (d *Director) Defend(now int64, rnd func() uint64) int {
	d.mu.Lock()
	defer d.mu.Unlock()
	gone, mode := 0, d.table.Load().tunables.DropEntry
	d.each(func(sh *shard) {
		sh.strained = sh.conns.Len() > strainedAt(sh.conns.Limit())
		if acts(mode, sh.strained) {
			gone += sh.conns.Defend(now, rnd)
		}
	})
	return gone
}

// trashTime is how long a removed server without connections can still come
// back with its counters, ns.
const trashTime = 120e9

// Chunks is the number of chunks that Sweep takes for the whole table.
func (d *Director) Chunks() int { return len(d.shards) * d.hasher.Chunks() }

// NextExpiry is the next moment at which Sweep has something to do; see
// conntrack.Table.NextExpiry.
func (d *Director) NextExpiry(now int64) (int64, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	first, found := int64(0), false
	d.each(func(sh *shard) {
		if at, any := sh.conns.NextExpiry(now); any && (!found || at < first) {
			first, found = at, true
		}
	})
	return first, found
}
