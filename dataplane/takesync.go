package dataplane

import (
	"time"

	"lvsdr/conntrack"
	"lvsdr/dataplane/frame"
)

// maxStrangers is how many servers that are in no service, or in none any more, messages may
// name. Beyond it, entries for others are refused.
const maxStrangers = 1 << 12

// takeStep is how many entries of messages are taken while a worker may have to wait.
const takeStep = 64

// SyncTaken counts what became of the entries that TakeSync was given.
type SyncTaken struct {
	Made     uint64 // entries that were not there
	Updated  uint64 // entries that were
	Replaced uint64 // made in place of one to another server
	Ignored  uint64 // about the end of a connection that goes to another server here
	Refused  uint64 // the table has no room for entries of others, or there are too many servers
}

// Add adds other to t.
func (t *SyncTaken) Add(other SyncTaken) {
	t.Made += other.Made
	t.Updated += other.Updated
	t.Replaced += other.Replaced
	t.Ignored += other.Ignored
	t.Refused += other.Refused
}

// TakeSync makes and updates entries as another director tells, at now. An entry goes to
// the server it names: if that is in the service that the entry is of, it counts there, as
// an active or an inactive connection as it says; if not, packets go there all the
// same, and the next message about it may find the server. Thresholds and weights do not
// matter. Entries of others take no room from those that are here: they are refused when
// the table is 15/16 full, and go before others where a place is needed.
func (d *Director) TakeSync(entries []Synced, now int64) (taken SyncTaken) {
	defer d.publishAnswerers()
	for len(entries) > 0 {
		n := min(takeStep, len(entries))
		taken.Add(d.takeSome(entries[:n], now))
		entries = entries[n:]
	}
	return taken
}

// takeSome is TakeSync for entries that are few.
func (d *Director) takeSome(entries []Synced, now int64) (taken SyncTaken) {
	d.admin.Lock()
	defer d.admin.Unlock()
	d.mu.Lock()
	defer d.release()
	threshold := uint32(d.Tunables().SyncThreshold)
	for i := range entries {
		x := taking{d: d, Synced: &entries[i], id: d.hasher.ID(&entries[i].Key), now: now, threshold: threshold}
		count := x.take(&taken)
		if count == nil { // its server is not known yet; no shard is locked here
			if count = &taken.Refused; d.addStranger(x.Synced, now) {
				count = x.take(&taken)
			}
		}
		*count++
	}
	return taken
}

// A taking is an entry of a message that is taken.
type taking struct {
	d *Director
	*Synced
	id        conntrack.ID
	now       int64
	threshold uint32
}

// take takes x and returns the count of taken that it belongs to; nil: nothing was done,
// because it needs a server that is in no service and not known as such.
func (x *taking) take(taken *SyncTaken) *uint64 {
	d := x.d
	own := d.shardOf(x.id.Hash)
	own.mu.Lock()
	defer own.mu.Unlock()
	e, at := d.find(own, &x.id, &x.Key, x.now)
	defer own.unlock(at)
	made := &taken.Made
	if e != nil {
		ds := d.destOf(e)
		if x.Key.Template || x.names(ds, e) {
			x.update(at, e, ds)
			return &taken.Updated
		}
		if x.Inactive {
			return &taken.Ignored
		}
		made = &taken.Replaced
	}
	if !at.conns.Admits(x.id.Hash, x.now) {
		return &taken.Refused
	}
	ds := x.server()
	if ds == nil {
		return nil
	}
	if e != nil {
		at.conns.Retire(e, x.now)
	}
	if e = at.insert(&x.id, &x.Key, ds, nil, 0, x.now); e == nil {
		return &taken.Refused
	}
	x.tell(at, e, ds, true)
	ds.count(false, e.Active())
	return made
}

// names reports whether x is about e, a connection to ds. A server of all ports is the same at
// any.
func (x *taking) names(ds *dest, e *conntrack.Entry) bool {
	return ds != nil && ds.Addr == x.Server && (x.Port == ds.portOf(&x.Key, e) || ds.Port == 0 && !ds.stranger)
}

// update makes e, of shard at, what x tells; its server is ds, nil if that was forgotten.
func (x *taking) update(at *shard, e *conntrack.Entry, ds *dest) {
	was := e.Active()
	x.tell(at, e, ds, false)
	if ds == nil {
		return
	}
	ds.count(was, e.Active())
	if !ds.stranger {
		return
	}
	to := x.listed(ds.Addr, ds.Port)
	if to == nil {
		return
	}
	ds.unbind(e)
	at.conns.Rebind(e, to.ref, to.method.Way())
	to.bind(e)
	if to.method == Masquerade {
		at.addReply(e, to, 0, x.now)
	}
	if e.Active() {
		to.count(false, true)
	}
}

// count moves a connection from the inactive to the active ones, or back.
func (d *dest) count(was, is bool) {
	switch {
	case is && !was:
		d.Active++
		d.Inactive--
	case was && !is:
		d.Active--
		d.Inactive++
	default:
		return
	}
	d.Changed()
}

// tell makes e, of shard at and for ds, what x tells.
func (x *taking) tell(at *shard, e *conntrack.Entry, ds *dest, made bool) {
	at.conns.Tell(e, &conntrack.Told{State: x.State, Active: !x.Inactive, Both: !x.NoOutput && (ds == nil || ds.stranger),
		Timeout: time.Duration(x.Timeout) * time.Second, Packets: x.threshold, Mark: x.Mark, New: made}, x.now)
}

// server is the server that x names; nil: it is in no service, and no stranger yet.
func (x *taking) server() *dest {
	if ds := x.listed(x.Server, x.Port); ds != nil {
		return ds
	}
	if ref, known := x.d.dests.Ref(strangerKey(x.Synced)); known {
		return x.d.hops.Load().dest(ref)
	}
	return nil
}

// listed is the server addr:port of the service that x is of; nil: there is none. In a
// service by firewall mark servers have no port, unless they are masqueraded.
func (x *taking) listed(addr frame.Addr, port uint16) *dest {
	d := x.d
	s := d.services.lookup(x.Mark, &x.Key)
	if s == nil || x.Mark != 0 && isIPv6(s.cfg.Key) == x.Key.Client.Is4() {
		return nil
	}
	first := port
	if x.Mark != 0 && x.Method != Masquerade {
		first = 0
	}
	if ds := s.find(d, addr, first); ds != nil {
		return ds
	}
	return s.find(d, addr, first^port)
}

// strangerKey is the key in the registry of the server that x names, which is in no
// service. The method stands where a service has its port.
func strangerKey(x *Synced) conntrack.DestKey {
	return conntrack.DestKey{Service: ServiceKey{Port: uint16(x.Method)}, Addr: x.Server, Port: x.Port}
}

// addStranger adds the server that x names, which is in no service. It is forgotten, like a
// removed one, when no entry has gone to it for a while. false: there are too many. The
// caller holds d.admin and d.mu, and no shard's lock.
func (d *Director) addStranger(x *Synced, now int64) bool {
	k := strangerKey(x)
	if d.strangers == maxStrangers || !unicast(x.Server) {
		return false
	}
	ds, err := d.addDest(k.Service, &ServerConfig{Addr: x.Server, Port: x.Port, Method: x.Method})
	if err != nil {
		return false
	}
	ds.stranger, ds.method = true, x.Method
	d.answers(ds)
	d.publish(ds)
	d.dests.Remove(ds.ref, now)
	d.strangers++
	return true
}

// Strangers are the addresses of servers that are in no service and to which entries of
// other directors go. Packets reach those whose neighbour is set.
func (d *Director) Strangers() []frame.Addr {
	seen := map[frame.Addr]bool{}
	var all []frame.Addr
	d.eachRemoved(func(ds *dest) {
		if ds.stranger && !seen[ds.Addr] {
			seen[ds.Addr] = true
			all = append(all, ds.Addr)
		}
	})
	return all
}

// SetBackup says whether the director runs a backup daemon: with the tunable BackupOnly
// it takes no packets while it does.
func (d *Director) SetBackup(runs bool) {
	d.Edit(0, func(tx *Tx) { tx.edit().backup = runs })
}

// serves reports whether packets of the family are the services': there are any, and the
// director is not a backup that only waits.
func (d *Director) serves(t *Table, ipv6 bool) bool { return !t.waits() && d.services.serve(ipv6) }

// leave leaves p to the host, since the director waits. A reset that p is answered with
// passes by its connection as if the server had sent it, and closes it.
func (d *Director) leave(t *Table, s *Scratch, p *Packet, now int64) Reason {
	reason := t.unserved(p, false)
	if reason != ResetNoService || !d.services.serve(p.header.Kind == frame.IPv6) {
		return reason
	}
	e, at := d.find(s.shard, &p.flow.id, &p.flow.key, now)
	defer s.shard.unlock(at)
	if e == nil {
		return reason
	}
	if ds := d.destOf(e); ds != nil {
		d.move(s, ds, e, conntrack.Close)
		s.shard.conns.Refresh(e, now)
	}
	return reason
}

// move moves e, which goes to ds, to next. What is in no service counts as it did.
func (d *Director) move(s *Scratch, ds *dest, e *conntrack.Entry, next conntrack.State) {
	if !ds.stranger {
		d.setState(s, ds, e, next)
		return
	}
	if next != e.State() {
		active := e.Active()
		s.shard.conns.SetState(e, next)
		e.Keep(active)
	}
}

// waits reports whether the director takes no packets, because it is a backup.
func (t *Table) waits() bool { return t.backup && t.tunables.BackupOnly }

// passStranger sends p, of connection e, to ds, which is in no service. The entry moves on
// with its packets, but counts as it did.
func (d *Director) passStranger(t *Table, s *Scratch, p *Packet, ds *dest, e *conntrack.Entry, now int64) Reason {
	d.move(s, ds, e, p.nextOf(e, acts(t.tunables.SecureTCP, s.shard.strained)))
	s.shard.conns.Refresh(e, now)
	s.shard.conns.Note(e, now)
	return p.routeToStranger(t, ds, e, Hit)
}

// routeToStranger directs p to ds, which is in no service, if it is one that packets can
// be sent to.
func (p *Packet) routeToStranger(t *Table, ds *dest, e *conntrack.Entry, reason Reason) Reason {
	switch ds.method {
	case Direct:
		return p.routeTo(ds.hop, reason)
	case Masquerade:
		p.masquerade(ds, e.VirtualPort(), e.Controlled())
		return p.routeTo(ds.hop, reason)
	case Local:
		return t.unserved(p, false)
	}
	return NoMethod
}
