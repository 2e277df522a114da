package conntrack

import (
	"encoding/binary"

	"lvsdr/dataplane/frame"
)

// A Key names a connection, or a persistence template. A template has the
// client's masked address, client port 0, and virtual port 0 where it serves
// all ports of the VIP. That of a reply entry has the server's address and port in
// place of the virtual ones.
type Key struct {
	Client, Virtual         frame.Addr
	ClientPort, VirtualPort uint16
	Proto                   frame.Proto // IP protocol; 0 for the template of a firewall-mark service
	Template, Reply         bool
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
	reply   // finds a masqueraded connection by its server's side
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
	switch {
	case k.Template:
		kind = template
	case k.Reply:
		kind = reply
	}
	if k.is6() {
		kind |= v6
	}
	return kind
}

// matches reports whether e is the entry of id; k is its key, which is only
// looked at if it is one of IPv6.
func (t *Table) matches(e *Entry, k *Key, id *ID) bool {
	if id.kindProto&v6 == 0 {
		return e.differs(id) == 0
	}
	return e.kindProto() == id.kindProto && e.ports == id.ports &&
		e.addrs>>32 == id.addrs>>32 && t.pairs[uint32(e.addrs)] == Pair{k.Client, k.Virtual}
}

// differs is 0 if e is the entry of id, of IPv4.
func (e *Entry) differs(id *ID) uint64 {
	return e.addrs ^ id.addrs | uint64(e.ports^id.ports) | uint64(e.kindProto()^id.kindProto)
}

// tag is the part of hash h that an IPv6 entry keeps, so that another's
// addresses need not be looked at.
func tag(h uint64) uint64 { return h << 32 }
