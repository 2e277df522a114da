package conntrack

import (
	"errors"
	"fmt"
	"iter"
	"sync/atomic"

	"lvsdr/dataplane/frame"
)

// A ServiceKey names a virtual service: by protocol, VIP and port, or by
// firewall mark alone. Port 0 means all ports.
type ServiceKey struct {
	Proto frame.Proto
	Addr  frame.Addr
	Port  uint16
	Mark  uint32
	IPv6  bool // of a service by mark: it is for IPv6
}

// A DestKey names a destination: a real server in one virtual service.
type DestKey struct {
	Service ServiceKey
	Addr    frame.Addr
	Port    uint16
}

// A Dest is the registry's record of a destination, without
// pointers, so that it can be in memory of any kind.
type Dest struct {
	DestKey
	Method Method
	// tunnelSum and tunnelPort are the Tunnel; they stand here because there is room.
	tunnelSum  Sum
	tunnelPort uint16
	// word is the state in the upper half and the generation in the lower. It is the
	// last to be written of a new record, by publish.
	word uint32
	// next and prev are 1 + the slots of the neighbours in the list that the
	// record is in, of the free ones (next alone) or of the removed ones; 0: it
	// is the last, or the first.
	next, prev uint32
	// IdleSince is, of a removed destination, the last moment at which an entry
	// was known to go to it; nanoseconds.
	IdleSince int64
	Traffic   Traffic
	// Order is the greater, the later the destination was added to its service.
	Order uint64
	// Position is, of a service's record, where its scheduler stands.
	Position uint64
	// Counts are as of the moment at which a Kept was sealed.
	Counts Counts
}

// Traffic counts what was forwarded: of the server's half, which is never seen in Direct
// Routing and with tunnels, what a masqueraded server sent.
type Traffic struct {
	Conns   uint64 `json:"conns"`
	Packets uint64 `json:"packets"`
	Bytes   uint64 `json:"bytes"` // IP packets, with their headers

	OutPackets uint64 `json:"out_packets,omitempty"` // of the server's half
	OutBytes   uint64 `json:"out_bytes,omitempty"`
}

// Join adds n to t.
func (t *Traffic) Join(n Load) {
	t.Packets += n.Packets
	t.Bytes += n.Bytes
	t.OutPackets += n.OutPackets
	t.OutBytes += n.OutBytes
}

// AddOut counts a packet of the server's.
func (t *Traffic) AddOut(bytes int) {
	t.OutPackets++
	t.OutBytes += uint64(bytes)
}

// Add counts a packet.
func (t *Traffic) Add(bytes int) {
	t.Packets++
	t.Bytes += uint64(bytes)
}

// Counts are the entries that go to a destination.
type Counts struct{ Active, Inactive, Templates uint32 }

func (r *Dest) state() destState { return destState(r.word >> 16) }

func (r *Dest) gen() uint16 { return uint16(r.word) & (1<<genBits - 1) }

// publish gives r its state and generation when all else of it was written.
func (r *Dest) publish(s destState, gen uint16) {
	atomic.StoreUint32(&r.word, uint32(s)<<16|uint32(gen))
}

// destState is where a record is.
//
//	free ──Add──▶ in use ──Remove──▶ removed ──Forget──▶ free, next generation
//	                ▲────────Add────────┘
type destState uint8

const (
	destFree destState = iota
	destInUse
	destRemoved
)

// A DestRef names a destination by slot and generation, so that a slot that is
// used again is told from the one an entry was made for.
type DestRef uint32

// genBits of a DestRef are the generation, which begins again after as many.
const genBits = 12

// MaxDests is how many destinations there may be, removed ones that are still
// remembered included.
const MaxDests = 1 << (32 - genBits)

// MakeDestRef is the reference to slot, below MaxDests, of generation gen.
func MakeDestRef(slot uint32, gen uint16) DestRef {
	return DestRef(slot)<<genBits | DestRef(gen)&(1<<genBits-1)
}

// Slot is the slot of r.
func (r DestRef) Slot() uint32 { return uint32(r >> genBits) }

// Gen is the generation of r.
func (r DestRef) Gen() uint16 { return uint16(r & (1<<genBits - 1)) }

// DestPage is how many records the registry takes memory for at a time.
const DestPage = 1 << 8

// ErrDestsFull says that there are MaxDests destinations.
var ErrDestsFull = errors.New("too many destinations")

// Dests is the registry of destinations: what the DestRef in an entry means. A
// removed destination is remembered, with its reference, until it is forgotten,
// so that it can come back with its connections. The zero Dests is empty and
// takes its memory from the heap. It is not safe for concurrent use.
type Dests struct {
	// Room, if not nil, gives memory for n more records, zeroed. Set it before
	// the first Add.
	Room func(n int) ([]Dest, error)
	// Slots, if not nil, is where the number of slots that were ever used is kept.
	Slots *uint32

	pages   [][]Dest
	index   map[DestKey]DestRef // in use, or removed
	used    uint32              // slots that were ever used
	free    uint32              // 1 + the first free slot below used; 0: none
	removed uint32              // 1 + the first removed one; 0: none
}

// at is the record of a slot that was used.
func (d *Dests) at(slot uint32) *Dest { return &d.pages[slot/DestPage][slot%DestPage] }

// Len is how many destinations there are, removed ones included.
func (d *Dests) Len() int { return len(d.index) }

// Add makes a destination, or takes a removed one of the same key back, which
// keeps its reference: then revived is true. One that is in use must not be
// added. The error is ErrDestsFull, or Room's.
func (d *Dests) Add(k DestKey, m Method) (ref DestRef, revived bool, err error) {
	if ref, ok := d.index[k]; ok {
		r := d.at(ref.Slot())
		d.unlink(r)
		r.Method = m
		r.publish(destInUse, r.gen())
		return ref, true, nil
	}
	slot, err := d.take()
	if err != nil {
		return 0, false, err
	}
	r := d.at(slot)
	*r = Dest{DestKey: k, Method: m, word: r.word} // free until it is published
	r.publish(destInUse, r.gen())
	if d.index == nil {
		d.index = map[DestKey]DestRef{}
	}
	ref = MakeDestRef(slot, r.gen())
	d.index[k] = ref
	return ref, false, nil
}

// take finds a free slot.
func (d *Dests) take() (uint32, error) {
	if d.free != 0 {
		slot := d.free - 1
		d.free = d.at(slot).next
		return slot, nil
	}
	if d.used == MaxDests {
		return 0, ErrDestsFull
	}
	if d.used%DestPage == 0 {
		if err := d.turn(); err != nil {
			return 0, err
		}
	}
	if d.used++; d.Slots != nil {
		*d.Slots = d.used
	}
	return d.used - 1, nil
}

// turn takes memory for another page.
func (d *Dests) turn() error {
	room := d.Room
	if room == nil {
		room = func(n int) ([]Dest, error) { return make([]Dest, n), nil }
	}
	page, err := room(DestPage)
	if err != nil {
		return fmt.Errorf("room for %d destinations: %w", d.used+DestPage, err)
	}
	d.pages = append(d.pages, page)
	return nil
}

// Recover makes d, which is empty, the registry of the records that its memory has:
// as many as Slots says. All are removed ones now, idle since now, until they are
// added again; found is called with each, and whether it was in use.
func (d *Dests) Recover(now int64, found func(r DestRef, rec *Dest, inUse bool)) error {
	d.index = map[DestKey]DestRef{}
	for d.used < *d.Slots {
		if d.used%DestPage == 0 {
			if err := d.turn(); err != nil {
				return err
			}
		}
		slot := d.used
		d.used++
		rec := d.at(slot)
		ref := MakeDestRef(slot, rec.gen())
		was := rec.state()
		_, twice := d.index[rec.DestKey]
		if was != destInUse && was != destRemoved || twice {
			rec.next = d.free
			rec.publish(destFree, rec.gen())
			d.free = slot + 1
			continue
		}
		d.index[rec.DestKey] = ref
		d.Remove(ref, now)
		found(ref, rec, was == destInUse)
	}
	return nil
}

// At is the record of r, which there must be.
func (d *Dests) At(r DestRef) *Dest { return d.at(r.Slot()) }

// Dest is the destination that r names, removed or not; false: there is none.
func (d *Dests) Dest(r DestRef) (Dest, bool) {
	slot := r.Slot()
	if slot >= d.used {
		return Dest{}, false
	}
	rec := d.at(slot)
	return *rec, rec.state() != destFree && rec.gen() == r.Gen()
}

// Ref is the reference to the destination k, removed or not; false: there is
// none.
func (d *Dests) Ref(k DestKey) (DestRef, bool) {
	r, ok := d.index[k]
	return r, ok
}

// Remove notes at now that the destination r, which is in use, is removed.
func (d *Dests) Remove(r DestRef, now int64) {
	rec := d.at(r.Slot())
	rec.IdleSince = now
	rec.publish(destRemoved, rec.gen())
	rec.prev, rec.next = 0, d.removed
	if d.removed != 0 {
		d.at(d.removed - 1).prev = r.Slot() + 1
	}
	d.removed = r.Slot() + 1
}

// unlink takes a record out of the list of removed ones.
func (d *Dests) unlink(rec *Dest) {
	if rec.prev != 0 {
		d.at(rec.prev - 1).next = rec.next
	} else {
		d.removed = rec.next
	}
	if rec.next != 0 {
		d.at(rec.next - 1).prev = rec.prev
	}
	rec.next, rec.prev = 0, 0
}

// Forget frees the slot of the removed destination r, to which no entry may go
// any more.
func (d *Dests) Forget(r DestRef) {
	rec := d.at(r.Slot())
	d.unlink(rec)
	delete(d.index, rec.DestKey)
	rec.next = d.free
	rec.publish(destFree, (rec.gen()+1)&(1<<genBits-1))
	d.free = r.Slot() + 1
}

// Removed are the removed destinations, those removed last first. The one that
// is yielded may be forgotten, or added again, before the next.
func (d *Dests) Removed() iter.Seq[DestRef] {
	return func(yield func(DestRef) bool) {
		for at := d.removed; at != 0; {
			rec := d.at(at - 1)
			ref := MakeDestRef(at-1, rec.gen())
			if at = rec.next; !yield(ref) {
				return
			}
		}
	}
}

// Touch notes that an entry goes to the removed destination r at now.
func (d *Dests) Touch(r DestRef, now int64) { d.at(r.Slot()).IdleSince = now }
