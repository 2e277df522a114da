package dataplane

import (
	"iter"
	"slices"
	"time"

	"lvsdr/conntrack"
	"lvsdr/dataplane/frame"
)

// A ServiceStatus is a service as it is now.
type ServiceStatus struct {
	Config  ServiceConfig
	Traffic Traffic
	Servers []ServerStatus // newest first: the scheduler's order
}

// A ServerStatus is a real server as it is now.
type ServerStatus struct {
	Config     ServerConfig
	Active     int
	Inactive   int
	Persistent int // templates
	Overloaded bool
	MAC        frame.MAC // zero: not known
	Traffic    Traffic
	// Repeated counts the SYNs that clients sent again to connections without an answer
	// of theirs to the server's; Zero does not change it.
	Repeated uint64
}

// Service is the state of the service k; false: there is none.
func (d *Director) Service(k ServiceKey) (ServiceStatus, bool) {
	c := census{d: d}
	return c.status(func() *service { return d.services.byKey[k] })
}

// Services is the state of all services, sorted by mark, family, protocol,
// address and port; each at its moment.
func (d *Director) Services() []ServiceStatus {
	return slices.Collect(d.EachService())
}

// EachService is Services, one after the other. Packets and edits come between.
func (d *Director) EachService() iter.Seq[ServiceStatus] {
	return func(yield func(ServiceStatus) bool) {
		c := census{d: d}
		next := d.services.first
		for {
			s, ok := c.status(next)
			if !ok || !yield(s) {
				return
			}
			next = func() *service { return d.services.after(s.Config.Key) }
		}
	}
}

// status is that of the service that which gives; false: it gives none.
func (c *census) status(which func() *service) (st ServiceStatus, ok bool) {
	c.servers = c.servers[:0]
	s := c.visit(which, func(s *service) {
		st = ServiceStatus{Config: s.cfg, Traffic: *s.totals}
		for _, ds := range s.dests {
			c.servers = append(c.servers, ds.status())
		}
	})
	if len(c.servers) > 0 {
		st.Servers = slices.Clone(c.servers) // while no lock is held
	}
	return st, s != nil
}

// Zero sets the counters of a service and of its servers to zero.
func (d *Director) Zero(k ServiceKey) error {
	c := census{d: d}
	if c.visit(func() *service { return d.services.byKey[k] }, (*service).zero) == nil {
		return ErrNoService
	}
	return nil
}

// ZeroAll sets the counters of all services and servers to zero. Removed
// servers keep theirs.
func (d *Director) ZeroAll() {
	c := census{d: d}
	for s := c.visit(d.services.first, (*service).zero); s != nil; {
		s = c.visit(func() *service { return d.services.after(s.cfg.Key) }, (*service).zero)
	}
}

func (s *service) zero() {
	for _, ds := range s.dests {
		*ds.totals = Traffic{}
	}
	*s.totals = Traffic{}
}

func (d *dest) status() ServerStatus {
	var tunnel Tunnel // what is left of an earlier method is for old connections alone
	if d.method.Tunnels() {
		tunnel = d.tunnel
	}
	return ServerStatus{
		Config: ServerConfig{Addr: d.Addr, Port: d.Port, Method: d.method, Tunnel: tunnel, Weight: d.Weight, Upper: d.upper, Lower: d.lower},
		Active: d.Active, Inactive: d.Inactive, Persistent: d.templates,
		Overloaded: d.Overloaded, MAC: d.mac, Traffic: *d.totals, Repeated: d.repeated,
	}
}

// A ConnStatus is a connection or a template as it is now.
type ConnStatus struct {
	Key conntrack.Key
	// Server and Port are the real server's; Port 0: that of the packets, which
	// Direct Routing does not change. Mapped says that Port is that of the packets when
	// they reach the server: it is masqueraded, or another director told so.
	Server  frame.Addr
	Port    uint16
	Mapped  bool
	State   string
	Expires time.Duration
	Invalid bool // a template that no new connection finds any more
	BySync  bool // another director told of it, and it was made for that
}

// Conns is the connection table at now, in no order, each entry as it is at its
// moment.
func (d *Director) Conns(now int64) []ConnStatus {
	return slices.Collect(d.EachConn(now))
}

// EachConn is Conns, one after the other. Packets come between any two chunks of
// the table.
func (d *Director) EachConn(now int64) iter.Seq[ConnStatus] {
	return func(yield func(ConnStatus) bool) {
		var some []ConnStatus
		for _, sh := range d.shards {
			for chunk := range sh.conns.Chunks() {
				some = some[:0]
				d.readChunk(sh, chunk, func(e *conntrack.Entry) {
					some = append(some, d.connStatus(sh.conns.Key(e), e, now))
				})
				for _, c := range some {
					if !yield(c) {
						return
					}
				}
			}
		}
	}
}

// readChunk calls f with the entries of a chunk of the table, with d.mu and the
// lock of its shard held.
func (d *Director) readChunk(sh *shard, chunk int, f func(*conntrack.Entry)) {
	d.mu.Lock()
	defer d.release()
	sh.mu.Lock()
	defer sh.mu.Unlock()
	sh.conns.Chunk(chunk, func(e *conntrack.Entry) bool {
		f(e)
		return true
	})
}

// connStatus is the status of e, whose key is k. The caller holds d.mu and the
// lock of its shard.
func (d *Director) connStatus(k conntrack.Key, e *conntrack.Entry, now int64) ConnStatus {
	c := ConnStatus{Key: k, State: e.StateName(), Expires: d.expires(&k, e, now), Invalid: e.Invalid(), BySync: e.Synced()}
	if ds := d.destOf(e); ds != nil {
		c.Server, c.Port = ds.Addr, ds.Port
		if c.Mapped = c.BySync || e.Way() == conntrack.ByMasquerade || k.Template && ds.method == Masquerade; c.Mapped {
			c.Port = ds.portOf(&k, e)
		}
	}
	return c
}

// TableUse says how full the connection table is, and how many entries were
// evicted for others.
func (d *Director) TableUse() (entries, limit int, evicted uint64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.each(func(sh *shard) {
		entries += sh.conns.Len() - sh.conns.Replies()
		limit += sh.conns.Limit()
		evicted += sh.conns.Evicted()
	})
	return entries, limit, evicted
}

// Timeouts are the timeouts in force.
func (d *Director) Timeouts() conntrack.Timeouts {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.timeouts
}
