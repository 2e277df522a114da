package dataplane

import (
	"slices"
	"sync/atomic"

	"lvsdr/conntrack"
	"lvsdr/dataplane/frame"
	"lvsdr/scheduler"
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
	// Server is where the packet goes, or of an answer whence it comes, as it is before;
	// nil: nowhere. Link is how it leaves.
	Server *ServerStatus
	Link   Link
}

// An EntryStatus is a connection or a template, with more about it than Conns
// lists.
type EntryStatus struct {
	ConnStatus
	Connections int  // of a template
	Removed     bool // its server was removed from the service
	Closing     bool // a TCP connection that is neither open nor being opened
}

// Explain reports what Process would do with p at now, without side effects: it
// runs Process on a copy of p and of the state that p can reach. Rate limits
// start full. Only p.Data, GSOSize, Mark and Partial are used.
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
	b := &Batch{Packets: []Packet{p}, Local: true} // this host's own packets can be asked about, too
	e.to.Process(e.to.NewScratch(0), b, now)
	q := &b.Packets[0]
	x.Verdict, x.Reason = q.Verdict, q.Reason
	if to := q.sentBy(); to != nil {
		if before, known := e.before[q.server()]; known {
			x.Server = &before
		}
		x.Link = to.link
	}
	return x, nil
}

// sentBy is the hop that a decided packet was sent to, whether it got there or
// was too long, or too old, for it; nil: it was not sent.
func (p *Packet) sentBy() *hop {
	if reasons[p.Reason].routed {
		return p.flow.hop
	}
	return nil
}

// server is the server of a decided packet that has a hop: where it goes, or of an answer
// whence it comes; nil: that was forgotten.
func (p *Packet) server() *dest {
	if p.flow.reply {
		return p.flow.from
	}
	return p.flow.hop.dest
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
	t := d.table.Load()
	d.read(t, p)
	p.setKey()
	x.Ours = t.ours(&p.header.Dst)
	e, err := d.newExcerpt()
	if err != nil {
		return nil, err
	}
	e.to.table.Store(t) // with the addresses of all masqueraded servers
	e.to.ways = newWays([16]byte{})
	if p.header.IsFragment() {
		e.to.frags = newFragments([16]byte{}) // as if nothing else of its datagram had come
	}
	d.mu.Lock()
	defer d.release()
	for _, sh := range d.shards {
		sh.mu.Lock()
		defer sh.mu.Unlock()
	}
	e.fill(p, x, now)
	return e, nil
}

// newExcerpt makes an empty excerpt of d.
func (d *Director) newExcerpt() (*excerpt, error) {
	e := &excerpt{from: d, to: &Director{limits: d.limits, resumeUntil: d.resumeUntil, resumeDrops: d.resumeDrops, settleUntil: d.settleUntil},
		services: map[*service]*service{}, dests: map[*dest]*dest{}, before: map[*dest]ServerStatus{}}
	var tables []*conntrack.Table
	for _, sh := range d.shards {
		tables = append(tables, sh.conns)
	}
	copies, err := conntrack.NewExcerpt(tables, e.to.removed, e.to.serverSide)
	if err != nil {
		return nil, err
	}
	for _, conns := range copies {
		e.to.shards = append(e.to.shards, &shard{conns: conns})
	}
	e.to.hasher = copies[0]
	return e, nil
}

// fill copies what p can reach. The caller holds d.mu and the locks of all
// shards.
func (e *excerpt) fill(p *Packet, x *Explanation, now int64) {
	d, k := e.from, &p.flow.key
	e.to.state = d.state
	e.to.services.byKey, e.to.services.recent = map[ServiceKey]*service{}, recent{}
	pages := make(hops, len(*d.hops.Load()))
	e.to.hops.Store(&pages)
	for _, sh := range e.to.shards {
		sh.traffic = make([]*[hopPage]load, len(pages))
	}
	keys := []conntrack.Key{*k}
	if p.flow.reply && d.listens(p) {
		e.to.answerers.add(AnswerSource{Addr: p.header.Src}, 1)
	}
	if p.Reason == pending {
		if s := d.services.lookup(d.table.Load().mark(p), k); s != nil {
			st, f := d.serviceStatus(s), scheduler.Flow{}
			s.setFlow(&f, d.table.Load(), p, now)
			x.Service, x.Scheduler = &st, s.sched.Describe(s.picks, &f)
			e.to.services.byKey[s.cfg.Key] = e.service(s)
			if s.cfg.Persistence > 0 {
				keys = append(keys, s.templateKey(k))
			}
		}
	}
	e.copyEntries(keys, now)
	for i, k := range keys {
		entry, conns := d.peek(&k, now)
		if entry != nil && k.Reply {
			k = conns.Key(entry)
		}
		if entry != nil && i == 0 {
			x.Conn = d.entryStatus(k, entry, now)
		} else if entry != nil {
			x.Template = d.entryStatus(k, entry, now)
		}
	}
}

// copyEntries copies the entries of keys, and their servers.
func (e *excerpt) copyEntries(keys []conntrack.Key, now int64) {
	var from, to []*conntrack.Table
	for i, sh := range e.to.shards {
		from, to = append(from, e.from.shards[i].conns), append(to, sh.conns)
	}
	conntrack.FillExcerpt(from, to, keys, now)
	for _, t := range to {
		t.All(func(entry *conntrack.Entry) bool {
			if ds := e.from.destOf(entry); ds != nil {
				e.dest(ds)
			}
			return true
		})
	}
}

// service is the copy of s, and of its servers.
func (e *excerpt) service(s *service) *service {
	if s == nil || e.services[s] != nil {
		return e.services[s]
	}
	totals := *s.totals
	c := &service{cfg: s.cfg, totals: &totals}
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
	c, totals := new(dest), *ds.totals
	*c = *ds
	c.totals = &totals
	e.dests[ds] = c
	e.before[c] = ds.status()
	c.in = e.service(ds.in)
	c.others = [4]*hop{}
	if page := ds.ref.Slot() / hopPage; (*e.to.hops.Load())[page] == nil {
		(*e.to.hops.Load())[page] = new([hopPage]atomic.Pointer[hop])
		for _, sh := range e.to.shards {
			sh.traffic[page] = new([hopPage]load)
		}
	}
	e.to.publish(c)
	return c
}

// serviceStatus is the status of s. The caller holds d.mu and the locks of all
// shards.
func (d *Director) serviceStatus(s *service) ServiceStatus {
	st := ServiceStatus{Config: s.cfg}
	for _, ds := range s.dests {
		for _, sh := range d.shards {
			sh.fold(ds)
		}
		st.Servers = append(st.Servers, ds.status())
	}
	st.Traffic = *s.totals
	return st
}

// peek is the entry of k in any shard, or the connection of a reply entry's, if its time is
// not up, and its table; it changes nothing. The caller holds d.mu and the shards' locks.
func (d *Director) peek(k *conntrack.Key, now int64) (*conntrack.Entry, *conntrack.Table) {
	id := d.hasher.ID(k)
	for _, sh := range d.shards {
		e := sh.conns.Peek(&id, k)
		if e != nil && k.Reply {
			e = sh.conns.Conn(e)
		}
		if e != nil && !e.Expired(now) {
			return e, sh.conns
		}
	}
	return nil, nil
}

// entryStatus is the status of e, whose key is k. The caller holds d.mu and the
// lock of its shard.
func (d *Director) entryStatus(k conntrack.Key, e *conntrack.Entry, now int64) *EntryStatus {
	st := &EntryStatus{ConnStatus: d.connStatus(k, e, now), Connections: e.Connections(), Removed: true,
		Closing: k.Proto == frame.ProtoTCP && !k.Template && !e.Active()}
	if ds := d.destOf(e); ds != nil {
		st.Removed = ds.removed()
	}
	return st
}

// A Binding is the binding of a client to a server in one service.
type Binding struct {
	Service  ServiceConfig
	Template *EntryStatus // nil: none
}

// Bindings are those of a client in all services, sorted as Services are, each at
// its moment.
func (d *Director) Bindings(client frame.Addr, now int64) []Binding {
	var all []Binding
	for s := range d.eachService() {
		if isIPv6(s.cfg.Key) == client.Is4() {
			continue
		}
		b := Binding{Service: s.cfg}
		if s.cfg.Persistence > 0 {
			b.Template = d.templateOf(s, client, now)
		}
		all = append(all, b)
	}
	return all
}

// templateOf is the template of a client in s; nil: it has none. The caller
// holds d.mu.
func (d *Director) templateOf(s *service, client frame.Addr, now int64) *EntryStatus {
	k := s.templateKey(&conntrack.Key{Client: client, Virtual: s.cfg.Key.Addr, VirtualPort: s.cfg.Key.Port, Proto: s.cfg.Key.Proto})
	id := d.hasher.ID(&k)
	sh := d.shardOf(id.Hash)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	if e := sh.conns.Peek(&id, &k); e != nil && !e.Expired(now) {
		return d.entryStatus(k, e, now)
	}
	return nil
}

// ClientConns are the connections of a client, each as it is at its moment,
// in no order. It looks at the whole table; workers go first between any two
// chunks.
func (d *Director) ClientConns(client frame.Addr, now int64) []EntryStatus {
	var all []EntryStatus
	for _, sh := range d.shards {
		for chunk := range sh.conns.Chunks() {
			d.readChunk(sh, chunk, func(e *conntrack.Entry) {
				if k := sh.conns.Key(e); k.Client == client && !e.Template() && e.Expires(now) > 0 {
					all = append(all, *d.entryStatus(k, e, now))
				}
			})
		}
	}
	return all
}
