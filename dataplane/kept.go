package dataplane

import (
	"cmp"
	"slices"

	"lvsdr/conntrack"
	"lvsdr/scheduler"
)

// before is a service as the process before has left it: its servers, newest first,
// and where its scheduler stood.
type before struct {
	servers  []conntrack.DestRef
	position uint64
}

// kept is the conntrack.Kept of a director, and what was found in it.
type kept struct {
	*conntrack.Kept
	found  conntrack.Recovered
	before map[ServiceKey]*before // services that were not added again yet, or not as they were; guarded by admin
}

// A TakenOver says what a director has found in its memory.
type TakenOver struct {
	conntrack.Recovered
	Conns, Templates int    // that go on
	Fresh            string // why there are none though there was a file; "": there was none, or it was good
}

// TakenOver tells of the state before; false: the memory is not kept.
func (d *Director) TakenOver() (TakenOver, bool) {
	if d.kept == nil {
		return TakenOver{}, false
	}
	t := TakenOver{Recovered: d.kept.found, Fresh: d.kept.Fresh, Conns: d.began.conns, Templates: d.began.templates}
	return t, true
}

// takeOver makes d the director of what is in the memory: the servers as removed ones,
// which come back with their connections when they are added again.
func (d *Director) takeOver(c *Config) error {
	k := c.Kept
	d.kept = &kept{Kept: k, before: map[ServiceKey]*before{}}
	_, tables := k.Head.Geometry()
	d.makeShards(tables)
	if k.From != nil {
		if err := k.CopyDests(); err != nil {
			return err
		}
	}
	d.servers(k)
	if err := d.recoverServices(c.Now); err != nil {
		return err
	}
	if err := d.recoverServers(c.Now); err != nil {
		return err
	}
	if k.From != nil {
		if err := d.foldLoads(k.From); err != nil {
			return err
		}
	}
	if err := d.foldLoads(k); err != nil {
		return err
	}
	return d.takeTables(c)
}

// servers has the registries live in k.
func (d *Director) servers(k *conntrack.Kept) {
	d.dests.Room, d.dests.Slots = inTurn(k.Servers), k.ServerSlots()
	d.records.Room, d.records.Slots = inTurn(k.Services), k.ServiceSlots()
}

// inTurn gives page after page.
func inTurn(page func(int) ([]conntrack.Dest, error)) func(int) ([]conntrack.Dest, error) {
	next := 0
	return func(int) ([]conntrack.Dest, error) {
		p, err := page(next)
		if err == nil {
			next++
		}
		return p, err
	}
}

func (d *Director) recoverServices(now int64) error {
	return d.records.Recover(now, func(_ conntrack.DestRef, rec *conntrack.Dest, _ bool) {
		d.kept.before[rec.Service] = &before{position: rec.Position}
	})
}

// recoverServers makes a removed server of each record.
func (d *Director) recoverServers(now int64) error {
	var full error
	err := d.dests.Recover(now, func(ref conntrack.DestRef, rec *conntrack.Dest, inUse bool) {
		if err := d.makeRoom(ref.Slot()); err != nil {
			full = err
			return
		}
		ds := d.newDest(ref, rec.Addr, rec.Port)
		ds.method, ds.tunnelled, ds.tunnel = rec.Method, rec.Method, rec.Tunnel()
		d.answers(ds)
		d.publish(ds)
		if b := d.kept.before[rec.Service]; inUse && b != nil {
			b.servers = append(b.servers, ref)
		}
		d.order = max(d.order, rec.Order)
	})
	if err = cmp.Or(full, err); err != nil {
		return err
	}
	for _, b := range d.kept.before {
		slices.SortFunc(b.servers, func(x, y conntrack.DestRef) int { return cmp.Compare(d.dests.At(y).Order, d.dests.At(x).Order) })
	}
	return nil
}

// foldLoads adds what the workers of k have counted to the totals.
func (d *Director) foldLoads(k *conntrack.Kept) error {
	_, tables := k.Head.Geometry()
	for page := range (int(*k.ServerSlots()) + conntrack.DestPage - 1) / conntrack.DestPage {
		for t := range tables {
			loads, err := k.Loads(t, page)
			if err != nil {
				return err
			}
			for i := range loads {
				if loads[i] != (conntrack.Load{}) {
					d.foldLoad(uint32(page*conntrack.DestPage+i), &loads[i])
				}
			}
		}
	}
	return nil
}

func (d *Director) foldLoad(slot uint32, n *conntrack.Load) {
	if hop := d.hops.Load().at(slot).Load(); hop != nil {
		hop.dest.totals.Join(*n)
		if ref, known := d.records.Ref(conntrack.DestKey{Service: d.dests.At(hop.ref).Service}); known {
			d.records.At(ref).Traffic.Join(*n)
		}
	}
	*n = conntrack.Load{}
}

// takeTables opens the tables and counts the entries of the servers.
func (d *Director) takeTables(c *Config) error {
	k := c.Kept
	known := func(r conntrack.DestRef) bool { _, ok := d.dests.Dest(r); return ok }
	tables, found, err := conntrack.Open(k, d.removed, d.serverSide, known, c.PID, c.Now)
	if err != nil {
		return err
	}
	d.useTables(tables)
	if k.From != nil {
		var others []*conntrack.Table
		if others, found, err = conntrack.Open(k.From, nil, nil, known, c.PID, c.Now); err != nil {
			return err
		}
		conntrack.Import(tables, others, func(hash uint64) int { return slices.Index(d.shards, d.shardOf(hash)) }, c.Now, &found)
	}
	d.kept.found = found
	if k.From == nil && found.Clean {
		d.trustCounts()
		return nil
	}
	for _, t := range tables {
		t.All(func(e *conntrack.Entry) bool {
			if ds := d.destOf(e); ds != nil {
				ds.bindAgain(e)
			}
			return true
		})
		d.addReplies(t, c.Now)
	}
	d.countBegun()
	return nil
}

// addReplies gives the masqueraded connections of t reply entries that have none: the
// process before was killed before it made them, or the table is another. Where there is
// no room, a connection is of no use to its client, and ends by itself.
func (d *Director) addReplies(t *conntrack.Table, now int64) {
	var without []*conntrack.Entry
	t.All(func(e *conntrack.Entry) bool {
		if e.Way() == conntrack.ByMasquerade && !e.Template() && !e.Retired() {
			if addr, port, known := d.serverSide(t, e); known && t.ReplyOf(e, addr, port) == nil {
				without = append(without, e)
			}
		}
		return true
	})
	for _, e := range without {
		if e.Way() == conntrack.ByMasquerade { // it was not evicted for another's
			addr, port, _ := d.serverSide(t, e)
			t.AddReply(e, addr, port, 0, now)
		}
	}
}

// bindAgain counts an entry that was there before.
func (d *dest) bindAgain(e *conntrack.Entry) {
	d.refs++
	switch {
	case e.Template():
		d.templates++
	case e.Active():
		d.Active++
	default:
		d.Inactive++
	}
}

// trustCounts takes the counts that were sealed.
func (d *Director) trustCounts() {
	for ref := range d.dests.Removed() {
		ds, n := d.hops.Load().dest(ref), d.dests.At(ref).Counts
		ds.Active, ds.Inactive, ds.templates = int(n.Active), int(n.Inactive), int(n.Templates)
		ds.refs = ds.Active + ds.Inactive + ds.templates
	}
	d.countBegun()
}

// countBegun counts what goes on.
func (d *Director) countBegun() {
	for ref := range d.dests.Removed() {
		ds := d.hops.Load().dest(ref)
		d.began.templates += ds.templates
		d.began.conns += ds.Active + ds.Inactive
	}
}

// use makes sched the scheduler of s.
func (s *service) use(sched scheduler.Scheduler) {
	s.sched = sched
	s.keeper, _ = sched.(scheduler.Keeper)
}

// forgetService frees the record of s, which was removed.
func (d *Director) forgetService(s *service, now int64) {
	d.mu.Lock()
	defer d.release()
	d.records.Remove(s.ref, now)
	d.records.Forget(s.ref)
}

// forgetServices frees the records of services of the process before that were not
// added again within trashTime.
func (d *Director) forgetServices(now int64) {
	d.admin.Lock()
	defer d.admin.Unlock()
	if d.kept == nil || len(d.kept.before) == 0 || now-d.kept.Head.Since < trashTime {
		return
	}
	d.mu.Lock()
	defer d.release()
	for ref := range d.records.Removed() {
		d.records.Forget(ref)
	}
	d.kept.before = nil
}

// stands notes where the scheduler of s stands.
func (s *service) stands() {
	if s.keeper != nil {
		s.record.Position = s.keeper.Position()
	}
}

// goOn has the scheduler of s stand where it stood in the process before, when s has
// the servers again that it had then, in their order. The caller holds d.admin.
func (d *Director) goOn(s *service) {
	if d.kept == nil {
		return
	}
	b := d.kept.before[s.cfg.Key]
	if b == nil || len(b.servers) != len(s.dests) {
		return
	}
	for i, ds := range s.dests {
		if ds.ref != b.servers[i] {
			return
		}
	}
	delete(d.kept.before, s.cfg.Key)
	if s.keeper != nil {
		s.keeper.SetPosition(s.picks, b.position)
	}
}

// Seal ends the use of a kept memory, at now, when the workers have stopped: another
// process goes on with it without having to count. release, which is called when it
// is whole, has what d still stores stay away from it.
func (d *Director) Seal(now int64, release func() error) error {
	if d.kept == nil {
		return release()
	}
	d.admin.Lock()
	defer d.admin.Unlock()
	d.mu.Lock()
	defer d.release()
	var tables []*conntrack.Table
	for _, sh := range d.shards {
		sh.mu.Lock()
		defer sh.mu.Unlock()
		tables = append(tables, sh.conns)
	}
	for _, all := range d.byAddr {
		for _, ds := range all {
			for _, sh := range d.shards {
				sh.fold(ds)
			}
			d.dests.At(ds.ref).Counts = conntrack.Counts{Active: uint32(ds.Active), Inactive: uint32(ds.Inactive), Templates: uint32(ds.templates)}
		}
	}
	conntrack.Seal(d.kept.Kept, tables, now)
	return release()
}
