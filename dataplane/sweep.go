package dataplane

// Sweep ends connections whose time is up, in at most n chunks of the table
// (conntrack.Table.Sweep), and forgets removed servers without entries.
func (d *Director) Sweep(now int64, n int) { d.SweepBeside(now, n, func(int64) {}) }

// sweepRest is, in nanoseconds, how long SweepBeside wants to rest for each
// entry it has removed, which took it a fifth of that or less.
const sweepRest = 500

// SweepBeside is Sweep beside traffic. Workers go first between any two chunks,
// and so wait for one at most; and after each chunk that something was removed
// from it calls rest with a time in nanoseconds. If rest sleeps for that time,
// sweeping uses a fifth of a CPU: the kernel has no reason then to preempt it
// in the middle of a chunk, while workers wait.
func (d *Director) SweepBeside(now int64, n int, rest func(ns int64)) {
	all := d.Chunks()
	d.noteIdle(now)
	d.purged(now)
	for _, sh := range d.shards {
		for range (n*sh.conns.Chunks() + all - 1) / all {
			if removed := d.sweep(sh, now); removed > 0 {
				rest(int64(removed) * sweepRest)
			}
			d.letWorkersIn()
		}
	}
	for _, sh := range d.shards {
		for d.sweepTemplates(sh, now) {
			d.letWorkersIn()
		}
	}
	d.forget(now)
	d.unlearn(now)
}

// sweep is one chunk's. It returns how many entries went.
func (d *Director) sweep(sh *shard, now int64) int {
	d.mu.Lock()
	defer d.mu.Unlock()
	sh.mu.Lock()
	defer sh.mu.Unlock()
	return sh.conns.SweepChunk(now)
}

// sweepStep is how many templates are dealt with before workers go first.
const sweepStep = 256

// sweepTemplates deals with some of the templates that are left, and reports
// whether there are more.
func (d *Director) sweepTemplates(sh *shard, now int64) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	sh.mu.Lock()
	defer sh.mu.Unlock()
	_, more := sh.conns.SweepTemplates(now, sweepStep)
	return more
}

// removedStep is how many removed servers are looked at before workers go first.
const removedStep = 64

// eachRemoved calls f with every removed server, with d.mu locked.
func (d *Director) eachRemoved(f func(*dest)) {
	d.admin.Lock()
	defer d.admin.Unlock()
	d.mu.Lock()
	defer d.release()
	n := 0
	for ref := range d.dests.Removed() {
		if n++; n%removedStep == 0 {
			d.release()
			d.mu.Lock()
		}
		f(d.hops.Load().dest(ref))
	}
}

// noteIdle notes which removed servers have connections at now, also those that
// end right now.
func (d *Director) noteIdle(now int64) {
	d.eachRemoved(func(ds *dest) {
		if ds.refs > 0 {
			d.dests.Touch(ds.ref, now)
		}
	})
}

// forget forgets removed servers without references.
func (d *Director) forget(now int64) {
	d.forgetServices(now)
	defer d.publishAnswerers()
	d.eachRemoved(func(ds *dest) {
		if at, _ := d.dests.Dest(ds.ref); ds.refs > 0 || now-at.IdleSince < trashTime {
			return
		}
		d.answersNoMore(ds)
		d.dests.Forget(ds.ref)
		d.hops.Load().at(ds.ref.Slot()).Store(nil)
		d.book(ds) // what workers sent until now
		d.unlist(ds)
		if ds.stranger {
			d.strangers--
		}
	})
}

// unlist takes ds out of the servers of its address.
func (d *Director) unlist(ds *dest) {
	all := d.byAddr[ds.Addr]
	last := all[len(all)-1]
	all[ds.listed], last.listed = last, ds.listed
	all[len(all)-1] = nil
	if all = all[:len(all)-1]; len(all) == 0 {
		delete(d.byAddr, ds.Addr)
	} else {
		d.byAddr[ds.Addr] = all
	}
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

// NextExpiry is the next moment at which Sweep has something to do, at least now;
// see conntrack.Table.NextExpiry.
func (d *Director) NextExpiry(now int64) (int64, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	first, found := max(now, d.purge.at), len(d.purge.servers) > 0
	d.each(func(sh *shard) {
		if at, any := sh.conns.NextExpiry(now); any && (!found || at < first) {
			first, found = at, true
		}
	})
	return first, found
}
