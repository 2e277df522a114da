package dataplane

import (
	"lvsdr/conntrack"
)

// flowRoom is how many events each shard keeps for those who follow the flows.
const flowRoom = 1 << 13

// flowStep is how many events are copied while a worker may have to wait.
const flowStep = 1 << 7

// Flows follow what becomes of connections and templates: those that are made,
// change their state or kind, and are removed. Its methods are for one
// goroutine.
type Flows struct {
	d     *Director
	at    []uint64 // where to go on in each shard's outbox
	shard int      // the next to be read
}

// FollowFlows starts with the events from now on; EachConn gives what there is.
// As long as nobody follows, events cost nothing.
func (d *Director) FollowFlows() *Flows {
	f := &Flows{d: d}
	d.admin.Lock()
	defer d.admin.Unlock()
	if d.followers == 0 {
		d.outboxes = make([]*conntrack.Outbox, len(d.shards))
		for i := range d.outboxes {
			d.outboxes[i] = conntrack.NewOutbox(flowRoom)
		}
		d.setOutboxes(d.outboxes)
	}
	d.followers++
	d.mu.Lock()
	defer d.release()
	for _, o := range d.outboxes {
		f.at = append(f.at, o.End())
	}
	return f
}

// Stop ends it. Read must not be called any more.
func (f *Flows) Stop() {
	f.d.admin.Lock()
	defer f.d.admin.Unlock()
	if f.d.followers--; f.d.followers == 0 {
		f.d.setOutboxes(make([]*conntrack.Outbox, len(f.d.shards)))
	}
}

// setOutboxes gives each shard its outbox, or none. The caller holds d.admin.
func (d *Director) setOutboxes(all []*conntrack.Outbox) {
	d.mu.Lock()
	defer d.release()
	for i, sh := range d.shards {
		sh.mu.Lock()
		sh.conns.SetOutbox(all[i])
		sh.mu.Unlock()
	}
}

// Read copies the events since the last Read into buf, as many as fit, those of
// one connection in the order in which they happened. lost is how many there was
// no room to keep.
func (f *Flows) Read(buf []conntrack.Flow) (n int, lost uint64) {
	for range f.d.shards {
		for n < len(buf) {
			some, missed := f.step(buf[n:min(n+flowStep, len(buf))])
			lost += missed
			if n += some; some == 0 {
				break
			}
		}
		if n == len(buf) {
			break // this shard may have more, and comes first next time
		}
		f.shard = (f.shard + 1) % len(f.d.shards)
	}
	return n, lost
}

// step is Read for the next shard.
func (f *Flows) step(buf []conntrack.Flow) (n int, lost uint64) {
	f.d.mu.Lock()
	defer f.d.release()
	n, lost, f.at[f.shard] = f.d.outboxes[f.shard].Read(f.at[f.shard], buf)
	return n, lost
}

// SetAlive has f asked before an idle connection ends, in whichever part of the
// table it is; see conntrack.Table.Alive. nil: nobody is.
func (d *Director) SetAlive(f func(*conntrack.Table, *conntrack.Entry) (last int64)) {
	d.mu.Lock()
	defer d.release()
	d.each(func(sh *shard) { sh.conns.Alive = f })
}

// Server is where a flow goes; false: it is not known any more.
func (d *Director) Server(r conntrack.DestRef) (conntrack.Dest, bool) {
	d.mu.Lock()
	defer d.release()
	return d.dests.Dest(r)
}
