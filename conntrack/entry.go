package conntrack

import (
	"encoding/binary"
	"sync/atomic"

	"lvsdr/dataplane/frame"
)

// An Entry is one connection or template in a Table: 32 bytes, two to a cache
// line, no pointers. It stays where it is until it is removed.
type Entry struct {
	// addrs is, of IPv4, the client's address in the lower and the virtual one
	// in the upper half, both read little-endian; of IPv6, the index of the
	// addresses in Table.pairs, and in the upper half a part of the hash.
	addrs uint64
	ports uint32 // client's in the lower half, virtual in the upper
	// word is the kind and the protocol (see kindProto) in its lower half, then the
	// state in four bits, the flags of told.go in four, and the overflow. It is the last to be written when an entry is made,
	// and the first when one goes: see publish.
	word    uint32
	expires uint32  // tick at which it ends
	dest    DestRef // server it goes to
	// ref is, of a connection, 1 + the slot of the template that made it, or
	// 0; of a template, the number of its connections; of a reply entry, 1 + the
	// slot of its connection. See templateSlot, controlled and Table.Conn.
	ref uint32
	// aux is, of a connection, the packets seen; of a template, its timeout
	// in ticks. See packets and lifetime.
	aux uint32
}

const (
	stateShift    = 16
	overflowShift = 24
	overflowUnit  = 1 << overflowShift
	stateMask     = 0x0f << stateShift
)

// kindProto is the protocol of e in the lower half, its kind in the upper.
func (e *Entry) kindProto() uint16 { return uint16(e.word) }

// overflow belongs to the line: in its first entry, it counts the entries that hash
// to this line or an earlier one but are stored after it. Look-ups stop where it is
// 0; it is at most maxProbe lines full.
func (e *Entry) overflow() uint8 { return uint8(e.word >> overflowShift) }

// setState makes s the state of e.
func (e *Entry) setState(s State) { e.word = e.word&^stateMask | uint32(s)<<stateShift }

// publish makes e an entry of that kind and protocol in state s, by a way. All else of it
// was written before, and comes into memory before: a process that is killed in between
// leaves a free entry.
func (e *Entry) publish(kindProto uint16, s State, by Way) {
	atomic.StoreUint32(&e.word, e.word>>overflowShift<<overflowShift|uint32(by)|uint32(s)<<stateShift|uint32(kindProto))
}

// withdraw makes e a free entry, before anything else of it is written.
func (e *Entry) withdraw() {
	atomic.StoreUint32(&e.word, e.word>>overflowShift<<overflowShift)
}

// Key is the key that finds e; that of an invalid template finds nothing.
func (t *Table) Key(e *Entry) Key {
	if e.kindProto()&v6 != 0 {
		return e.key(&t.pairs[uint32(e.addrs)])
	}
	return e.key(nil)
}

// VirtualPort is the virtual port of connection e.
func (e *Entry) VirtualPort() uint16 { return uint16(e.ports >> 16) }

// Virtual writes the virtual address of connection e to *addr and returns its port.
func (t *Table) Virtual(e *Entry, addr *frame.Addr) (port uint16) {
	if e.kindProto()&v6 != 0 {
		*addr = t.pairs[uint32(e.addrs)][1]
	} else {
		addr.Set4(uint32(e.addrs >> 32))
	}
	return e.VirtualPort()
}

// key is the key of e, whose addresses are p if it is one of IPv6.
func (e *Entry) key(p *Pair) Key {
	k := Key{ClientPort: uint16(e.ports), VirtualPort: uint16(e.ports >> 16), Proto: e.proto(), Template: e.Template(), Reply: e.isReply()}
	if e.kindProto()&v6 != 0 {
		k.Client, k.Virtual = p[0], p[1]
		return k
	}
	var b [8]byte
	binary.LittleEndian.PutUint64(b[:], e.addrs)
	k.Client, k.Virtual = frame.AddrFrom4([4]byte(b[:4])), frame.AddrFrom4([4]byte(b[4:]))
	return k
}

func (e *Entry) proto() frame.Proto { return frame.Proto(e.word) }

// kind is that of e, without v6.
func (e *Entry) kind() uint16 { return uint16(e.word) & (kindMask &^ v6) }

// become changes the kind of e.
func (e *Entry) become(kind uint16) { e.word = e.word&^uint32(kindMask&^v6) | uint32(kind) }

// Template reports whether e is a persistence template.
func (e *Entry) Template() bool { return e.kind() == template || e.kind() == invalid }

// Invalid reports whether e is a template made invalid.
func (e *Entry) Invalid() bool { return e.kind() == invalid }

// Retired reports whether e is a connection that another of the same key has replaced.
func (e *Entry) Retired() bool { return e.kind() == retired }

// Dest is the server of e.
func (e *Entry) Dest() DestRef { return e.dest }

// State is the state of e: of a template, None or Assured.
func (e *Entry) State() State { return State(e.word & stateMask >> stateShift) }

// Active reports whether e counts as an active connection of its server: a TCP
// connection being opened or open, but no UDP, unless a message told otherwise (see
// Tell).
func (e *Entry) Active() bool { return !e.Template() && e.active() != (e.word&flagContrary != 0) }

// templateSlot is the slot of the template that made connection e, which is
// Controlled.
func (e *Entry) templateSlot() uint32 { return e.ref - 1 }

// controlled is the number of connections that template e made; they can be
// changed through it.
func (e *Entry) controlled() *uint32 { return &e.ref }

// packets is the number of packets of connection e, or the greatest that fits.
func (e *Entry) packets() *uint32 { return &e.aux }

// Packets is the number of the client's packets of connection e, or the greatest that fits.
func (e *Entry) Packets() uint32 { return *e.packets() }

// lifetime is the timeout of template e, ticks.
func (e *Entry) lifetime() *uint32 { return &e.aux }

// Controlled reports whether e is a connection made by a template.
func (e *Entry) Controlled() bool { return !e.Template() && e.ref != 0 && !e.isReply() }

// Connections is the number of connections a template has.
func (e *Entry) Connections() int {
	if !e.Template() {
		return 0
	}
	return int(*e.controlled())
}
