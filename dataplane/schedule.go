package dataplane

import (
	"lvsdr/conntrack"
	"lvsdr/dataplane/frame"
	"lvsdr/scheduler"
)

// begunAnew reports whether a packet of the known connection e is taken as one
// of no connection: any, where the server was removed before expire_nodest_conn
// was set; a SYN that begins another connection, for which a server is chosen
// anew (net.ipv4.vs.conn_reuse_mode, and expire_nodest_conn for a quiesced
// server).
func (d *Director) begunAnew(t *Table, e *conntrack.Entry, h *frame.Header) bool {
	syn := h.Proto == frame.ProtoTCP && h.Flags&frame.SYN != 0
	if t.tunables.ExpireNodestConn {
		ds := d.destOf(e)
		if ds == nil || ds.in == nil || syn && ds.Weight == 0 {
			return true
		}
	}
	if !syn {
		return false
	}
	if t.tunables.ConnReuseMode == 0 || e.Controlled() {
		return false
	}
	switch e.State() {
	case conntrack.TimeWait, conntrack.Close:
		return true
	case conntrack.FinWait:
		return t.tunables.ConnReuseMode&2 != 0
	}
	return false
}

// begins reports whether a packet of no known connection may begin one.
func (t *Table) begins(h *frame.Header) bool {
	if h.SrcPort == ftpDataPort {
		return false // FTP data is its control connection's, or nobody's
	}
	if h.Proto != frame.ProtoTCP {
		return true
	}
	return h.Flags&frame.RST == 0 && (h.Flags&frame.SYN != 0 || t.tunables.SloppyTCP)
}

// unserved is what a packet gets that no connection and no scheduler takes:
// what a host's own stack would answer. served says that there is a service
// for its port.
func (t *Table) unserved(h *frame.Header, served bool) Reason {
	switch {
	case !t.ours(h.Dst):
		return NotOurs
	case h.Proto != frame.ProtoTCP:
		return UnreachableNoService
	case h.Flags&frame.RST != 0:
		return ResetIgnored
	case served:
		return ResetNoConnection
	}
	return ResetNoService
}

// schedule makes the connection of p, which has none: for a server the
// scheduler chose (Scheduled) or a template knows (Persistent). A nil entry comes
// with the reason.
func (d *Director) schedule(t *Table, p *Packet, now int64) (*conntrack.Entry, Reason) {
	h := &p.header
	s := t.lookup(p.Mark, h.Proto, h.Dst, h.DstPort)
	if s == nil || !t.begins(h) {
		return nil, t.unserved(h, s != nil)
	}
	if t.ours(h.Src) {
		return nil, BadSource
	}
	if s.cfg.Persistence > 0 {
		return d.persist(t, s, p, now)
	}
	if !s.matches(h.DstPort) {
		return nil, t.unserved(h, true)
	}
	ds := s.pick(h, now)
	if ds == nil {
		return nil, UnreachableNoServer
	}
	e := d.insert(&p.flow.key, p.flow.hash, ds, nil, now)
	if e == nil {
		return nil, TableFull
	}
	s.totals.Conns++
	ds.totals.Conns++
	return e, Scheduled
}

// pick asks the scheduler for a server; nil: none is fit.
func (s *service) pick(h *frame.Header, now int64) *dest {
	s.flow = scheduler.Flow{Src: h.Src, Dst: h.Dst, SrcPort: h.SrcPort, DstPort: h.DstPort, Flags: s.cfg.Flags, Now: now}
	if i := s.sched.Pick(s.picks, &s.flow); i >= 0 {
		return s.dests[i]
	}
	return nil
}

// insert makes an entry for ds and counts it there; nil: the table is full.
func (d *Director) insert(k *conntrack.Key, hash uint64, ds *dest, by *conntrack.Entry, now int64) *conntrack.Entry {
	e := d.conns.Insert(k, hash, ds.ref(), by, now)
	if e != nil {
		ds.bind(e)
	}
	return e
}

// persist makes the connection of p, for the server that the client's template
// names. Where it has none that is of use, the scheduler chooses and a
// template is made.
func (d *Director) persist(t *Table, s *service, p *Packet, now int64) (*conntrack.Entry, Reason) {
	k := s.templateKey(&p.header)
	hash := d.conns.Hash(&k)
	reason := Persistent
	tmpl := d.conns.Find(&k, hash, now)
	if tmpl != nil && !d.serves(t, tmpl) {
		d.conns.Invalidate(tmpl)
		tmpl = nil
	}
	if tmpl == nil {
		ds := s.pick(&p.header, now)
		if ds == nil {
			return nil, UnreachableNoServer
		}
		if tmpl = d.insert(&k, hash, ds, nil, now); tmpl == nil {
			return nil, TableFull
		}
		d.conns.SetTimeout(tmpl, s.cfg.Persistence, now)
		reason = Scheduled
	}
	ds := d.destOf(tmpl)
	e := d.insert(&p.flow.key, p.flow.hash, ds, tmpl, now)
	if e == nil {
		return nil, TableFull
	}
	d.conns.Renew(tmpl, now)
	s.totals.Conns++
	ds.totals.Conns++
	return e, reason
}

// serves reports whether a template's server takes new connections of its
// clients: also with weight 0, unless ExpireQuiescentTemplate says no, but not
// once it was removed.
func (d *Director) serves(t *Table, tmpl *conntrack.Entry) bool {
	ds := d.destOf(tmpl)
	if ds == nil || ds.in == nil {
		return false
	}
	return ds.Weight > 0 || !t.tunables.ExpireQuiescentTemplate
}

// templateKey is the key of the template that a packet's client has in s. A
// service for all ports, and FTP's, has one template for all ports; a service
// by mark one for all protocols, addresses and ports.
func (s *service) templateKey(h *frame.Header) conntrack.Key {
	k := conntrack.Key{Client: s.mask(h.Src), Virtual: h.Dst, VirtualPort: h.DstPort, Proto: h.Proto, Template: true}
	switch key := s.cfg.Key; {
	case key.Mark != 0:
		m := key.Mark
		k.Virtual = frame.AddrFrom4([4]byte{byte(m >> 24), byte(m >> 16), byte(m >> 8), byte(m)})
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
	m := s.cfg.Mask.As4()
	for i := range m {
		a[12+i] &= m[i]
	}
	return a
}
