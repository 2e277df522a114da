package dataplane

import (
	"encoding/binary"

	"github.com/cespare/xxhash/v2"

	"lvsdr/dataplane/frame"
)

// Only the first fragment of a datagram has ports. The director remembers for
// every datagram under way where its first fragment went, and keeps fragments
// that overtook it for a moment, so that all go to one server, as in the
// kernel, which puts datagrams together and takes them apart again. What the
// first fragment does not decide, and what is answered, is put together: see
// whole.go.
const (
	fragDatagrams = 1 << 10 // datagrams remembered; a power of 2
	fragWays      = 4       // places a datagram may be at
	fragHeld      = 256     // fragments kept at most, of all datagrams
	fragHeldSize  = 2048    // greatest frame kept, bytes
	fragTime      = 30e9    // ns a datagram is remembered; net.ipv4.ipfrag_time
	fragRanges    = 8       // separate pieces a datagram may be in
	fragReclaim   = 1e9     // ns between two searches for room
)

// A datagramKey names a datagram: RFC 791 section 3.2, RFC 8200 section 4.5.
type datagramKey struct {
	src, dst frame.Addr
	id       uint32
	proto    frame.Proto // of IPv4; the fragments of IPv6 may name different ones
}

// A datagram is the state of a fragmented datagram.
type datagram struct {
	key     datagramKey
	expires int64 // ns; 0: free
	// first says that the first fragment was decided, refused that it was not
	// forwarded; else all go to dest. lost says that a fragment could not be
	// kept.
	first, refused, lost bool
	dest                 *dest
	flow                 flow // of the first fragment, if that is masqueraded
	gathered
	// ranges are the bytes seen so far, sorted, apart from each other; end is
	// that of the whole datagram, once its last fragment came.
	ranges [fragRanges]byteRange
	n      uint8
	end    uint32
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
	used      int    // of held, were ever used: memory is not touched before
	free      uint16 // first free one of those, 1 + index; 0: none
	reclaimed int64  // ns of the last search for room
	whole     Packet // the datagram being put together
	room      []byte // for its frame
	header    frame.Header
	cuts      [maxReplies]int // of the datagram being sent
}

func newFragments(secret [16]byte) *fragments {
	return &fragments{seed: binary.LittleEndian.Uint64(secret[:]), datagrams: make([]datagram, fragDatagrams), held: make([]heldFragment, fragHeld),
		room: make([]byte, wholeRoom)}
}

// full reports whether all of held is in use.
func (f *fragments) full() bool { return f.free == 0 && f.used == len(f.held) }

// take takes a free one of held, 1 + its index; there must be one.
func (f *fragments) take() uint16 {
	if i := f.free; i != 0 {
		f.free = f.held[i-1].next
		return i
	}
	f.used++
	return uint16(f.used)
}

// find returns the datagram of a fragment, making it if it is new. The oldest
// one in its places makes room.
func (f *fragments) find(h *frame.Header, now int64) *datagram {
	k := datagramKey{src: h.Src, dst: h.Dst, id: h.FragID}
	if h.Kind == frame.IPv4 {
		k.proto = h.Proto
	}
	var b [48]byte
	binary.LittleEndian.PutUint64(b[:], f.seed)
	copy(b[8:], k.src[:])
	copy(b[24:], k.dst[:])
	binary.LittleEndian.PutUint32(b[40:], k.id)
	b[44] = byte(k.proto)
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

// reclaim gives back the fragments of datagrams whose time is up: nobody may
// come by their places for long. It looks now and then only, so that a flood
// of fragments does not pay for each.
func (f *fragments) reclaim(now int64) {
	if now-f.reclaimed < fragReclaim {
		return
	}
	f.reclaimed = now
	for i := range f.datagrams {
		if d := &f.datagrams[i]; d.held != 0 && now >= d.expires {
			f.forget(d)
		}
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
func (f *fragments) hold(d *datagram, data []byte, now int64) bool {
	if f.full() {
		f.reclaim(now)
	}
	if f.full() || len(data) > fragHeldSize {
		return false
	}
	i := f.take()
	h := &f.held[i-1]
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

// fragment decides about a fragment: the first as a packet, the others as the first
// was.
func (d *Director) fragment(t *Table, s *Scratch, b *Batch, p *Packet, now int64) Reason {
	h := &p.header
	p.flow.answered = false
	from, n := uint32(h.FragOff), h.End-uint32(frame.FragmentData(p.Data, h))
	switch {
	case !t.ours(&h.Dst) && !p.flow.reply:
		return NotOurs
	case n == 0 || h.More && n%8 != 0 || longest(h) < from+n:
		// RFC 791 section 3.2: all but the last carry a multiple of 8 bytes.
		return FragmentBad
	}
	g := d.frags.find(h, now)
	if !g.see(from, from+n) {
		return FragmentOverlap
	}
	if !h.More {
		g.end = from + n
	}
	g.longest = max(g.longest, uint32(p.length()))
	reason := d.piece(t, s, b, p, g, now)
	if g.seenAll() && g.held == 0 {
		g.expires = 0
	}
	return reason
}

// seenAll reports whether nothing of d is missing.
func (d *datagram) seenAll() bool {
	return d.end != 0 && d.n == 1 && d.ranges[0] == byteRange{0, d.end}
}

// piece decides about a fragment of g that was not seen before.
func (d *Director) piece(t *Table, s *Scratch, b *Batch, p *Packet, g *datagram, now int64) Reason {
	if p.header.FragOff == 0 {
		if reason := d.firstFragment(t, s, b, p, g, now); !g.whole {
			return reason
		}
	}
	switch {
	case g.refused:
		return FragmentRefused
	case g.whole && g.seenAll():
		return d.complete(t, s, b, p, g, now)
	case !g.first || g.whole:
		return d.keep(p, g, now)
	case g.masqueraded():
		return g.follow(p)
	case g.dest.in == nil:
		return ServerRemoved
	case g.dest.hop.wraps: // since the first fragment went
		return d.refuseWhole(g, FragmentRefused)
	}
	n := p.header.End - uint32(p.header.L4)
	g.dest.totals.Bytes += uint64(n)
	g.dest.in.totals.Bytes += uint64(n)
	return p.routeTo(g.dest.hop, FragmentFollowed)
}

// masqueraded reports whether the first fragment of d was masqueraded, or an answer.
func (d *datagram) masqueraded() bool { return d.flow.hop != nil }

// follow sends p where the first fragment of d, which is masqueraded, went.
func (d *datagram) follow(p *Packet) Reason {
	p.flow = d.flow
	if d.dest == nil {
		return p.routeTo(p.flow.hop, FragmentFollowed)
	}
	if d.dest.in == nil && !p.flow.reply {
		return ServerRemoved
	}
	d.dest.countPiece(&p.header, p.flow.reply)
	return p.routeTo(p.flow.hop, FragmentFollowed)
}

// countPiece counts the payload of a fragment, of the server's or of a client's.
func (d *dest) countPiece(h *frame.Header, out bool) {
	if d.in == nil {
		return
	}
	n := uint64(h.End - uint32(h.L4))
	for _, t := range [...]*Traffic{d.totals, d.in.totals} {
		if out {
			t.OutBytes += n
		} else {
			t.Bytes += n
		}
	}
}

// keep keeps p until the first fragment of g comes, or all of it is there. A
// datagram that is needed whole is of no use without it.
func (d *Director) keep(p *Packet, g *datagram, now int64) Reason {
	if (!g.lost || !g.whole) && d.frags.hold(g, p.Data, now) {
		return FragmentHeld
	}
	g.lost = true
	if g.whole {
		g.refused = true
		d.frags.forget(g)
	}
	return FragmentLost
}

// longest is the greatest payload of the datagram that h is a fragment of,
// bytes. The total length of IPv4 counts the header (RFC 791 section 3.1), the
// payload length of IPv6 does not (RFC 8200 section 3).
func longest(h *frame.Header) uint32 {
	const most = 65535
	if h.Kind == frame.IPv4 {
		return most - uint32(h.L4-h.L3)
	}
	return most
}

// firstFragment decides about the fragment that has the ports, and sends those
// after it that were kept; or says that all of the datagram is needed first.
func (d *Director) firstFragment(t *Table, s *Scratch, b *Batch, p *Packet, g *datagram, now int64) Reason {
	g.first = true
	if needsWhole(p) {
		g.whole = true
		return pending
	}
	reason := pending
	if p.flow.reply {
		reason = d.reply(t, s, p, now)
	} else {
		reason = d.connect(t, s, p, now)
	}
	switch v := reason.Verdict(); {
	case v == Answer && reason != Fragmented:
		g.owe(p, reason)
		return reason
	case v != Forward && v != Answer:
		g.refused = true
		d.frags.forget(g)
		return reason
	case p.flow.hop.wraps: // a tunnel carries the datagram as a whole
		g.owe(p, reason)
		return reason
	}
	g.dest = p.flow.hop.dest
	if g.flow = (flow{}); p.flow.hop.method == Masquerade {
		if g.flow = p.flow; p.flow.reply {
			g.dest = p.flow.from
		}
	}
	for g.held != 0 {
		held := &d.frags.held[g.held-1]
		if h, sent := s.release(b, held.frame(), p); sent && g.dest != nil {
			g.dest.countPiece(&h, p.flow.reply)
		}
		g.held, held.next, d.frags.free = held.next, d.frags.free, g.held
	}
	return reason
}

// release puts a copy of kept frame f, which goes where p of the same datagram goes, among
// the replies and returns its header; false: it could not be sent.
func (s *Scratch) release(b *Batch, f []byte, p *Packet) (h frame.Header, sent bool) {
	if len(b.Replies) == maxReplies {
		return h, false
	}
	to := p.flow.hop
	buf := append(s.replies[len(b.Replies)][:0], f...)
	frame.Parse(buf, &h)
	if h.TTL <= 1 || !to.room(int(h.End)-int(h.L3)) {
		return h, false
	}
	p.finish(buf, &h)
	b.Replies = append(b.Replies, Reply{Data: buf, Out: to.link.Index})
	return h, true
}
