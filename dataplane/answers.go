package dataplane

import (
	"iter"
	"maps"
	"slices"

	"lvsdr/conntrack"
	"lvsdr/dataplane/frame"
)

// An AnswerSource is where answers of masqueraded servers come from: what NICs must hand
// to the director, and the host must not deal with.
type AnswerSource struct {
	Proto frame.Proto // 0: TCP, UDP and SCTP
	Addr  frame.Addr
	Port  uint16 // 0: all ports
}

// answerers count the masqueraded servers of each source, removed ones too as long as they
// are remembered; Director.admin guards them.
type answerers struct {
	bySource map[AnswerSource]int
	byAddr   map[frame.Addr]int
	changed  bool // since the table was published
}

// sourceOf is the source of ds's answers.
func (d *Director) sourceOf(ds *dest) AnswerSource {
	service := d.dests.At(ds.ref).Service
	s := AnswerSource{Proto: service.Proto, Addr: ds.Addr, Port: ds.Port}
	if ds.stranger {
		s.Proto = 0
	}
	if service.Mark == 0 && !ds.stranger && (service.Port == 0 || service.Port == ftpPort) {
		s.Port = 0
	}
	return s
}

// answers notes that ds is masqueraded, or has been while connections of it may live. The
// caller holds d.admin.
func (d *Director) answers(ds *dest) {
	if ds.method != Masquerade || ds.answers {
		return
	}
	ds.answers = true
	d.answerers.add(d.sourceOf(ds), 1)
}

// answersNoMore takes answers back, because ds is forgotten. The caller holds d.admin.
func (d *Director) answersNoMore(ds *dest) {
	if ds.answers {
		d.answerers.add(d.sourceOf(ds), -1)
	}
}

// add counts one more of s, or one less.
func (a *answerers) add(s AnswerSource, by int) {
	if a.bySource == nil {
		a.bySource, a.byAddr = map[AnswerSource]int{}, map[frame.Addr]int{}
	}
	if a.bySource[s] += by; a.bySource[s] == 0 {
		delete(a.bySource, s)
	}
	was := a.byAddr[s.Addr]
	if a.byAddr[s.Addr] += by; a.byAddr[s.Addr] == 0 {
		delete(a.byAddr, s.Addr)
	}
	a.changed = a.changed || (was == 0) != (a.byAddr[s.Addr] == 0)
}

// tellAnswerers has t know the addresses of masqueraded servers, if they changed. The
// caller holds d.admin.
func (d *Director) tellAnswerers(t *Table) {
	d.answerers.changed = false
	t.answerers = newAddrs(slices.Collect(maps.Keys(d.answerers.byAddr)))
}

// publishAnswerers is tellAnswerers outside an edit.
func (d *Director) publishAnswerers() {
	d.admin.Lock()
	defer d.admin.Unlock()
	if d.answerers.changed {
		t := *d.table.Load()
		d.tellAnswerers(&t)
		d.table.Store(&t)
	}
}

// Answers are the sources of answers, in no order. They change with edits that add
// the first or remove the last masqueraded server of one, and when such a server is
// forgotten: some minutes after the end of its last connection.
func (d *Director) Answers() iter.Seq[AnswerSource] {
	d.admin.Lock()
	all := slices.Collect(maps.Keys(d.answerers.bySource))
	d.admin.Unlock()
	return slices.Values(all)
}

// listens reports whether a server of some service is at the source of p: one that
// net.ipv4.vs.nat_icmp_send is about. The caller holds d.mu.
func (d *Director) listens(p *Packet) bool {
	h := &p.header
	for _, s := range [...]AnswerSource{{h.Proto, h.Src, h.SrcPort}, {0, h.Src, h.SrcPort}, {h.Proto, h.Src, 0}, {0, h.Src, 0}} {
		if d.answerers.bySource[s] > 0 {
			return true
		}
	}
	return false
}

// serverSide is where connection e goes, as conntrack.Config.Server wants it.
func (d *Director) serverSide(_ *conntrack.Table, e *conntrack.Entry) (frame.Addr, uint16, bool) {
	ds := d.destOf(e)
	if ds == nil {
		return frame.Addr{}, 0, false
	}
	return ds.Addr, ds.portFor(e.VirtualPort(), e.Controlled()), true
}

// portFor is the port at ds of a masqueraded packet to a virtual port; controlled says that
// a template made its connection: then a server's port counts where the service has one,
// too.
func (d *dest) portFor(virtual uint16, controlled bool) uint16 {
	if d.Port == 0 || controlled && !d.stranger && virtual != d.servicePort {
		return virtual
	}
	return d.Port
}
