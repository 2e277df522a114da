package conntrack

import (
	"encoding/binary"

	"lvsdr/dataplane/frame"
)

// A reply entry finds a masqueraded connection by the server's side: it stands behind the
// connection's own entry, in the same table, and is of 32 bytes like that. Its key has the
// client's address and port, and in place of the virtual ones those of the server.
//
//	addrs, ports   client and server, as those of a connection
//	ref            1 + the slot of the connection
//	dest, aux      the Trail
//	expires        when its connection has to be looked at; it ends with that
//
// Two connections of one client's port may go to one server's port, by two services: then
// there are two of one key, and the first that a search meets is the newer one's.
//
// A process that is killed leaves a reply entry without its connection, or the other way
// round: Recover drops the former, and the caller makes the latter anew.

// A Trail is how a client's frames came, and so how answers go back: the MAC address of the
// neighbour that sent them, the first byte lowest, and above it the lower 16 bits of the
// index of the interface. The zero Trail is not known.
type Trail uint64

// TrailOf is the trail of a frame from src by the interface index.
func TrailOf(src frame.MAC, index int32) Trail {
	return Trail(binary.LittleEndian.Uint32(src[:])) | Trail(binary.LittleEndian.Uint16(src[4:]))<<32 | Trail(uint16(index))<<48
}

// MAC is the neighbour's address.
func (t Trail) MAC() frame.MAC {
	var b [8]byte // written and read in whole words, for which the CPU does not wait
	binary.LittleEndian.PutUint64(b[:], uint64(t))
	return frame.MAC(b[:6])
}

// Index are the lower 16 bits of the interface's index.
func (t Trail) Index() uint16 { return uint16(t >> 48) }

// Trail is that of reply entry e.
func (e *Entry) Trail() Trail { return Trail(e.dest) | Trail(e.aux)<<32 }

// SetTrail changes it. The lock of the table is enough.
func (e *Entry) SetTrail(t Trail) { e.dest, e.aux = DestRef(t), uint32(t>>32) }

// isReply reports whether e is a reply entry.
func (e *Entry) isReply() bool { return e.kind() == reply }

// ReplyKey is the key of the reply entry of connection c, which goes to port of server.
func (k *Key) ReplyKey(server frame.Addr, port uint16) Key {
	return Key{Client: k.Client, Virtual: server, ClientPort: k.ClientPort, VirtualPort: port, Proto: k.Proto, Reply: true}
}

// ReplyID4 is the ID of the reply entry for an IPv4 packet of a server's. addrs are its
// source and its destination address as they stand in the header, read as one
// little-endian number.
func (t *Table) ReplyID4(addrs uint64, serverPort, clientPort uint16, proto frame.Proto) ID {
	id := ID{addrs: addrs<<32 | addrs>>32, ports: uint32(serverPort)<<16 | uint32(clientPort), kindProto: kindAndProto(proto, reply)}
	id.Hash = t.hasher4.hash(id.addrs, id.ports, id.kindProto)
	return id
}

// AddReply makes the reply entry of connection e, which goes to port of server; trail is
// how the client's frames came. It may take the place of other entries, as Insert does,
// but never that of e. false: there is no room.
func (t *Table) AddReply(e *Entry, server frame.Addr, port uint16, trail Trail, now int64) bool {
	key := t.Key(e)
	k := key.ReplyKey(server, port)
	id := t.ID(&k)
	t.making = e
	place := t.place(id.Hash, ticks(now))
	t.making = nil
	if place < 0 {
		return false
	}
	r := t.fill(place, &k, &id)
	r.ref, r.expires = uint32(t.first+t.placeOf(e))+1, e.expires
	r.SetTrail(trail)
	r.publish(id.kindProto, None, 0)
	t.replies++
	t.each(&id, &k, func(older *Entry) bool {
		if older == r {
			return false
		}
		r.ref, older.ref = older.ref, r.ref
		r.dest, older.dest = older.dest, r.dest
		r.aux, older.aux = older.aux, r.aux
		r.expires, older.expires = older.expires, r.expires
		return true
	})
	return true
}

// each calls f with the entries of id and k, in the order in which a search meets them,
// until it returns false.
func (t *Table) each(id *ID, k *Key, f func(*Entry) bool) {
	i := t.home(id.Hash)
	for range maxProbe {
		l := &t.lines[i]
		for j := range l {
			if e := &l[j]; t.matches(e, k, id) && !f(e) {
				return
			}
		}
		if l[0].overflow() == 0 {
			return
		}
		i = t.after(i)
	}
}

// ReplyOf is the reply entry of connection e, which goes to port of server; nil: it has
// none.
func (t *Table) ReplyOf(e *Entry, server frame.Addr, port uint16) (r *Entry) {
	var k Key // of IPv4, the ID says it all
	var id ID
	if e.kindProto()&v6 == 0 {
		addrs := uint64(uint32(e.addrs))<<32 | uint64(binary.LittleEndian.Uint32(server[12:]))
		id = t.ReplyID4(addrs, port, uint16(e.ports), e.proto())
	} else {
		key := t.Key(e)
		k = key.ReplyKey(server, port)
		id = t.ID(&k)
	}
	if r = t.Peek(&id, &k); r == nil || t.Conn(r) == e {
		return r // nearly always
	}
	r = nil
	t.each(&id, &k, func(other *Entry) bool {
		if t.Conn(other) != e {
			return true
		}
		r = other
		return false
	})
	return r
}

// TouchConn is Touch for the connection of reply entry r.
func (t *Table) TouchConn(r *Entry) uint8 { return t.group.at(r.ref - 1).overflow() }

// Conn is the connection of reply entry r, also if its time is up; nil: it is gone, and r
// of no use.
func (t *Table) Conn(r *Entry) *Entry {
	e := t.group.at(r.ref - 1)
	if k := e.kind(); k != conn && k != retired || (e.kindProto()^r.kindProto())&(protoMask|v6) != 0 || uint16(e.ports) != uint16(r.ports) {
		return nil
	}
	if r.kindProto()&v6 != 0 {
		if t.pairs[uint32(e.addrs)][0] != t.pairs[uint32(r.addrs)][0] {
			return nil
		}
	} else if uint32(e.addrs) != uint32(r.addrs) {
		return nil
	}
	return e
}

// findReply is Find for the key of a reply entry: the first whose connection lives. A
// connection whose time is up ends, and the one before it is looked at.
func (t *Table) findReply(id *ID, k *Key, at uint32) *Entry {
	for {
		place := t.search(id, k)
		if place < 0 {
			return nil
		}
		r := t.at(place)
		if e := t.Conn(r); e == nil {
			t.removeReply(place)
		} else if !e.expired(at) || !t.end(t.placeOf(e), at) {
			return r
		}
	}
}

// dropReply removes the reply entry of connection e, which is about to go, if it has one.
func (t *Table) dropReply(e *Entry) {
	if server, port, known := t.serverOf(e); known {
		if r := t.ReplyOf(e, server, port); r != nil {
			t.removeReply(t.placeOf(r))
		}
	}
}

// serverOf is where connection e goes, if it is masqueraded.
func (t *Table) serverOf(e *Entry) (addr frame.Addr, port uint16, known bool) {
	if e.Way() != ByMasquerade || t.server == nil || e.Template() {
		return addr, 0, false
	}
	return t.server(t, e)
}

// removeReply removes the reply entry at a place.
func (t *Table) removeReply(place int) {
	t.replies--
	t.empty(place)
}

// endReply is end for a reply entry, which goes with its connection alone: it is there
// to be looked at when that may end.
func (t *Table) endReply(place int, at uint32) bool {
	r := t.at(place)
	e := t.Conn(r)
	if e != nil && (!e.expired(at) || !t.end(t.placeOf(e), at)) {
		r.expires = e.expires
		return false
	}
	if r.isReply() { // its connection did not know of it
		t.removeReply(place)
	}
	return true
}

// overReply reports whether endReply would remove r.
func (t *Table) overReply(r *Entry, at uint32) bool {
	e := t.Conn(r)
	return e == nil || e.expired(at) && t.over(e, at)
}

// Replies is the number of reply entries, which Len counts and no listing has.
func (t *Table) Replies() int { return t.replies }

// recoverReplies drops the reply entries that are of no connection, or of one that has
// another.
func (t *Table) recoverReplies() {
	taken := map[uint32]bool{}
	for place := 0; place < len(t.lines)*perLine; place++ {
		if place%(chunkLines*perLine) == 0 && t.used[place/perLine/chunkLines] == 0 {
			place += chunkLines*perLine - 1
			continue
		}
		r := t.at(place)
		if !r.isReply() {
			continue
		}
		t.replies++
		if taken[r.ref] || !t.hasConn(r) {
			t.removeReply(place)
		}
		taken[r.ref] = true
	}
}

// hasConn reports whether reply entry r is of a connection that may have it.
func (t *Table) hasConn(r *Entry) bool {
	place := int(r.ref) - 1 - t.first
	if place < 0 || place >= len(t.lines)*perLine {
		return false
	}
	e := t.at(place)
	return t.Conn(r) == e && e.kind() == conn && e.Way() == ByMasquerade
}
