package dataplane

import (
	"encoding/binary"

	"github.com/cespare/xxhash/v2"

	"lvsdr/conntrack"
	"lvsdr/dataplane/frame"
)

// Only the first fragment of a datagram has ports. The director remembers for
// every datagram under way where its first fragment went, and keeps fragments
// that overtook it for a moment, so that all go to one server, as in the
// kernel, which puts datagrams together and takes them apart again.
const (
	fragDatagrams = 1 << 10 // datagrams remembered; a power of 2
	fragWays      = 4       // places a datagram may be at
	fragHeld      = 256     // fragments kept at most, of all datagrams
	fragHeldSize  = 2048    // greatest frame kept, bytes
	fragTime      = 30e9    // ns a datagram is remembered; net.ipv4.ipfrag_time
	fragRanges    = 8       // separate pieces a datagram may be in
)

// A datagramKey names a datagram: RFC 791 section 3.2, RFC 8200 section 4.5.
type datagramKey struct {
	src, dst frame.Addr
	id       uint32
	proto    uint8
}

// A datagram is what is known of one.
type datagram struct {
	key     datagramKey
	expires int64 // ns; 0: free
	// first says that the first fragment was decided: verdict to for the
	// server at dest, refused without.
	first, refused bool
	dest           conntrack.DestRef
	// ranges are the bytes seen so far, sorted, apart from each other.
	ranges [fragRanges]byteRange
	n      uint8
	// held is the first of the kept fragments, 1 + its index; 0: none.
	held uint16
}

type byteRange struct{ from, to uint32 }

// A heldFragment is a fragment that waits for the first one.
type heldFragment struct {
	next uint16 // 1 + index; 0: the last
	n    uint16
	data [fragHeldSize]byte
}

// fragments is the memory of datagrams; Director.mu guards it.
type fragments struct {
	seed      uint64
	datagrams []datagram
	held      []heldFragment
	free      uint16 // first free heldFragment, 1 + index
}

func newFragments(secret [16]byte) *fragments {
	f := &fragments{seed: binary.LittleEndian.Uint64(secret[:]), datagrams: make([]datagram, fragDatagrams), held: make([]heldFragment, fragHeld)}
	for i := range f.held {
		f.held[i].next = f.free
		f.free = uint16(i) + 1
	}
	return f
}

// find returns the datagram of a fragment, making it if it is new. The oldest
// one in its places makes room.
func (f *fragments) find(h *frame.Header, now int64) *datagram {
	k := datagramKey{h.Src, h.Dst, h.FragID, h.Proto}
	var b [48]byte
	binary.LittleEndian.PutUint64(b[:], f.seed)
	copy(b[8:], k.src[:])
	copy(b[24:], k.dst[:])
	binary.LittleEndian.PutUint32(b[40:], k.id)
	b[44] = k.proto
	at := int(xxhash.Sum64(b[:]) & (fragDatagrams - 1))
	oldest := at
	for i := range fragWays {
		j := (at + i) & (fragDatagrams - 1)
		d := &f.datagrams[j]
		if d.key == k && now < d.expires {
			return d
		}
		if d.expires < f.datagrams[oldest].expires {
			oldest = j
		}
	}
	d := &f.datagrams[oldest]
	f.forget(d)
	*d = datagram{key: k, expires: now + fragTime}
	return d
}

// forget gives the kept fragments of d back.
func (f *fragments) forget(d *datagram) {
	for d.held != 0 {
		h := &f.held[d.held-1]
		d.held, h.next, f.free = h.next, f.free, d.held
	}
}

// see notes bytes [from, to) of d and reports whether they are new: a piece
// that overlaps another is refused (RFC 5722), and so is one too many.
func (d *datagram) see(from, to uint32) bool {
	i := 0
	for i < int(d.n) && d.ranges[i].to < from {
		i++
	}
	if i < int(d.n) && d.ranges[i].from < to && from < d.ranges[i].to {
		return false
	}
	left := i < int(d.n) && d.ranges[i].to == from
	if left {
		if i+1 < int(d.n) && d.ranges[i+1].from < to {
			return false
		}
		d.ranges[i].to = to
		if i+1 < int(d.n) && d.ranges[i+1].from == to {
			d.ranges[i].to = d.ranges[i+1].to
			d.drop(i + 1)
		}
		return true
	}
	if i < int(d.n) && d.ranges[i].from == to {
		d.ranges[i].from = from
		return true
	}
	if d.n == fragRanges {
		return false
	}
	copy(d.ranges[i+1:d.n+1], d.ranges[i:d.n])
	d.ranges[i] = byteRange{from, to}
	d.n++
	return true
}

func (d *datagram) drop(i int) {
	copy(d.ranges[i:], d.ranges[i+1:d.n])
	d.n--
}

// hold keeps a copy of frame until the first fragment of d comes; false: there
// is no room.
func (f *fragments) hold(d *datagram, data []byte) bool {
	if f.free == 0 || len(data) > fragHeldSize {
		return false
	}
	i := f.free
	h := &f.held[i-1]
	f.free = h.next
	h.n = uint16(copy(h.data[:], data))
	// In the order of arrival.
	last := &d.held
	for *last != 0 {
		last = &f.held[*last-1].next
	}
	h.next = 0
	*last = i
	return true
}
