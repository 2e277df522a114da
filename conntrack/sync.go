package conntrack

import "lvsdr/dataplane/frame"

// A SyncRule says with which packets other directors are told of a connection, as the
// tunables net.ipv4.vs.sync_* do.
type SyncRule struct {
	// A packet counts if its number modulo Period is Threshold; with Period 0, if its
	// number is Threshold.
	Threshold, Period uint32
	// Refresh is by how many ticks the end of an entry must have moved since it was told
	// for it to be told again; 0: that does not matter. Retries is how often it is told
	// once more after that.
	Refresh, Retries uint32
	// TemplatesOnly leaves out connections that a template made.
	TemplatesOnly bool
	// OldFormat is that of version 0: no IPv6, and templates only with connections that
	// are told of themselves.
	OldFormat bool
}

// A SyncEvent is an entry that other directors are to be told of.
type SyncEvent struct {
	// Slot is that of a template if Template is set: it was used, at the tick At. What
	// it is now, and whether it is to be told of, is Group.Due's to say.
	Slot     uint32
	At       uint32
	Template bool
	always   bool // as if its packets were at the threshold

	// The rest is about a connection: as it is after the packet, with its timeout in
	// ticks and its firewall mark.
	Timeout uint32
	Mark    uint32
	Entry   Entry
	pair    Pair
}

// Key is the key of the entry.
func (e *SyncEvent) Key() Key { return e.Entry.key(&e.pair) }

// Seconds is Timeout in seconds.
func (e *SyncEvent) Seconds() uint32 { return e.Timeout / ticksPerSecond }

// A syncNote is the memory of what was told of an entry.
type syncNote struct {
	// end is the tick at which the entry ended when it was told, or when it was made;
	// its two lower bits count how often it was told once more.
	end  uint32
	mark uint32
	// seen is, of a connection, its state when it was told; of a template, how often
	// packets of its connections came.
	seen uint32
	// known says that end means something: the entry was made, or told, since the log is
	// there.
	known bool
}

// retryBits are the bits of syncNote.end that count.
const retryBits = 3

// told notes that a message told of e.
func (n *syncNote) told(e *Entry, x *Told) {
	if n.seen = uint32(x.State); e.Template() {
		n.seen = x.Packets
	}
	if x.New {
		n.mark = x.Mark
	}
}

// A SyncLog notes which entries other directors are to be told of, for a reader who comes
// by now and then. What belongs to a table is guarded like its timers, so that a packet
// that changes nothing else can be noted; but the notes of templates are guarded like
// templates. If the reader is too late, events are not kept, and counted.
type SyncLog struct {
	rule  SyncRule
	ring  []SyncEvent
	next  uint64 // events so far
	read  uint64 // events that were read
	lost  uint64
	notes []syncNote // by place in the table
}

// NewSyncLog makes a log of t with room for size events, a power of two, and a note for
// each place in t.
func (t *Table) NewSyncLog(size int, r SyncRule) *SyncLog {
	return &SyncLog{rule: r, ring: make([]SyncEvent, size), notes: make([]syncNote, len(t.lines)*perLine)}
}

// SetSyncLog has t write to l from now on; nil: no other director is told.
func (t *Table) SetSyncLog(l *SyncLog) { t.sync = l }

// SetRule changes the rule.
func (l *SyncLog) SetRule(r SyncRule) { l.rule = r }

// Read moves the events that were noted into buf, the oldest first. It returns how many,
// and how many were lost since the last Read.
func (l *SyncLog) Read(buf []SyncEvent) (n int, lost uint64) {
	for n < len(buf) && l.read < l.next {
		buf[n] = l.ring[l.read&uint64(len(l.ring)-1)]
		n++
		l.read++
	}
	lost, l.lost = l.lost, 0
	return n, lost
}

// room is a place for one more event; nil: there is none. The last half of the ring is
// for connections.
func (l *SyncLog) room(template bool) *SyncEvent {
	used := int(l.next - l.read)
	if used == len(l.ring) || template && used > len(l.ring)/2 {
		l.lost++
		return nil
	}
	e := &l.ring[l.next&uint64(len(l.ring)-1)]
	l.next++
	return e
}

// made notes that an entry was made at a place.
func (l *SyncLog) made(place int, at uint32) {
	l.notes[place] = syncNote{end: at &^ retryBits, known: true}
}

// note is the note of e, whichever table of the group it is in; nil: there is no log.
func (t *Table) note(e *Entry) *syncNote {
	if t.sync == nil {
		return nil
	}
	if place := t.placeOf(e); place >= 0 {
		return &t.sync.notes[place]
	}
	return t.group.noteAt(uint32(t.group.slotOf(e)))
}

// noteAt is the note of a slot; nil: there is no log.
func (g *group) noteAt(slot uint32) *syncNote {
	t := g.tables[int(slot/perLine)/(len(g.lines)/len(g.tables))]
	if t.sync == nil {
		return nil
	}
	return &t.sync.notes[int(slot)-t.first]
}

// SetMark notes the firewall mark of the packet for which e was made.
func (t *Table) SetMark(e *Entry, mark uint32) {
	if n := t.note(e); n != nil && mark != 0 {
		n.mark = mark
	}
}

// Note notes a packet of connection e at now, after Refresh: e, and the template that
// made it, may be due to be told of.
func (t *Table) Note(e *Entry, now int64) {
	if t.sync != nil {
		t.sync.packet(t, e, ticks(now))
	}
}

// NoteTemplate notes that template e was used at now by a packet of no connection.
func (t *Table) NoteTemplate(e *Entry, now int64) {
	if t.sync != nil && !t.sync.rule.OldFormat {
		t.sync.used(uint32(t.group.slotOf(e)), ticks(now))
	}
}

// packet is Note.
func (l *SyncLog) packet(t *Table, e *Entry, at uint32) {
	if l.rule.OldFormat && e.kindProto()&v6 != 0 {
		return
	}
	told := l.connection(t, e, at)
	if e.Controlled() && (told || !l.rule.OldFormat) {
		l.used(e.templateSlot(), at)
	}
}

// connection notes connection e if it is due, and reports whether it is.
func (l *SyncLog) connection(t *Table, e *Entry, at uint32) bool {
	r := &l.rule
	if r.TemplatesOnly && e.Controlled() || !tellable(e) {
		return false
	}
	n := (*syncNote)(nil)
	end := (at + t.timeout(e)) &^ retryBits
	closing := hasStates(e.proto()) && !open(e)
	if closing || r.Refresh > 0 {
		n = t.note(e)
	}
	if forced := closing && n.seen != uint32(e.State()); !forced {
		if r.Refresh > 0 && !r.refreshes(n, &end, at, t.timeout(e)) || !r.counts(*e.packets()) {
			return false
		}
		if n == nil {
			n = t.note(e)
		}
	}
	event := l.room(false)
	if event == nil {
		return true
	}
	n.end, n.seen, n.known = end, uint32(e.State()), true
	event.Slot, event.At, event.Template, event.Timeout, event.Mark, event.Entry = 0, at, false, t.timeout(e), n.mark, *e
	if e.kindProto()&v6 != 0 {
		event.pair = t.pairOf(e)
	}
	return true
}

// tellable reports whether others are told of a connection in the state of e at all.
func tellable(e *Entry) bool {
	switch e.proto() {
	case frame.ProtoTCP:
		switch e.State() {
		case Established, FinWait, TimeWait, Close, CloseWait:
			return true
		}
		return false
	case frame.ProtoSCTP:
		switch e.State() {
		case SCTPEstablished, SCTPShutdown, SCTPClosed:
			return true
		}
		return false
	}
	return true
}

// hasStates reports whether connections of that protocol have states.
func hasStates(p frame.Proto) bool { return p == frame.ProtoTCP || p == frame.ProtoSCTP }

// open reports whether connection e, of a protocol with states, is open.
func open(e *Entry) bool {
	if e.proto() == frame.ProtoSCTP {
		return e.State() == SCTPEstablished
	}
	return e.State() == Established
}

// counts reports whether the packet of that number is one to tell with.
func (r *SyncRule) counts(packet uint32) bool {
	if r.Period > 0 {
		return packet%r.Period == r.Threshold
	}
	return r.Refresh > 0 || packet == r.Threshold
}

// leastMove is how far, in ticks, the end of an entry must move to be told again at
// least: 10 s.
const leastMove = 10 * ticksPerSecond

// refreshes reports whether an entry that would end at *end is to be told for that at
// the tick at: its end has moved by Refresh, or by half its timeout if that is less, but
// 10 s at least; or it is time to tell it once more, which *end then counts.
func (r *SyncRule) refreshes(n *syncNote, end *uint32, at, timeout uint32) bool {
	if !n.known {
		return true
	}
	moved := int64(int32(*end - n.end))
	if max(moved, -moved) >= min(int64(r.Refresh), max(int64(timeout/2), leastMove)) {
		return true
	}
	retries := n.end & retryBits
	if retries >= r.Retries || int32(at-(n.end-timeout+r.Refresh/8)) < 0 {
		return false
	}
	*end |= retries + 1
	return true
}

// used notes that the template at slot was used.
func (l *SyncLog) used(slot, at uint32) {
	if e := l.room(true); e != nil {
		e.Slot, e.At, e.Template, e.always = slot, at, true, false
	}
}

// lapsed notes that the template at slot lives on because it has connections.
func (l *SyncLog) lapsed(slot, at uint32) {
	if e := l.room(true); e != nil {
		e.Slot, e.At, e.Template, e.always = slot, at, true, true
	}
}

// Due completes an event about a template, with what that is now, and reports whether
// others are to be told of it. The caller holds the lock for all tables.
func (t *Table) Due(event *SyncEvent) bool {
	e := t.group.at(event.Slot)
	n := t.group.noteAt(event.Slot)
	if !e.Template() || n == nil || t.sync == nil {
		return false
	}
	r := &t.sync.rule
	packets := r.Threshold
	if !event.always {
		n.seen++
		packets = n.seen
	}
	timeout := *e.lifetime()
	end := (event.At + timeout) &^ retryBits
	if r.Refresh > 0 && !r.refreshes(n, &end, event.At, timeout) || r.Period == 0 && !r.counts(packets) {
		return false
	}
	n.end, n.known = end, true
	event.Timeout, event.Mark, event.Entry = timeout, n.mark, *e
	if e.kindProto()&v6 != 0 {
		event.pair = t.group.pairAt(event.Slot)
	}
	return true
}

// pairOf are the addresses of e, of IPv6, whichever table it is in.
func (t *Table) pairOf(e *Entry) Pair {
	if t.placeOf(e) >= 0 {
		return t.pairs[uint32(e.addrs)]
	}
	return t.group.pairAt(uint32(t.group.slotOf(e)))
}

// pairAt are the addresses of the IPv6 entry at a slot.
func (g *group) pairAt(slot uint32) Pair {
	t := g.tables[int(slot/perLine)/(len(g.lines)/len(g.tables))]
	return t.pairs[uint32(g.at(slot).addrs)]
}
