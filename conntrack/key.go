// Package conntrack is the director's memory: the connection table and the
// persistence templates of IPVS, with the client's half of the TCP state
// machine, the timeouts and the expiry.
//
// The table holds fixed-size records without pointers, so the garbage
// collector never looks inside; it is bounded by a configured size; and it is
// searched by a seeded hash with a bounded probe, so that a client who chooses
// its ports cannot make a look-up long. Time is an argument everywhere:
// monotonic nanoseconds. A Table is not safe for concurrent use.
package conntrack

import (
	"encoding/binary"

	"lvsdr/dataplane/frame"
)

// A Key names a connection, or a persistence template. A template has the
// client's masked address, client port 0, and virtual port 0 where it serves
// all ports of the VIP.
type Key struct {
	Client, Virtual         frame.Addr
	ClientPort, VirtualPort uint16
	Proto                   frame.Proto // IP protocol; 0 for the template of a firewall-mark service
	Template                bool
}

// is6 reports whether k is a client's of IPv6.
func (k *Key) is6() bool { return !k.Client.Is4() }

// An ID is the fixed-size form of a Key that look-ups compare, with its hash. It
// identifies an IPv4 key completely; for IPv6, compare the addresses too.
type ID struct {
	addrs     uint64 // as in Entry, of IPv6 without the index
	ports     uint32
	kindProto uint16 // as in Entry
	Hash      uint64 // as Hash gives it
}

// ID4 is the ID of an IPv4 connection. addrs are the client's and the virtual
// address as they stand in an IPv4 header, read as one little-endian number.
func (t *Table) ID4(addrs uint64, clientPort, virtualPort uint16, proto frame.Proto) ID {
	id := ID{addrs: addrs, ports: uint32(virtualPort)<<16 | uint32(clientPort), kindProto: kindAndProto(proto, conn)}
	id.Hash = t.hasher4.hash(id.addrs, id.ports, id.kindProto)
	return id
}

// ID is the ID of k.
func (t *Table) ID(k *Key) ID {
	id := idOf(k, 0)
	if id.kindProto&v6 == 0 {
		id.Hash = t.hasher4.hash(id.addrs, id.ports, id.kindProto)
	} else {
		id.Hash = t.hash6(k)
		id.addrs = tag(id.Hash)
	}
	return id
}

// Hash is the seeded hash of k, as Find and Insert want it.
func (t *Table) Hash(k *Key) uint64 {
	id := t.ID(k)
	return id.Hash
}

// idOf is the ID of k, whose hash is h.
func idOf(k *Key, h uint64) ID {
	id := ID{ports: uint32(k.VirtualPort)<<16 | uint32(k.ClientPort), kindProto: kindAndProto(k.Proto, kindOf(k)), Hash: h}
	if id.kindProto&v6 != 0 {
		id.addrs = tag(h)
	} else {
		id.addrs = uint64(binary.LittleEndian.Uint32(k.Virtual[12:]))<<32 | uint64(binary.LittleEndian.Uint32(k.Client[12:]))
	}
	return id
}

// The kinds of entry, in the upper half of Entry.kindProto. A free entry has kind 0.
const (
	free uint16 = iota << 8
	conn
	template
	invalid // a template that no new connection finds any more
	retired // a connection replaced by a newer one of the same key
	// v6 is added to the kind of an IPv6 entry, whose addresses are in
	// Table.pairs.
	v6 = 0x8000

	kindMask  = 0xff00
	protoMask = 0x00ff
)

// kindAndProto is a kind and a protocol.
func kindAndProto(proto frame.Proto, kind uint16) uint16 { return kind | uint16(proto) }

func kindOf(k *Key) uint16 {
	kind := conn
	if k.Template {
		kind = template
	}
	if k.is6() {
		kind |= v6
	}
	return kind
}

// A Pair is the client's and the virtual address of an IPv6 entry. In a free
// one the first four bytes are 1 + the index of the next.
type Pair [2]frame.Addr

// An Entry is one connection or template in a Table: 32 bytes, two to a cache
// line, no pointers. It stays where it is until it is removed.
type Entry struct {
	// addrs is, of IPv4, the client's address in the lower and the virtual one
	// in the upper half, both read little-endian; of IPv6, the index of the
	// addresses in Table.pairs, and in the upper half a part of the hash.
	addrs     uint64
	ports     uint32 // client's in the lower half, virtual in the upper
	kindProto uint16 // protocol in the lower half, kind in the upper
	state     State
	// overflow belongs to the line: in its first entry, it counts the entries
	// that hash to this line or an earlier one but are stored after it. Look-ups
	// stop where it is 0; it is at most maxProbe lines full.
	overflow uint8
	expires  uint32  // tick at which it ends
	dest     DestRef // server it goes to
	// ref is, of a connection, 1 + the slot of the template that made it, or
	// 0; of a template, the number of its connections. See templateSlot and
	// controlled.
	ref uint32
	// aux is, of a connection, the packets seen; of a template, its timeout
	// in ticks. See packets and lifetime.
	aux uint32
}

// matches reports whether e is the entry of id; k is its key, which is only
// looked at if it is one of IPv6.
func (t *Table) matches(e *Entry, k *Key, id *ID) bool {
	if id.kindProto&v6 == 0 {
		return e.differs(id) == 0
	}
	return e.kindProto == id.kindProto && e.ports == id.ports &&
		e.addrs>>32 == id.addrs>>32 && t.pairs[uint32(e.addrs)] == Pair{k.Client, k.Virtual}
}

// differs is 0 if e is the entry of id, of IPv4.
func (e *Entry) differs(id *ID) uint64 {
	return e.addrs ^ id.addrs | uint64(e.ports^id.ports) | uint64(e.kindProto^id.kindProto)
}

// tag is the part of hash h that an IPv6 entry keeps, so that another's
// addresses need not be looked at.
func tag(h uint64) uint64 { return h << 32 }

// Key is the key that finds e; that of an invalid template finds nothing.
func (t *Table) Key(e *Entry) Key {
	if e.kindProto&v6 != 0 {
		return e.key(&t.pairs[uint32(e.addrs)])
	}
	return e.key(nil)
}

// key is the key of e, whose addresses are p if it is one of IPv6.
func (e *Entry) key(p *Pair) Key {
	k := Key{ClientPort: uint16(e.ports), VirtualPort: uint16(e.ports >> 16), Proto: e.proto(), Template: e.Template()}
	if e.kindProto&v6 != 0 {
		k.Client, k.Virtual = p[0], p[1]
		return k
	}
	var b [8]byte
	binary.LittleEndian.PutUint64(b[:], e.addrs)
	k.Client, k.Virtual = frame.AddrFrom4([4]byte(b[:4])), frame.AddrFrom4([4]byte(b[4:]))
	return k
}

func (e *Entry) proto() frame.Proto { return frame.Proto(e.kindProto) }

// kind is that of e, without v6.
func (e *Entry) kind() uint16 { return e.kindProto & (kindMask &^ v6) }

// become changes the kind of e.
func (e *Entry) become(kind uint16) { e.kindProto = e.kindProto&(v6|protoMask) | kind }

// Template reports whether e is a persistence template.
func (e *Entry) Template() bool { return e.kind() == template || e.kind() == invalid }

// Invalid reports whether e is a template made invalid.
func (e *Entry) Invalid() bool { return e.kind() == invalid }

// Dest is the server of e.
func (e *Entry) Dest() DestRef { return e.dest }

// State is the state of e: of a template, None or Assured.
func (e *Entry) State() State { return e.state }

// Active reports whether e counts as an active connection of its server: a TCP
// connection being opened or open. UDP never does.
func (e *Entry) Active() bool { return !e.Template() && e.active() }

// templateSlot is the slot of the template that made connection e, which is
// Controlled.
func (e *Entry) templateSlot() uint32 { return e.ref - 1 }

// controlled is the number of connections that template e made; they can be
// changed through it.
func (e *Entry) controlled() *uint32 { return &e.ref }

// packets is the number of packets of connection e, or the greatest that fits.
func (e *Entry) packets() *uint32 { return &e.aux }

// lifetime is the timeout of template e, ticks.
func (e *Entry) lifetime() *uint32 { return &e.aux }

// Controlled reports whether e is a connection made by a template.
func (e *Entry) Controlled() bool { return !e.Template() && e.ref != 0 }

// Connections is the number of connections a template has.
func (e *Entry) Connections() int {
	if !e.Template() {
		return 0
	}
	return int(*e.controlled())
}
