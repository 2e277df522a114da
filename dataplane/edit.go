package dataplane

import (
	"fmt"
	"maps"
	"math"
	"slices"

	"lvsdr/conntrack"
	"lvsdr/dataplane/frame"
	"lvsdr/scheduler"
)

// edit publishes a changed copy of the table. The caller holds d.mu.
func (d *Director) edit(change func(*Table)) {
	t := *d.table.Load()
	t.services = maps.Clone(t.services)
	if t.services == nil {
		t.services = map[ServiceKey]*service{}
	}
	change(&t)
	t.marks, t.ftp = false, false
	for k := range t.services {
		t.marks = t.marks || k.Mark != 0
		t.ftp = t.ftp || k.Port == ftpPort
	}
	d.table.Store(&t)
}

// SetVIPs sets the addresses that are the director's own: packets to them are
// answered where no service takes them.
func (d *Director) SetVIPs(vips []frame.Addr) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.edit(func(t *Table) {
		t.vips = make(map[frame.Addr]struct{}, len(vips))
		for _, v := range vips {
			t.vips[v] = struct{}{}
		}
	})
}

// Tunables are the tunables in force.
func (d *Director) Tunables() Tunables { return d.table.Load().tunables }

// SetTunables changes the tunables from the next batch on.
func (d *Director) SetTunables(v Tunables) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.edit(func(t *Table) { t.tunables = v })
}

// SetTimeouts changes timeouts as ipvsadm --set does, in seconds; 0 keeps one.
func (d *Director) SetTimeouts(tcp, tcpfin, udp int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.timeouts.Set(tcp, tcpfin, udp)
	d.each(func(sh *shard) { sh.conns.SetTimeouts(d.timeouts) })
}

// SetNeighbour says how the real server addr is reached, in all its services,
// now and later. A zero mac means that it cannot be: it gets no frames.
func (d *Director) SetNeighbour(addr frame.Addr, mac frame.MAC, link Link) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.setNeighbour(addr, neighbour{mac: mac, link: link})
	if mac == (frame.MAC{}) {
		delete(d.neighbours, addr) // as if it had never been heard of
	}
}

// SetLocal says that the real server addr is this host (LocalNode of IPVS),
// where nothing listens on the VIP, because the director opens no port: its
// clients are chosen for it, and refused.
func (d *Director) SetLocal(addr frame.Addr) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.setNeighbour(addr, neighbour{local: true})
}

func (d *Director) setNeighbour(addr frame.Addr, n neighbour) {
	d.neighbours[addr] = n
	for _, ds := range d.slots {
		if ds != nil && ds.Addr == addr {
			ds.setNeighbour(n)
			d.publish(ds)
		}
	}
}

// AddService adds a service without servers.
func (d *Director) AddService(c ServiceConfig) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.table.Load().services[c.Key] != nil {
		return ErrServiceExists
	}
	sched, err := scheduler.New(c.Scheduler, nil)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrScheduler, err)
	}
	d.edit(func(t *Table) { t.services[c.Key] = &service{cfg: c, sched: sched} })
	return nil
}

// EditService changes all of a service but its key and servers. A scheduler
// that does not change keeps its state, also when its flags do.
func (d *Director) EditService(c ServiceConfig) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	s := d.table.Load().services[c.Key]
	if s == nil {
		return ErrNoService
	}
	if c.Scheduler != s.cfg.Scheduler {
		sched, err := scheduler.New(c.Scheduler, s.picks)
		if err != nil {
			return fmt.Errorf("%w: %w", ErrScheduler, err)
		}
		s.sched = sched
	}
	s.cfg = c
	return nil
}

// DelService removes a service and its servers, at time now.
func (d *Director) DelService(k ServiceKey, now int64) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	s := d.table.Load().services[k]
	if s == nil {
		return ErrNoService
	}
	for len(s.dests) > 0 {
		d.remove(s, 0, now)
	}
	d.edit(func(t *Table) { delete(t.services, k) })
	return nil
}

// AddServer adds a server at the head of the service's list. One that was
// removed and is still remembered comes back with its connections.
func (d *Director) AddServer(k ServiceKey, c ServerConfig) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	s := d.table.Load().services[k]
	switch {
	case s == nil:
		return ErrNotDefined
	case c.Lower > c.Upper || c.Weight < 0:
		return ErrThresholds
	case s.find(c.Addr, c.Port) >= 0:
		return ErrServerExists
	case !unicast(c.Addr):
		return ErrAddress
	}
	ds := d.remembered(k, c)
	if ds == nil {
		if ds = d.newDest(k, c); ds == nil {
			return ErrTooManyServers
		}
	}
	ds.in = s
	d.publish(ds)
	ds.LastWeight = 0 // also where it comes back
	ds.configure(c, d.Tunables())
	s.dests = slices.Insert(s.dests, 0, ds)
	s.picks = slices.Insert(s.picks, 0, &ds.Dest)
	s.sched.Update(s.picks, scheduler.Added, 0)
	return nil
}

// unicast reports whether a may be the address of a real server: one host, and
// for IPv6 not one of a single link.
func unicast(a frame.Addr) bool {
	if a.Is4() {
		b := a.As4()
		return b[0] != 0 && b[0]&0xf0 != 0xe0 && b != [4]byte{255, 255, 255, 255}
	}
	linkLocal := a[0] == 0xfe && a[1]&0xc0 == 0x80
	return a != frame.Addr{} && a[0] != 0xff && !linkLocal
}

// remembered takes a removed server of the same service out of the trash; nil:
// there is none.
func (d *Director) remembered(k ServiceKey, c ServerConfig) *dest {
	i := slices.IndexFunc(d.trash, func(ds *dest) bool { return ds.key == k && ds.Addr == c.Addr && ds.Port == c.Port })
	if i < 0 {
		return nil
	}
	ds := d.trash[i]
	d.trash = slices.Delete(d.trash, i, i+1)
	return ds
}

// newDest makes a server in a free slot; nil: there is none.
func (d *Director) newDest(k ServiceKey, c ServerConfig) *dest {
	slot := slices.Index(d.slots, nil)
	if slot < 0 {
		if slot = len(d.slots); slot > math.MaxUint16 {
			return nil
		}
		d.slots = append(d.slots, nil)
		d.gens = append(d.gens, 0)
		d.makeRoom(len(d.slots))
	}
	ds := &dest{key: k, slot: uint16(slot), gen: d.gens[slot]}
	ds.Addr, ds.Port = c.Addr, c.Port
	ds.setNeighbour(d.neighbours[c.Addr])
	d.slots[slot] = ds
	return ds
}

// makeRoom prepares for n servers. The caller holds d.mu.
func (d *Director) makeRoom(n int) {
	was := *d.routes.Load()
	if n <= len(was) {
		return
	}
	n = max(2*len(was), 16)
	d.each(func(sh *shard) {
		sh.traffic = append(sh.traffic, make([]Traffic, n-len(was))...)
	})
	// Workers that know the old ones meanwhile see them as they are now.
	grown := make(routes, n)
	for i := range was {
		grown[i].Store(was[i].Load())
	}
	d.routes.Store(&grown)
}

// EditServer changes a server's weight and thresholds.
func (d *Director) EditServer(k ServiceKey, c ServerConfig) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	s := d.table.Load().services[k]
	if s == nil {
		return ErrNotDefined
	}
	if c.Lower > c.Upper || c.Weight < 0 {
		return ErrThresholds
	}
	i := s.find(c.Addr, c.Port)
	if i < 0 {
		return ErrNoServer
	}
	s.dests[i].configure(c, d.Tunables())
	s.sched.Update(s.picks, scheduler.Edited, i)
	return nil
}

// DelServer removes a server at time now. Its connections' packets are dropped
// until they expire or it comes back; with ExpireNodestConn they are removed.
func (d *Director) DelServer(k ServiceKey, addr frame.Addr, port uint16, now int64) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	s := d.table.Load().services[k]
	if s == nil {
		return ErrNotDefined
	}
	i := s.find(addr, port)
	if i < 0 {
		return ErrNoServer
	}
	d.remove(s, i, now)
	return nil
}

func (d *Director) remove(s *service, i int, now int64) {
	ds := s.dests[i]
	d.book(ds)
	ds.in, ds.idleSince = nil, now
	d.publish(ds)
	d.trash = append(d.trash, ds)
	s.dests = slices.Delete(s.dests, i, i+1)
	s.picks = slices.Delete(s.picks, i, i+1)
	s.sched.Update(s.picks, scheduler.Removed, i)
	if d.table.Load().tunables.ExpireNodestConn {
		d.expireServer(ds)
	}
}

// Zero sets the counters of a service and of its servers to zero.
func (d *Director) Zero(k ServiceKey) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	s := d.table.Load().services[k]
	if s == nil {
		return ErrNoService
	}
	d.zero(s)
	return nil
}

// ZeroAll sets the counters of all services and servers to zero. Removed
// servers keep theirs.
func (d *Director) ZeroAll() {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, s := range d.table.Load().services {
		d.zero(s)
	}
}

func (d *Director) zero(s *service) {
	for _, ds := range s.dests {
		d.book(ds)
		ds.totals = Traffic{}
	}
	s.totals = Traffic{}
}

// expireServer removes the connections of ds, and then its templates that have
// none left.
func (d *Director) expireServer(ds *dest) {
	if ds.refs == 0 {
		return
	}
	for _, templates := range []bool{false, true} {
		d.each(func(sh *shard) {
			var gone []*conntrack.Entry
			sh.conns.All(func(e *conntrack.Entry) bool {
				if e.Dest() == ds.ref() && e.Template() == templates && e.Connections() == 0 {
					gone = append(gone, e)
				}
				return true
			})
			for _, e := range gone {
				sh.conns.Remove(e)
			}
		})
	}
}
