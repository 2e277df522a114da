package conntrack

import "time"

// The flags of an entry, in the upper half of its state's byte.
const (
	flagSynced      = 0x80 << stateShift // made by a message of another director
	flagContrary    = 0x40 << stateShift // counts as active or not contrary to its state
	flagBoth        = 0x20 << stateShift // packets of both halves are seen; see Way
	flagTunnel      = 0x10 << stateShift // packets go through a tunnel; see Way
	flagsOfMessages = flagSynced | flagContrary | wayMask
)

// Synced reports whether e was made by a message of another director.
func (e *Entry) Synced() bool { return e.word&flagSynced != 0 }

// BothHalves reports whether the director sees both halves of e: it is masqueraded, or a
// message told so of e, whose server is in no service.
func (e *Entry) BothHalves() bool { return e.word&flagBoth != 0 }

// Told is the content of a message about an entry, beside its key and its server.
type Told struct {
	State    State
	Active   bool // of a connection: it counts as an active one
	Both     bool // both halves are seen
	Timeout  time.Duration
	Packets  uint32 // of a connection, so many are taken to have come
	Mark     uint32 // firewall mark, for those to whom this director tells of it
	New      bool   // the entry was made for this message just now
	Unlisted bool   // its server is in no service
}

// maxTold is the longest timeout that a message can give to an entry.
const maxTold = 1 << 30 * tick * time.Nanosecond // 124 days

// unspecified is the timeout of an entry for which neither a message nor a state has one.
const unspecified = 180 * time.Second

// Tell makes entry e as a message says, at now. Its timer begins with the timeout of the
// message, or where that is 0 of the state. Other directors are not told of it until
// packets come.
func (t *Table) Tell(e *Entry, x *Told, now int64) {
	e.setState(x.State)
	e.word &^= flagContrary
	if x.New {
		e.word |= flagSynced
		if x.Both {
			e.word |= flagBoth
		}
	}
	if !e.Template() && e.active() != x.Active {
		e.word |= flagContrary
	}
	timeout := x.Timeout
	if timeout == 0 {
		timeout = t.toldTimeout(e)
	}
	life := uint32(min(timeout, maxTold) / tick)
	e.expires = ticks(now) + life
	if e.Template() {
		*e.lifetime() = life
	} else {
		*e.packets() = x.Packets
	}
	t.changed(e)
	if n := t.note(e); n != nil {
		n.told(e, x)
	}
}

// toldTimeout is the timeout of e where the message has none.
func (t *Table) toldTimeout(e *Entry) time.Duration {
	if e.Template() || !e.proto().HasPorts() {
		return unspecified
	}
	return time.Duration(t.timeout(e)) * tick
}

// Keep has e go on counting as active says, in whatever state it is: its server is in no
// service, so that packets do not change that.
func (e *Entry) Keep(active bool) {
	if e.word &^= flagContrary; e.active() != active {
		e.word |= flagContrary
	}
}

// Rebind has e go to another server, by a way. The caller counts it there, and gives it
// its reply entry.
func (t *Table) Rebind(e *Entry, dest DestRef, by Way) {
	t.dropReply(e)
	e.dest = dest
	e.word = e.word&^wayMask | uint32(by)
	t.changed(e)
}

// room for messages: a table that is fuller than all but 1/16 of its limit takes no new
// entry from one, so that other directors cannot fill it.
func (t *Table) reserved() int { return t.limit / 16 }

// Admits reports whether an entry with hash h may be made for a message at now: there is
// a place for it without that another goes, and the table is not nearly full.
func (t *Table) Admits(h uint64, now int64) bool {
	return t.n < t.limit-t.reserved() && t.hasFree(t.home(h), ticks(now))
}
