package dataplane

import "lvsdr/conntrack"

// A census looks at services one after the other, and keeps memory between
// them.
type census struct {
	d       *Director
	refs    []conntrack.DestRef
	loads   []load
	servers []ServerStatus
}

// visit calls f with the service that which gives, whose counters are complete
// then, and with d.mu held. It returns the service; nil: which gives none.
//
// d.mu is held for two moments: while the servers are listed, and for f. Between
// them each shard is locked by itself, while what it has counted is taken: a
// worker holds its shard's lock for as long as it looks up a batch, and workers
// that need d.mu should not have to wait for that.
func (c *census) visit(which func() *service, f func(*service)) *service {
	d := c.d
	c.refs = c.refs[:0]
	d.mu.Lock()
	s := which()
	if s != nil {
		for _, ds := range s.dests {
			c.refs = append(c.refs, ds.ref)
		}
	}
	d.release()
	if s == nil {
		return nil
	}
	c.take()
	d.mu.Lock()
	defer d.release()
	for i, ref := range c.refs {
		s.totals.Join(c.loads[i])
		if ds := d.hops.Load().dest(ref); ds != nil {
			ds.totals.Join(c.loads[i])
			d.takeOffloaded(ds)
		}
	}
	f(s)
	return s
}

// take takes what the shards have counted for c.refs.
func (c *census) take() {
	c.loads = append(c.loads[:0], make([]load, len(c.refs))...)
	hops := *c.d.hops.Load()
	for _, sh := range c.d.shards {
		sh.mu.Lock()
		for i, ref := range c.refs {
			// The slot may have become another's meanwhile.
			if to := hops.at(ref.Slot()).Load(); to != nil && to.ref == ref {
				n := sh.load(ref.Slot())
				c.loads[i].Add(n)
				*n = load{}
			}
		}
		sh.mu.Unlock()
	}
}
