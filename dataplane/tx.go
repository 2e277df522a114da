package dataplane

import (
	"errors"
	"fmt"
	"slices"

	"lvsdr/conntrack"
	"lvsdr/dataplane/frame"
	"lvsdr/scheduler"
)

// A Tx is many edits of a director; see Director.Edit. Each edit is done when
// its method returns, or refused and then has changed nothing.
type Tx struct {
	d     *Director
	now   int64
	table *Table // to be published in the end; nil: the one there is
}

// Edit calls f to make many edits at now, in nanoseconds of CLOCK_BOOTTIME. No
// other edit comes between them; packets do, so that none waits for longer than
// one edit takes, or a part of one that walks over much. The addresses of
// SetVIPs are in force when f has returned.
func (d *Director) Edit(now int64, f func(tx *Tx)) {
	d.admin.Lock()
	defer d.admin.Unlock()
	tx := &Tx{d: d, now: now}
	f(tx)
	if d.answerers.changed {
		d.tellAnswerers(tx.edit())
	}
	if tx.table != nil {
		d.table.Store(tx.table)
	}
}

// edit is the copy of the table that will be published.
func (tx *Tx) edit() *Table {
	if tx.table == nil {
		t := *tx.d.table.Load()
		tx.table = &t
	}
	return tx.table
}

// SetVIPs sets the addresses that are the director's own: packets to them are
// answered where no service takes them.
func (tx *Tx) SetVIPs(vips []frame.Addr) {
	tx.edit().vips = newAddrs(vips)
}

// SetMartians sets the addresses that no packet of another host has as its source:
// this host's own, and in IPv4 the network and broadcast addresses of its networks.
// Packets that are of no known connection are dropped for them, but on a NIC of a
// Worker that is Local.
func (tx *Tx) SetMartians(sources []frame.Addr) {
	tx.edit().martians = newAddrs(sources)
}

// neighbourStep is how many servers learn a new neighbour before workers go
// first.
const neighbourStep = 64

// SetNeighbour says how the real server addr is reached, in all its services,
// now and later. A zero mac means that it cannot be: it gets no frames.
func (tx *Tx) SetNeighbour(addr frame.Addr, mac frame.MAC, link Link) {
	tx.setNeighbour(addr, neighbour{mac: mac, link: link})
	if mac == (frame.MAC{}) {
		delete(tx.d.neighbours, addr) // as if it had never been heard of
	}
}

// SetLocal says that the real server addr is this host, whose stack takes frames to mac by
// link: packets go there as they came, whatever the server's method (LocalNode of IPVS).
// With a zero mac nothing leads to the stack: the server is chosen in its turn, and
// refuses, as a host does where nothing listens.
func (tx *Tx) SetLocal(addr frame.Addr, mac frame.MAC, link Link) {
	tx.setNeighbour(addr, neighbour{mac: mac, link: link, local: true})
}

func (tx *Tx) setNeighbour(addr frame.Addr, n neighbour) {
	d := tx.d
	if n.path = d.neighbours[addr].path; n.path == nil {
		n.path = &path{}
	}
	d.neighbours[addr] = n
	for some := range slices.Chunk(d.byAddr[addr], neighbourStep) {
		d.mu.Lock()
		for _, ds := range some {
			ds.setNeighbour(n)
			d.publish(ds)
		}
		d.release()
	}
}

// AddService adds a service without servers.
func (tx *Tx) AddService(c ServiceConfig) error {
	d := tx.d
	if d.services.byKey[c.Key] != nil {
		return ErrServiceExists
	}
	sched, err := scheduler.New(c.Scheduler, nil)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrScheduler, err)
	}
	d.mu.Lock()
	defer d.release()
	ref, _, err := d.records.Add(conntrack.DestKey{Service: c.Key}, 0)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrTooManyServers, err)
	}
	s := &service{cfg: c, ref: ref, record: d.records.At(ref)}
	s.totals = &s.record.Traffic
	s.use(sched)
	d.services.add(s)
	d.goOn(s)
	return nil
}

// EditService changes all of a service but its key and servers. A scheduler
// that does not change keeps its state, also when its flags do.
func (tx *Tx) EditService(c ServiceConfig) error {
	d := tx.d
	s := d.services.byKey[c.Key]
	if s == nil {
		return ErrNoService
	}
	d.mu.Lock()
	defer d.release()
	if c.Scheduler != s.cfg.Scheduler {
		sched, err := scheduler.New(c.Scheduler, s.picks)
		if err != nil {
			return fmt.Errorf("%w: %w", ErrScheduler, err)
		}
		s.use(sched)
		s.stands()
	}
	s.cfg = c
	return nil
}

// DelService removes a service and its servers.
func (tx *Tx) DelService(k ServiceKey) error {
	d := tx.d
	s := d.services.byKey[k]
	if s == nil {
		return ErrNoService
	}
	d.mu.Lock()
	d.services.remove(s)
	d.release()
	defer d.forgetService(s, tx.now)
	gone := slices.Clone(s.dests)
	for len(s.dests) > 0 {
		tx.remove(s, len(s.dests)-1)
	}
	tx.expire(gone)
	return nil
}

// AddServer adds a server at the head of the service's list. One that was
// removed and is still remembered comes back with its connections.
func (tx *Tx) AddServer(k ServiceKey, c ServerConfig) error {
	d := tx.d
	s := d.services.byKey[k]
	if s == nil {
		return ErrNotDefined
	}
	if err := c.Check(); err != nil {
		return err
	}
	if s.find(d, c.Addr, c.Port) != nil {
		return ErrServerExists
	}
	d.mu.Lock()
	defer d.release()
	ds, err := d.addDest(k, &c)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrTooManyServers, err)
	}
	ds.in = s
	d.setMethod(ds, &c)
	d.order++
	d.dests.At(ds.ref).Order = d.order
	d.publish(ds)
	ds.LastWeight = 0 // also where it comes back
	ds.configure(c, d.Tunables())
	s.dests = slices.Insert(s.dests, 0, ds)
	s.picks = slices.Insert(s.picks, 0, &ds.Dest)
	s.sched.Update(s.picks, scheduler.Added, 0)
	d.goOn(s)
	s.stands()
	return nil
}

// addDest is the server c of service k, a new one or one that comes back. The
// caller holds d.mu.
func (d *Director) addDest(k ServiceKey, c *ServerConfig) (*dest, error) {
	ref, revived, err := d.dests.Add(conntrack.DestKey{Service: k, Addr: c.Addr, Port: c.Port}, c.Method)
	if err != nil {
		return nil, err
	}
	if revived {
		return d.hops.Load().dest(ref), nil
	}
	if err := d.makeRoom(ref.Slot()); err != nil {
		d.dests.Remove(ref, 0)
		d.dests.Forget(ref)
		return nil, err
	}
	return d.newDest(ref, c.Addr, c.Port), nil
}

// newDest makes the server of a record. The caller holds d.mu.
func (d *Director) newDest(ref conntrack.DestRef, addr frame.Addr, port uint16) *dest {
	ds := &dest{ref: ref, listed: len(d.byAddr[addr]), totals: &d.dests.At(ref).Traffic, servicePort: d.dests.At(ref).Service.Port}
	ds.Addr, ds.Port = addr, port
	ds.setNeighbour(d.neighbours[addr])
	d.byAddr[addr] = append(d.byAddr[addr], ds)
	return ds
}

// find is the server addr:port of s; nil: it has none.
func (s *service) find(d *Director, addr frame.Addr, port uint16) *dest {
	ref, known := d.dests.Ref(conntrack.DestKey{Service: s.cfg.Key, Addr: addr, Port: port})
	if !known {
		return nil
	}
	if ds := d.hops.Load().dest(ref); ds.in == s {
		return ds
	}
	return nil
}

// setMethod makes c's method and tunnel those of ds. The caller holds d.mu, and
// publishes ds.
func (d *Director) setMethod(ds *dest, c *ServerConfig) {
	ds.method = c.Method
	if c.Method.Tunnels() {
		ds.tunnelled, ds.tunnel = c.Method, c.Tunnel
	}
	rec := d.dests.At(ds.ref)
	rec.Method = c.Method
	rec.SetTunnel(c.Tunnel)
	ds.setNeighbour(d.neighbours[ds.Addr])
	d.answers(ds)
}

// EditServer changes a server's weight, thresholds, method and tunnel.
func (tx *Tx) EditServer(k ServiceKey, c ServerConfig) error {
	d := tx.d
	s := d.services.byKey[k]
	if s == nil {
		return ErrNotDefined
	}
	if err := c.Check(); err != nil && !errors.Is(err, ErrAddress) {
		return err
	}
	ds := s.find(d, c.Addr, c.Port)
	if ds == nil {
		return ErrNoServer
	}
	d.mu.Lock()
	defer d.release()
	ds.configure(c, d.Tunables())
	if c.Method != ds.method || c.Tunnel != ds.tunnel {
		d.setMethod(ds, &c)
		d.publish(ds)
	}
	s.sched.Update(s.picks, scheduler.Edited, slices.Index(s.dests, ds))
	s.stands()
	return nil
}

// DelServer removes a server. Its connections' packets are dropped until they
// expire or it comes back; with ExpireNodestConn they are removed at the next tick.
func (tx *Tx) DelServer(k ServiceKey, addr frame.Addr, port uint16) error {
	d := tx.d
	s := d.services.byKey[k]
	if s == nil {
		return ErrNotDefined
	}
	ds := s.find(d, addr, port)
	if ds == nil {
		return ErrNoServer
	}
	tx.remove(s, slices.Index(s.dests, ds))
	tx.expire([]*dest{ds})
	return nil
}

// remove takes the i-th server out of s.
func (tx *Tx) remove(s *service, i int) {
	d := tx.d
	d.mu.Lock()
	defer d.release()
	ds := s.dests[i]
	d.book(ds)
	ds.in = nil
	d.dests.Remove(ds.ref, tx.now)
	d.publish(ds)
	s.dests = slices.Delete(s.dests, i, i+1)
	s.picks = slices.Delete(s.picks, i, i+1)
	s.sched.Update(s.picks, scheduler.Removed, i)
	s.stands()
}
