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

	"github.com/cespare/xxhash/v2"

	"lvsdr/dataplane/frame"
)

// A Key names a connection, or a persistence template. A template has the
// client's masked address, client port 0, and virtual port 0 where it serves
// all ports of the VIP.
type Key struct {
	Client, Virtual         frame.Addr
	ClientPort, VirtualPort uint16
	Proto                   uint8 // IP protocol; 0 for the template of a firewall-mark service
	Template                bool
}

// is6 reports whether k is a client's of IPv6.
func (k *Key) is6() bool { return !k.Client.Is4() }

// Hash is the seeded hash of k, as Find and Insert want it.
func (t *Table) Hash(k *Key) uint64 {
	if k.is6() {
		return t.hash6(k)
	}
	b := t.seeded // 16 secret bytes, then the key
	copy(b[16:20], k.Client[12:])
	copy(b[20:24], k.Virtual[12:])
	binary.LittleEndian.PutUint16(b[24:], k.ClientPort)
	binary.LittleEndian.PutUint16(b[26:], k.VirtualPort)
	b[28] = k.Proto
	b[29] = kindOf(k)
	return xxhash.Sum64(b[:])
}

func (t *Table) hash6(k *Key) uint64 {
	var b [56]byte
	copy(b[:16], t.seeded[:])
	copy(b[16:], k.Client[:])
	copy(b[32:], k.Virtual[:])
	binary.LittleEndian.PutUint16(b[48:], k.ClientPort)
	binary.LittleEndian.PutUint16(b[50:], k.VirtualPort)
	b[52] = k.Proto
	b[53] = kindOf(k)
	return xxhash.Sum64(b[:])
}

// The kinds of entry. A free entry has kind 0.
const (
	free uint8 = iota
	conn
	template
	invalid // a template that no new connection finds any more
	retired // a connection replaced by a newer one of the same key
	// six is added to the kind of an IPv6 entry, whose addresses are in
	// Table.pairs.
	six = 0x80
)

func kindOf(k *Key) uint8 {
	kind := conn
	if k.Template {
		kind = template
	}
	if k.is6() {
		kind |= six
	}
	return kind
}

// A pair is the client's and the virtual address of an IPv6 entry. In a free
// one the first four bytes are 1 + the index of the next.
type pair [2]frame.Addr

// An Entry is one connection or template in a Table: 32 bytes, two to a cache
// line, no pointers. It stays where it is until it is removed.
type Entry struct {
	// client and virtual are the addresses, of IPv4; of IPv6, client is the
	// index of the addresses in Table.pairs, and virtual a part of the hash.
	client, virtual         [4]byte
	clientPort, virtualPort uint16
	proto                   uint8
	kind                    uint8
	state                   State
	// past belongs to the line, not to the entry: in the first entry of a
	// line, how many entries whose home is this line or one before it live
	// in lines behind it: at most maxProbe lines full.
	past    uint8
	expires uint32  // tick at which it ends
	dest    DestRef // server it goes to
	// ref is, of a connection, 1 + the slot of the template that made it, or
	// 0; of a template, the number of its connections.
	ref uint32
	// aux is, of a connection, the packets seen; of a template, its timeout
	// in ticks.
	aux uint32
}

// A DestRef names a destination by slot and generation, 16 bits each, so that
// a reused slot is told from the one an entry was made for.
type DestRef uint32

// MakeDestRef is the reference to slot of generation gen.
func MakeDestRef(slot, gen uint16) DestRef { return DestRef(slot)<<16 | DestRef(gen) }

// Slot is the slot of r.
func (r DestRef) Slot() uint16 { return uint16(r >> 16) }

// Gen is the generation of r.
func (r DestRef) Gen() uint16 { return uint16(r) }

// matches reports whether e is the entry of k, of that kind and hash.
func (t *Table) matches(e *Entry, k *Key, kind uint8, h uint64) bool {
	if e.kind != kind || e.clientPort != k.ClientPort || e.virtualPort != k.VirtualPort || e.proto != k.Proto {
		return false
	}
	if kind&six != 0 {
		return e.virtual == tag(h) && t.pairs[e.pair()] == pair{k.Client, k.Virtual}
	}
	return e.client == k.Client.As4() && e.virtual == k.Virtual.As4()
}

// tag is the part of a hash that an IPv6 entry keeps, so that another's
// addresses need not be looked at.
func tag(h uint64) (b [4]byte) {
	binary.LittleEndian.PutUint32(b[:], uint32(h))
	return b
}

// pair is the index of an IPv6 entry's addresses.
func (e *Entry) pair() uint32 { return binary.LittleEndian.Uint32(e.client[:]) }

// Key is the key that finds e; that of an invalid template finds nothing.
func (t *Table) Key(e *Entry) Key {
	k := Key{ClientPort: e.clientPort, VirtualPort: e.virtualPort, Proto: e.proto, Template: e.Template()}
	if e.kind&six != 0 {
		p := &t.pairs[e.pair()]
		k.Client, k.Virtual = p[0], p[1]
	} else {
		k.Client, k.Virtual = frame.AddrFrom4(e.client), frame.AddrFrom4(e.virtual)
	}
	return k
}

// Template reports whether e is a persistence template.
func (e *Entry) Template() bool { return e.kind&^six == template || e.kind&^six == invalid }

// Invalid reports whether e is a template made invalid.
func (e *Entry) Invalid() bool { return e.kind&^six == invalid }

// Dest is the server of e.
func (e *Entry) Dest() DestRef { return e.dest }

// State is the state of e: of a template, None or Assured.
func (e *Entry) State() State { return e.state }

// Active reports whether e counts as an active connection of its server: a TCP
// connection being opened or open. UDP never does.
func (e *Entry) Active() bool { return !e.Template() && e.active() }

// Controlled reports whether e is a connection made by a template.
func (e *Entry) Controlled() bool { return !e.Template() && e.ref != 0 }

// Connections is the number of connections a template has.
func (e *Entry) Connections() int {
	if !e.Template() {
		return 0
	}
	return int(e.ref)
}
