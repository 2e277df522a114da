package conntrack

import (
	"time"

	"lvsdr/dataplane/frame"
)

// lapse is how long, in ticks, a template lives on when its time is up but it
// still has connections; it is its timeout from then on.
const lapse = 60 * ticksPerSecond

// timeout is the life of connection e after a packet, in ticks.
func (t *Table) timeout(e *Entry) uint32 {
	switch e.proto() {
	case frame.ProtoUDP:
		return t.udp
	case frame.ProtoSCTP:
		return t.sctp[e.State()]
	}
	return t.timeouts[e.State()]
}

// Restart restarts the timer of connection e for a packet of its server's at now.
func (t *Table) Restart(e *Entry, now int64) { e.expires = ticks(now) + t.timeout(e) }

// Refresh restarts the timer of connection e for a packet at now, and counts
// the packet.
func (t *Table) Refresh(e *Entry, now int64) {
	e.expires = ticks(now) + t.timeout(e)
	if n := e.aux + 1; n != 0 {
		e.aux = n
	}
}

// SetState moves connection e to s; a connection that gets established makes
// its template an assured one. The timer is Refresh's.
func (t *Table) SetState(e *Entry, s State) {
	e.setState(s)
	e.word &^= flagContrary
	established := Established
	if e.proto() == frame.ProtoSCTP {
		established = SCTPEstablished
	}
	t.changed(e)
	if s == established && e.Controlled() {
		if by := t.group.at(e.templateSlot()); by.State() != Assured {
			by.setState(Assured)
			t.group.tell(FlowChanged, e.templateSlot())
		}
	}
}

// Renew restarts the timer of template e, which a new connection uses, with
// its own timeout.
func (t *Table) Renew(e *Entry, now int64) { e.expires = ticks(now) + *e.lifetime() }

// SetTimeout gives template e its timeout, with which Renew works from now on.
func (t *Table) SetTimeout(e *Entry, timeout time.Duration, now int64) {
	*e.lifetime() = uint32(timeout / tick)
	t.Renew(e, now)
	t.changed(e)
}

// Template returns the template that made connection e, or nil.
func (t *Table) Template(e *Entry) *Entry {
	if !e.Controlled() {
		return nil
	}
	return t.group.at(e.templateSlot())
}

// Invalidate makes template e one that no new connection finds. It stays until
// it expires and its connections are gone.
func (t *Table) Invalidate(e *Entry) {
	e.become(invalid)
	t.changed(e)
}

// Retire takes connection e out of sight, because another takes its key. It
// counts until the next tick, as in the kernel, where a timer unlinks it.
func (t *Table) Retire(e *Entry, now int64) {
	e.become(retired)
	e.expires = ticks(now) + 1
	t.changed(e)
}

// Restore takes Retire of e, whose key is k, back where nothing took the key: e
// is found again, ends at the next tick, and lives on if a packet restarts its
// timer before. It reports whether e is still there.
func (t *Table) Restore(e *Entry, k *Key) bool {
	if e.kind() != retired || t.placeOf(e) < 0 || t.Key(e) != *k {
		return false // evicted meanwhile, and perhaps another's place
	}
	e.become(conn)
	t.changed(e)
	return true
}

// end deals with the entry at slot, whose time is up: it is removed, but a
// template with connections lives on, and so does a connection that was used
// elsewhere. It reports whether the entry is gone.
func (t *Table) end(slot int, at uint32) bool {
	e := t.at(slot)
	if e.isReply() {
		return t.endReply(slot, at)
	}
	if e.Template() && *e.controlled() > 0 {
		*e.lifetime() = lapse
		for e.expired(at) {
			e.expires += lapse
		}
		t.changed(e)
		if t.sync != nil {
			t.sync.lapsed(uint32(t.first+slot), at)
		}
		return false
	}
	if used := t.usedUntil(e); used != e.expires {
		if e.expires = used; !e.expired(at) {
			return false
		}
	}
	t.remove(slot)
	return true
}

// usedUntil is the tick at which e ends, whose time is up, if its use elsewhere
// counts.
func (t *Table) usedUntil(e *Entry) uint32 {
	if t.Alive == nil || e.kind() != conn {
		return e.expires
	}
	return t.until(e, t.Alive(t, e))
}

// until is the tick at which connection e ends that was used elsewhere last at a time; 0: not
// at all.
func (t *Table) until(e *Entry, last int64) uint32 {
	if until := ticks(last) + t.timeout(e); last != 0 && int32(until-e.expires) > 0 {
		return until
	}
	return e.expires
}

// over reports whether end would remove e, whose time is up.
func (t *Table) over(e *Entry, at uint32) bool {
	if e.isReply() {
		return t.overReply(e, at)
	}
	if e.Template() {
		return *e.controlled() == 0
	}
	return int32(at-t.usedUntil(e)) >= 0
}

// Sweep is SweepChunk for the next n chunks of the table (all, if n is greater
// than Chunks), and then SweepTemplates. It reports how many entries were
// removed. The connection counts of the servers are as late as the sweep; a
// look-up never finds an entry whose time is up.
func (t *Table) Sweep(now int64, n int) int {
	removed := 0
	for range min(n, len(t.used)) {
		removed += t.SweepChunk(now)
	}
	for {
		n, more := t.SweepTemplates(now, len(t.late))
		if removed += n; !more {
			return removed
		}
	}
}

// SweepChunk ends what is due in the next chunk of the table and reports how many
// entries were removed. Templates that still have connections are left for
// SweepTemplates: at one moment connections end before templates, as in the
// kernel, and a template whose last connection ends when it does ends too.
func (t *Table) SweepChunk(now int64) int {
	before, at, c := t.n, ticks(now), t.cursor
	if t.cursor++; t.cursor == len(t.used) {
		t.cursor = 0
	}
	if t.used[c] == 0 {
		return 0
	}
	for i := c * chunkLines; i < (c+1)*chunkLines; i++ {
		for j := range t.lines[i] {
			e := &t.lines[i][j]
			if e.kind() == free || !e.expired(at) {
				continue
			}
			if slot := i*perLine + j; e.Template() && *e.controlled() > 0 {
				t.late = append(t.late, uint32(slot))
			} else {
				t.end(slot, at)
			}
		}
	}
	return before - t.n
}

// SweepTemplates deals with up to n of the templates that SweepChunk has left;
// call it when all chunks were swept, of all tables of the group. It reports how
// many were removed, and whether there are more to deal with.
func (t *Table) SweepTemplates(now int64, n int) (removed int, more bool) {
	before, at := t.n, ticks(now)
	for range min(n, len(t.late)) {
		slot := int(t.late[len(t.late)-1])
		t.late = t.late[:len(t.late)-1]
		if e := t.at(slot); e.Template() && e.expired(at) {
			t.end(slot, at)
		}
	}
	return before - t.n, len(t.late) > 0
}

// Expires is how long e has to live at now, at least 0.
func (e *Entry) Expires(now int64) time.Duration { return left(e.expires, now) }

// ExpiresUsed is Expires if connection e was used last at a time, in packets that the table
// does not see; 0: not at all.
func (t *Table) ExpiresUsed(e *Entry, last, now int64) time.Duration {
	if e.kind() != conn {
		return e.Expires(now)
	}
	return left(t.until(e, last), now)
}

// left is the time from now to a tick, at least 0.
func left(until uint32, now int64) time.Duration {
	return time.Duration(max(int32(until-ticks(now)), 0)) * tick
}
