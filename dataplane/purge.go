package dataplane

import "lvsdr/conntrack"

// tick is how fine the kernel's timers are, nanoseconds.
const tick = 10e6

// A purge is the removed servers whose connections end at a moment, and their
// templates that have none left then. The kernel leaves that to a worker of its
// own, which comes by at the next tick: until then the connections count.
type purge struct {
	at      int64 // ns
	servers map[conntrack.DestRef]bool
}

// expire has, if ExpireNodestConn says so, the connections of removed servers
// end at the next tick.
func (tx *Tx) expire(servers []*dest) {
	d := tx.d
	if !d.Tunables().ExpireNodestConn {
		return
	}
	d.mu.Lock()
	defer d.release()
	for _, ds := range servers {
		if ds.refs == 0 {
			continue
		}
		if len(d.purge.servers) == 0 {
			d.purge = purge{at: tx.now - tx.now%tick + tick, servers: map[conntrack.DestRef]bool{}}
		}
		d.purge.servers[ds.ref] = true
	}
}

// purged removes the connections whose purge is due at now. Servers that came
// back keep theirs. It looks at the whole table; workers go first between any two
// chunks.
func (d *Director) purged(now int64) {
	d.mu.Lock()
	servers := d.purge.servers
	if len(servers) == 0 || now < d.purge.at {
		d.release()
		return
	}
	d.purge.servers = nil
	d.release()
	for _, templates := range []bool{false, true} {
		for _, sh := range d.shards {
			for c := range sh.conns.Chunks() {
				d.purgeChunk(sh, c, servers, templates)
			}
		}
	}
}

// purgeChunk is purged for a chunk of the table: for its connections, or for its
// templates without any.
func (d *Director) purgeChunk(sh *shard, chunk int, servers map[conntrack.DestRef]bool, templates bool) {
	d.mu.Lock()
	defer d.release()
	sh.mu.Lock()
	defer sh.mu.Unlock()
	var gone []*conntrack.Entry
	sh.conns.Chunk(chunk, func(e *conntrack.Entry) bool {
		if e.Template() == templates && e.Connections() == 0 && servers[e.Dest()] && d.destOf(e).in == nil {
			gone = append(gone, e)
		}
		return true
	})
	for _, e := range gone {
		sh.conns.Remove(e)
	}
}
