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

// Hash is the seeded hash of k, as Find and Insert want it.
func (t *Table) Hash(k *Key) uint64 {
	b := t.seeded // 16 secret bytes, then the key
	copy(b[16:20], k.Client[12:])
	copy(b[20:24], k.Virtual[12:])
	binary.LittleEndian.PutUint16(b[24:], k.ClientPort)
	binary.LittleEndian.PutUint16(b[26:], k.VirtualPort)
	b[28] = k.Proto
	b[29] = kindOf(k)
	return xxhash.Sum64(b[:])
}

// The kinds of entry. A free entry has kind 0.
const (
	free uint8 = iota
	conn
	template
	invalid // a template that no new connection finds any more
	retired // a connection replaced by a newer one of the same key
)

func kindOf(k *Key) uint8 {
	if k.Template {
		return template
	}
	return conn
}

// An Entry is one connection or template in a Table: 32 bytes, two to a cache
// line, no pointers. It stays where it is until it is removed.
type Entry struct {
	client, virtual         [4]byte
	clientPort, virtualPort uint16
	proto                   uint8
	kind                    uint8
	state                   State
	// past belongs to the line, not to the entry: in the first entry of a
	// line, how many entries whose home is this line or one before it live
	// in lines behind it. At 255 it sticks.
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

func (e *Entry) matches(k *Key, kind uint8) bool {
	return e.kind == kind && e.clientPort == k.ClientPort && e.virtualPort == k.VirtualPort &&
		e.client == k.Client.As4() && e.virtual == k.Virtual.As4() && e.proto == k.Proto
}

// Key is the key that finds e; that of an invalid template finds nothing.
func (e *Entry) Key() Key {
	return Key{
		Client: frame.AddrFrom4(e.client), Virtual: frame.AddrFrom4(e.virtual),
		ClientPort: e.clientPort, VirtualPort: e.virtualPort,
		Proto: e.proto, Template: e.Template(),
	}
}

// Template reports whether e is a persistence template.
func (e *Entry) Template() bool { return e.kind == template || e.kind == invalid }

// Invalid reports whether e is a template made invalid.
func (e *Entry) Invalid() bool { return e.kind == invalid }

// Dest is the server of e.
func (e *Entry) Dest() DestRef { return e.dest }

// State is the state of e: of a template, None or Assured.
func (e *Entry) State() State { return e.state }

// Active reports whether e counts as an active connection of its server: a TCP
// connection being opened or open. UDP never does.
func (e *Entry) Active() bool { return !e.Template() && e.state.active() }

// Controlled reports whether e is a connection made by a template.
func (e *Entry) Controlled() bool { return !e.Template() && e.ref != 0 }

// Connections is the number of connections a template has.
func (e *Entry) Connections() int {
	if !e.Template() {
		return 0
	}
	return int(e.ref)
}
