package dataplane

import (
	"maps"
	"runtime"
	"slices"

	"lvsdr/conntrack"
	"lvsdr/dataplane/frame"
)

// An Explanation says what would become of a packet now, and why.
type Explanation struct {
	Verdict Verdict
	Reason  Reason
	Ours    bool // it is to a VIP
	// Service is the service that would take it as one of a new connection;
	// nil: there is none. Scheduler is where that one's scheduler stands, in
	// words.
	Service   *ServiceStatus
	Scheduler string
	// Conn is the connection that the packet is of, and Template the client's
	// template in Service, as they are before it; nil: there is none.
	Conn, Template *EntryStatus
	// Server is where the packet goes, as it is before; nil: nowhere. Link is
	// how.
	Server *ServerStatus
	Link   Link
}

// An EntryStatus is a connection or a template, with more about it than Conns
// lists.
type EntryStatus struct {
	ConnStatus
	Connections int  // of a template
	Removed     bool // its server was removed from the service
}

// Explain says what Process would make of p at now, with rate limits that have
// not refused anything yet, and changes nothing: a director that has copies of
// all that p can reach, and nothing else, processes a copy of p. Of p, Data,
// GSOSize, Mark and Partial count.
//
// The locks are held while the copies are made: of the servers and the scheduler
// of one service or two, of two or three entries, and 25 KB for each worker.
func (d *Director) Explain(p Packet, now int64) (Explanation, error) {
	p.Data = slices.Clone(p.Data)
	var x Explanation
	e, err := d.excerpt(&p, &x, now)
	if err != nil {
		return x, err
	}
	b := &Batch{Packets: []Packet{p}}
	e.to.Process(e.to.NewScratch(0), b, now)
	q := &b.Packets[0]
	x.Verdict, x.Reason = q.Verdict, q.Reason
	if r := q.sentBy(); r != nil {
		before := e.before[r.dest]
		x.Server, x.Link = &before, r.link
	}
	return x, nil
}

// sentBy is the route that a decided packet was sent by, whether it got there or
// was too long, or too old, for it; nil: it was not sent.
func (p *Packet) sentBy() *route {
	switch p.Reason {
	case Hit, Scheduled, Persistent, Related, FragmentFollowed, Fragmented, TimeExceeded, FragmentationNeeded, TooBig, NoMAC:
		return p.flow.route
	}
	return nil
}

// An excerpt is a director with copies of a part of another one.
type excerpt struct {
	from, to *Director
	services map[*service]*service // copies by their originals
	dests    map[*dest]*dest
	before   map[*dest]ServerStatus // of the copies
}

// excerpt makes an excerpt for p, and says in x what p meets.
func (d *Director) excerpt(p *Packet, x *Explanation, now int64) (*excerpt, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	t := d.table.Load()
	d.read(t, p)
	if p.header.Kind == frame.IPv4 && !p.flow.quoted {
		p.flow.key = keyOf(&p.header)
	}
	k := &p.flow.key
	x.Ours = t.ours(p.header.Dst)
	keys := []conntrack.Key{*k}
	var s *service
	if p.Reason == pending {
		s = t.lookup(p.Mark, k.Proto, k.Virtual, k.VirtualPort)
	}
	if s != nil {
		st, f := d.serviceStatus(s), s.flowOf(k, now)
		x.Service, x.Scheduler = &st, s.sched.Describe(s.picks, &f)
		if s.cfg.Persistence > 0 {
			keys = append(keys, s.templateKey(k))
		}
	}
	for _, sh := range d.shards {
		sh.mu.Lock()
		defer sh.mu.Unlock()
	}
	e, err := d.copyShards(keys, now)
	if err != nil {
		return nil, err
	}
	if p.header.IsFragment() {
		e.to.frags = newFragments([16]byte{}) // as if nothing else of its datagram had come
	}
	e.copyTable(t, s)
	for i, k := range keys {
		entry := d.peek(&k, now)
		if entry != nil && i == 0 {
			x.Conn = d.entryStatus(k, entry, now)
		} else if entry != nil {
			x.Template = d.entryStatus(k, entry, now)
		}
	}
	return e, nil
}

// copyShards makes a director whose shards have copies of the entries of keys,
// and which has copies of their servers.
func (d *Director) copyShards(keys []conntrack.Key, now int64) (*excerpt, error) {
	e := &excerpt{from: d, to: &Director{limits: d.limits, timeouts: d.timeouts, neighbours: d.neighbours, gens: d.gens, shedding: d.shedding,
		slots: make([]*dest, len(d.slots))},
		services: map[*service]*service{}, dests: map[*dest]*dest{}, before: map[*dest]ServerStatus{}}
	var tables []*conntrack.Table
	for _, sh := range d.shards {
		tables = append(tables, sh.conns)
	}
	copies, err := conntrack.Excerpt(tables, keys, e.to.removed, now)
	if err != nil {
		return nil, err
	}
	routes := make(routes, len(d.slots))
	e.to.routes.Store(&routes)
	for _, conns := range copies {
		e.to.shards = append(e.to.shards, &shard{conns: conns, traffic: make([]Traffic, len(d.slots))})
		conns.All(func(entry *conntrack.Entry) bool {
			if ds := d.destOf(entry); ds != nil {
				e.dest(ds)
			}
			return true
		})
	}
	e.to.hasher = copies[0]
	return e, nil
}

// copyTable puts t in force, with a copy of s.
func (e *excerpt) copyTable(t *Table, s *service) {
	c := *t
	if s != nil {
		c.services = maps.Clone(t.services)
		c.services[s.cfg.Key] = e.service(s)
	}
	e.to.table.Store(&c)
}

// service is the copy of s, and of its servers.
func (e *excerpt) service(s *service) *service {
	if s == nil || e.services[s] != nil {
		return e.services[s]
	}
	c := &service{cfg: s.cfg}
	e.services[s] = c
	for _, ds := range s.dests {
		to := e.dest(ds)
		c.dests = append(c.dests, to)
		c.picks = append(c.picks, &to.Dest)
	}
	c.sched = s.sched.Clone(c.picks)
	return c
}

// dest is the copy of ds, and of its service.
func (e *excerpt) dest(ds *dest) *dest {
	if e.dests[ds] != nil {
		return e.dests[ds]
	}
	c := new(dest)
	*c = *ds
	e.dests[ds] = c
	e.to.slots[c.slot] = c
	e.before[c] = ds.status()
	c.in = e.service(ds.in)
	e.to.publish(c)
	return c
}

// peek is the entry of k in any shard, if its time is not up; it changes
// nothing. The caller holds d.mu and the shards' locks.
func (d *Director) peek(k *conntrack.Key, now int64) *conntrack.Entry {
	id := d.hasher.ID(k)
	for _, sh := range d.shards {
		if e := sh.conns.Peek(&id, k, now); e != nil {
			return e
		}
	}
	return nil
}

// entryStatus is the status of e, whose key is k. The caller holds d.mu and the
// lock of its shard.
func (d *Director) entryStatus(k conntrack.Key, e *conntrack.Entry, now int64) *EntryStatus {
	st := &EntryStatus{ConnStatus: d.connStatus(k, e, now), Connections: e.Connections(), Removed: true}
	if ds := d.destOf(e); ds != nil {
		st.Removed = ds.in == nil
	}
	return st
}

// A Bond is what binds a client to a server in one service.
type Bond struct {
	Service  ServiceConfig
	Template *EntryStatus // nil: none
}

// Bonds are those of a client in all services, sorted as Services are.
func (d *Director) Bonds(client frame.Addr, now int64) []Bond {
	var all []Bond
	services := d.Services()
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, sh := range d.shards {
		sh.mu.Lock()
		defer sh.mu.Unlock()
	}
	for _, st := range services {
		s := d.table.Load().services[st.Config.Key]
		if s == nil || s.cfg.Key.v6() == client.Is4() {
			continue
		}
		b := Bond{Service: s.cfg}
		key := s.templateKey(&conntrack.Key{Client: client, Virtual: s.cfg.Key.Addr, VirtualPort: s.cfg.Key.Port, Proto: s.cfg.Key.Proto})
		if e := d.peek(&key, now); e != nil && s.cfg.Persistence > 0 {
			b.Template = d.entryStatus(key, e, now)
		}
		all = append(all, b)
	}
	return all
}

// ClientConns are the connections of a client, each as it is at its moment,
// in no order. It looks at the whole table; workers go first between any two
// chunks.
func (d *Director) ClientConns(client frame.Addr, now int64) []EntryStatus {
	var all []EntryStatus
	for _, sh := range d.shards {
		for c := range sh.conns.Chunks() {
			all = d.clientConns(all, sh, c, client, now)
			for d.waiting.Load() > 0 {
				runtime.Gosched()
			}
		}
	}
	return all
}

// clientConns appends those of one chunk.
func (d *Director) clientConns(all []EntryStatus, sh *shard, chunk int, client frame.Addr, now int64) []EntryStatus {
	d.mu.Lock()
	defer d.mu.Unlock()
	sh.mu.Lock()
	defer sh.mu.Unlock()
	sh.conns.Chunk(chunk, func(e *conntrack.Entry) bool {
		if k := sh.conns.Key(e); k.Client == client && !e.Template() && e.Expires(now) > 0 {
			all = append(all, *d.entryStatus(k, e, now))
		}
		return true
	})
	return all
}
