package dataplane

import (
	"lvsdr/conntrack"
	"lvsdr/dataplane/frame"
	"lvsdr/scheduler"
)

// begunAnew reports whether e must be ignored and a server chosen afresh: for any
// packet if e's server was removed and expire_nodest_conn is set, and for a SYN
// that reuses the client port as net.ipv4.vs.conn_reuse_mode says (with
// expire_nodest_conn, also if the server is quiesced). RescheduleSYN adds the SYN that
// a client repeats because its server was removed before it answered.
func (d *Director) begunAnew(t *Table, e *conntrack.Entry, h *frame.Header) bool {
	syn := h.Proto == frame.ProtoTCP && h.Flags&frame.SYN != 0
	if t.tunables.ExpireNodestConn {
		ds := d.destOf(e)
		if ds.removed() || syn && ds.Weight == 0 && !ds.stranger {
			return true
		}
	}
	if !syn {
		return false
	}
	if t.tunables.RescheduleSYN && repeatsSYN(e, h) {
		if d.destOf(e).removed() {
			return true
		}
	}
	if t.tunables.ConnReuseMode == 0 || e.Controlled() {
		return false
	}
	switch e.State() {
	case conntrack.TimeWait, conntrack.Close:
		return true
	case conntrack.FinWait:
		return t.tunables.ConnReuseMode&2 != 0 && !e.BothHalves()
	}
	return false
}

// repeatsSYN reports whether h, of connection e, is a SYN that the client sends again,
// because no answer has come.
func repeatsSYN(e *conntrack.Entry, h *frame.Header) bool {
	return h.Proto == frame.ProtoTCP && h.Flags&(frame.SYN|frame.ACK|frame.RST) == frame.SYN && halfOpen(e)
}

// halfOpen reports whether nothing but SYNs came of the TCP connection e.
func halfOpen(e *conntrack.Entry) bool {
	s := e.State()
	return s == conntrack.SynRecv || s == conntrack.SynSent || s == conntrack.SynAck
}

// begins reports whether a packet of no known connection may begin one. With tcp and
// sctp one in the middle of a connection or association may, too.
func begins(p *Packet, tcp, sctp bool) bool {
	h := &p.header
	switch {
	case p.flow.quoted:
		return true
	case h.SrcPort == ftpDataPort:
		return false // FTP data is its control connection's, or nobody's
	case h.Proto == frame.ProtoTCP:
		return h.Flags&frame.RST == 0 && (h.Flags&frame.SYN != 0 || tcp)
	case h.Proto == frame.ProtoSCTP:
		chunk, ok := frame.SCTPChunk(p.Data, h)
		return ok && chunk != frame.SCTPAbort && (chunk == frame.SCTPInit || sctp)
	}
	return true
}

// unserved is the reason for a packet that no connection and no scheduler takes:
// what a host's own stack would answer. served says that there is a service
// for its port.
func (t *Table) unserved(p *Packet, served bool) Reason {
	h := &p.header
	switch {
	case !t.ours(&h.Dst):
		return NotOurs
	case t.ours(&h.Src):
		return BadSource
	case p.flow.quoted:
		return ICMPIgnored
	case h.Proto == frame.ProtoSCTP:
		return ProtocolIgnored
	case h.Proto != frame.ProtoTCP:
		return UnreachableNoService
	case h.Flags&frame.RST != 0:
		return ResetIgnored
	case served:
		return ResetNoConnection
	}
	return ResetNoService
}

// schedule makes the connection of p, which has none, to a server that the
// scheduler chose (Scheduled, Resumed) or a template knows (Persistent). A nil server
// comes with the reason; a nil entry beside a server is of one packet alone.
func (d *Director) schedule(t *Table, w *Scratch, p *Packet, now int64) (*dest, *conntrack.Entry, Reason) {
	k := &p.flow.key
	mark := t.mark(p)
	s := d.services.lookup(mark, k)
	begun := begins(p, t.tunables.SloppyTCP, t.tunables.SloppySCTP)
	switch {
	case s == nil || !begun && !d.resumes(w.shard, p, now):
		return nil, nil, d.unresumed(t.unserved(p, s != nil), now)
	case t.ours(&p.header.Src):
		return nil, nil, BadSource
	case d.sheds(t, w.shard):
		return nil, nil, Shed
	}
	ds, e, reason := d.assign(t, w, s, p, now)
	if e != nil {
		w.shard.conns.SetMark(e, mark)
	}
	if ds != nil && !begun {
		reason = Resumed
	}
	return ds, e, reason
}

// resumes reports whether p, which begins nothing, is taken for a packet of a
// connection from before the start: in the time for that, and while the table is not
// nearly full, since such connections are not given up for others.
func (d *Director) resumes(sh *shard, p *Packet, now int64) bool {
	return !d.resumeDrops && now < d.resumeUntil && !sh.strained && begins(p, true, true)
}

// unresumed is r, the reason for a packet that is not scheduled: where connections from before the
// start are to be waited for, none is reset.
func (d *Director) unresumed(r Reason, now int64) Reason {
	if r == ResetNoConnection && d.resumeDrops && now < d.resumeUntil {
		return NotResumed
	}
	return r
}

// assign makes the connection of p in s, as schedule returns it.
func (d *Director) assign(t *Table, w *Scratch, s *service, p *Packet, now int64) (*dest, *conntrack.Entry, Reason) {
	k := &p.flow.key
	once := s.cfg.OnePacket && k.Proto == frame.ProtoUDP
	if s.cfg.Persistence > 0 {
		return d.persist(t, w, s, p, once, now)
	}
	if !s.matches(k.VirtualPort) {
		return nil, nil, t.unserved(p, true)
	}
	ds := s.pick(t, p, now)
	if ds == nil {
		return nil, nil, d.noServer(t, s, p, now)
	}
	var e *conntrack.Entry
	if once {
		ds.single()
	} else if e = w.shard.insert(&p.flow.id, k, ds, nil, w.shard.trail(p), now); e == nil {
		return nil, nil, TableFull
	}
	s.totals.Conns++
	ds.totals.Conns++
	return ds, e, Scheduled
}

// noServer is the reason for p, of a new connection, where no server of s is fit.
// What was to another port than that of a service of FTP, which may be no FTP at
// all, is the host's own.
func (d *Director) noServer(t *Table, s *service, p *Packet, now int64) Reason {
	if now < d.settleUntil {
		for _, ds := range s.dests {
			if ds.Weight > 0 && ds.Unreachable && ds.mac == (frame.MAC{}) {
				return NoMAC
			}
		}
	}
	if s.cfg.Key.Port == ftpPort && p.flow.key.VirtualPort != ftpPort {
		return t.unserved(p, false)
	}
	return UnreachableNoServer
}

// sheds reports whether drop_packet refuses a new connection: one of some, the
// more often the fuller the table.
func (d *Director) sheds(t *Table, sh *shard) bool {
	mode := t.tunables.DropPacket
	if !acts(mode, sh.strained) {
		return false
	}
	rate := max(t.tunables.AMDropRate, 1)
	if mode < 3 {
		limit := sh.conns.Limit()
		room := limit - strainedAt(limit)
		rate = room / max(room-(limit-sh.conns.Len()), 1)
	}
	if d.shedding++; d.shedding < rate {
		return false
	}
	d.shedding = 0
	return true
}

// pick asks the scheduler for a server for the new connection of p; nil: none is
// fit.
func (s *service) pick(t *Table, p *Packet, now int64) *dest {
	s.setFlow(&s.flow, t, p, now)
	if i := s.sched.Pick(s.picks, &s.flow); i >= 0 {
		s.stands()
		return s.dests[i]
	}
	return nil
}

// setFlow makes *f the new connection of p as the scheduler sees it. Its destination is
// that of the packet, or of the packet which p quotes: that one went to the
// client.
func (s *service) setFlow(f *scheduler.Flow, t *Table, p *Packet, now int64) {
	k := &p.flow.key
	f.Src, f.Dst, f.SrcPort, f.DstPort = k.Client, k.Virtual, k.ClientPort, k.VirtualPort
	f.Flags, f.Now = s.cfg.Flags, now
	f.LBLCExpiration, f.LBLCRExpiration = t.tunables.LBLCExpiration, t.tunables.LBLCRExpiration
	if p.flow.quoted {
		f.Dst = k.Client
	}
}

// insert makes an entry for ds and counts it there, and for a masqueraded connection, whose
// client's frames came by trail, a reply entry; nil: the table is full.
func (sh *shard) insert(id *conntrack.ID, k *conntrack.Key, ds *dest, by *conntrack.Entry, trail conntrack.Trail, now int64) *conntrack.Entry {
	way := ds.forwarding().Way()
	if k.Template {
		way = conntrack.ByDirect
	}
	e := sh.conns.InsertID(way, id, k, ds.ref, by, now)
	if e == nil {
		return nil
	}
	ds.bind(e)
	if way == conntrack.ByMasquerade && !sh.addReply(e, ds, trail, now) {
		sh.conns.Remove(e)
		return nil
	}
	return e
}

// addReply makes the reply entry of e, which goes to ds; false: the table is full.
func (sh *shard) addReply(e *conntrack.Entry, ds *dest, trail conntrack.Trail, now int64) bool {
	return sh.conns.AddReply(e, ds.Addr, ds.portFor(e.VirtualPort(), e.Controlled()), trail, now)
}

// persist makes the connection of p, for the server that the client's template
// names. Where it has none that is of use, the scheduler chooses and a
// template is made.
func (d *Director) persist(t *Table, w *Scratch, s *service, p *Packet, once bool, now int64) (*dest, *conntrack.Entry, Reason) {
	k := s.templateKey(&p.flow.key)
	id := d.hasher.ID(&k)
	reason := Persistent
	at := d.templates(w.shard, id.Hash)
	defer w.shard.unlock(at)
	var ds *dest
	tmpl := at.find(&id, &k, now)
	if tmpl != nil {
		if ds = d.persistent(t, tmpl); ds == nil {
			at.conns.Invalidate(tmpl)
		}
	}
	if ds == nil {
		if ds = s.pick(t, p, now); ds == nil {
			return nil, nil, d.noServer(t, s, p, now)
		}
		if tmpl = at.insert(&id, &k, ds, nil, 0, now); tmpl == nil {
			return nil, nil, TableFull
		}
		at.conns.SetTimeout(tmpl, s.cfg.Persistence, now)
		at.conns.SetMark(tmpl, t.mark(p))
		reason = Scheduled
	}
	var e *conntrack.Entry
	if once {
		ds.single()
		w.shard.conns.NoteTemplate(tmpl, now)
	} else if e = w.shard.insert(&p.flow.id, &p.flow.key, ds, tmpl, w.shard.trail(p), now); e == nil {
		return nil, nil, TableFull
	}
	at.conns.Renew(tmpl, now)
	s.totals.Conns++
	ds.totals.Conns++
	return ds, e, reason
}

// persistent is the server of a template if it takes new connections of its
// clients, else nil: also with weight 0, unless ExpireQuiescentTemplate says no,
// but not once it was removed.
func (d *Director) persistent(t *Table, tmpl *conntrack.Entry) *dest {
	ds := d.destOf(tmpl)
	if ds == nil || ds.in == nil || ds.Weight == 0 && t.tunables.ExpireQuiescentTemplate {
		return nil
	}
	return ds
}

// templateKey is the key of the template that the client of connection c has
// in s. A service for all ports, and FTP's, has one template for all ports; a
// service by mark one for all protocols, addresses and ports.
func (s *service) templateKey(c *conntrack.Key) conntrack.Key {
	k := conntrack.Key{Client: s.mask(c.Client), Virtual: c.Virtual, VirtualPort: c.VirtualPort, Proto: c.Proto, Template: true}
	switch key := s.cfg.Key; {
	case key.Mark != 0:
		m := key.Mark
		bytes := [4]byte{byte(m >> 24), byte(m >> 16), byte(m >> 8), byte(m)}
		if k.Virtual = frame.AddrFrom4(bytes); key.IPv6 {
			k.Virtual = frame.Addr{}
			copy(k.Virtual[:], bytes[:])
		}
		k.VirtualPort, k.Proto = 0, 0
	case key.Port == 0 || key.Port == ftpPort:
		k.VirtualPort = 0
	}
	return k
}

// mask cuts a client's address down to what persistence looks at.
func (s *service) mask(a frame.Addr) frame.Addr {
	if s.cfg.Mask == (frame.Addr{}) {
		return a
	}
	from := 0
	if a.Is4() {
		from = 12 // the mapped form's prefix is no part of the address
	}
	for i := from; i < len(a); i++ {
		a[i] &= s.cfg.Mask[i]
	}
	return a
}
