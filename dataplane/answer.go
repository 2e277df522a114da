package dataplane

import (
	"lvsdr/conntrack"
	"lvsdr/dataplane/frame"
)

// ICMP types (RFC 792, RFC 4443, RFC 4861).
const (
	icmpEcho             = 8
	icmpParameterProblem = 12

	icmp6Echo = 128
)

const (
	// maxReplies bounds our own frames in one batch; beyond it the rate
	// limit says no.
	maxReplies = 64
)

// An owed says what a reason owes the client.
type owed struct {
	kind        uint8 // 0: nothing
	typ, code   uint8 // of ICMP
	typ6, code6 uint8 // of ICMPv6
	// verify asks for a right transport checksum first: a host's stack
	// would not have answered without.
	verify bool
}

const (
	oweReset = 1 + iota
	oweICMP
	oweEcho
	oweFragments // not limited
	oweWhole     // made when it was decided
)

// answer makes the frame that is owed for p, into b.Replies, and returns the
// reason that p is counted under: the one it had, if the answer was made. This
// is the turn-off from the straight line.
func (d *Director) answer(s *Scratch, b *Batch, p *Packet, now int64) Reason {
	o := &reasons[p.Reason].owed
	h := &p.header
	if h.IsFragment() && p.flow.answered || o.kind == oweWhole {
		return p.Reason
	}
	if p.flow.reply && o.kind == oweICMP {
		return d.answerServer(s, b, p, now)
	}
	if o.kind == oweFragments {
		return s.split(b, p)
	}
	if o.kind == oweICMP && !frame.MayAnswer(p.Data, h) {
		return NotAnswerable
	}
	if o.verify && !p.Partial && !frame.L4ChecksumOK(p.Data, h) {
		return BadChecksum
	}
	limit := &s.limits[o.kind-1]
	if len(b.Replies) == maxReplies || !limit.take(d.hasher.Hash(&conntrack.Key{Client: h.Src}), now) {
		return limit.reason
	}
	buf := s.replies[len(b.Replies)][:0]
	switch o.kind {
	case oweReset:
		buf = frame.AppendReset(buf, p.Data, h)
	case oweEcho:
		buf = frame.AppendEchoReply(buf, p.Data, h)
	default:
		typ, code := o.typ, o.code
		if h.Kind == frame.IPv6 {
			typ, code = o.typ6, o.code6
		}
		buf = p.appendError(buf, typ, code)
	}
	if len(buf) == 0 {
		return NotAnswerable
	}
	b.Replies = append(b.Replies, Reply{Data: buf, Out: b.In})
	return p.Reason
}

// appendError appends the ICMP error about p. What is too long for its server's link has
// been forwarded as far as there: but under Direct it is quoted with its TTL one less, as by
// kernel IPVS.
func (p *Packet) appendError(buf []byte, typ, code uint8) []byte {
	h := &p.header
	if p.Reason == FragmentationNeeded && p.flow.hop.method != Direct {
		defer frame.TTLOf(p.Data, h).Restore(p.Data, h)
		frame.DecrementTTL(p.Data, h)
	}
	return frame.AppendICMPError(buf, p.Data, h, typ, code, p.flow.told(h))
}

// split sends p in fragments, as its server's link needs them.
func (s *Scratch) split(b *Batch, p *Packet) Reason {
	if p.flow.hop.wraps {
		return s.splitTunnel(b, p)
	}
	h := &p.header
	size := min(frame.FragmentSize(h, p.flow.mtu()), (frame.MaxReply-int(h.L4))&^7)
	total := int(h.End) - int(h.L4)
	if size <= 0 || len(b.Replies)+(total+size-1)/size > maxReplies {
		return TooBig
	}
	for off := 0; off < total; off += size {
		buf := frame.AppendFragment(s.replies[len(b.Replies)][:0], p.Data, h, off, min(size, total-off))
		var fh frame.Header
		frame.Parse(buf, &fh)
		p.finish(buf, &fh)
		b.Replies = append(b.Replies, Reply{Data: buf, Out: p.flow.hop.link.Index})
	}
	return Fragmented
}
