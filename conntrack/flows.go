package conntrack

import "lvsdr/dataplane/frame"

// A FlowEvent says what became of an entry.
type FlowEvent uint8

// The events. What happens with every packet, to a timer and a packet count, is
// none.
const (
	FlowNew     FlowEvent = iota // a connection or a template was made
	FlowChanged                  // its state, kind or timeout is another
	FlowRemoved                  // it is about to go, by its time or otherwise
)

// String is the event in lower case.
func (e FlowEvent) String() string {
	switch e {
	case FlowNew:
		return "new"
	case FlowChanged:
		return "changed"
	case FlowRemoved:
		return "removed"
	}
	return "event?"
}

// Steady reports whether e is a connection that stays as it is until it ends: TCP is
// established, or it is UDP, and at least so many packets of it came.
func (e *Entry) Steady(packets uint32) bool {
	if e.kind() != conn || *e.packets() < packets {
		return false
	}
	switch e.proto() {
	case frame.ProtoTCP:
		return e.State() == Established
	case frame.ProtoUDP:
		return true
	}
	return false
}

// A Flow is an event and a copy of its entry, as it is after the event, or was
// before it was removed. It has no pointers.
type Flow struct {
	Event FlowEvent
	// Slot is the entry's among the tables of its group: two entries never have
	// one at the same time.
	Slot  uint32
	Entry Entry
	pair  Pair // addresses of an IPv6 entry
}

// Key is the key of the entry.
func (f *Flow) Key() Key { return f.Entry.key(&f.pair) }

// An Outbox keeps the last events of a table, for readers who come by now and
// then. The writer waits for none of them: a reader that is too late has
// lost events and is told how many.
type Outbox struct {
	ring []Flow
	next uint64 // events so far
}

// NewOutbox makes an outbox for the last size events, a power of two.
func NewOutbox(size int) *Outbox { return &Outbox{ring: make([]Flow, size)} }

// End is where the next event will be: a reader that starts now begins there.
func (o *Outbox) End() uint64 { return o.next }

// Read copies the events from position at on into buf. It returns how many, how
// many before them were lost, and where to go on. The caller holds the locks
// that a change of the table takes.
func (o *Outbox) Read(at uint64, buf []Flow) (n int, lost, next uint64) {
	if size := uint64(len(o.ring)); o.next-at > size {
		lost = o.next - at - size
		at += lost
	}
	for n < len(buf) && at < o.next {
		buf[n] = o.ring[at&uint64(len(o.ring)-1)]
		n++
		at++
	}
	return n, lost, at
}

// SetOutbox has the events of t written to o from now on; nil: to none.
func (t *Table) SetOutbox(o *Outbox) { t.outbox = o }

// tell writes an event of the entry at slot of the group, which may be in
// another table, to that table's outbox.
func (g *group) tell(event FlowEvent, slot uint32) {
	t := g.tables[int(slot/perLine)/(len(g.lines)/len(g.tables))]
	o := t.outbox
	if o == nil {
		return
	}
	f := &o.ring[o.next&uint64(len(o.ring)-1)]
	f.Event, f.Slot, f.Entry = event, slot, *g.at(slot)
	if f.Entry.word &^= 0xff << overflowShift; f.Entry.kindProto()&v6 != 0 {
		f.pair = t.pairs[uint32(f.Entry.addrs)]
	}
	o.next++
}

// changed tells that e is another.
func (t *Table) changed(e *Entry) {
	if t.outbox != nil {
		t.group.tell(FlowChanged, uint32(t.group.slotOf(e)))
	}
}
