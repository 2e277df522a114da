package dataplane

import (
	"lvsdr/conntrack"
	"lvsdr/dataplane/frame"
)

// wholeRoom is the greatest frame of a datagram that was put together: an IP
// packet as long as one can be, behind Ethernet with a tag.
const wholeRoom = frame.EtherLen + frame.TagLen + frame.IPv6Len + 65535

// inFragments is, as the segment size of a datagram that was put together, that its own
// length does not count: it leaves in fragments.
const inFragments = 1

// A gathered is the state of a datagram that waits for all its fragments.
type gathered struct {
	// whole says that the datagram waits; owed for what, if that was decided by
	// its first fragment, and by what hop.
	whole bool
	owed  Reason
	hop   *hop
	id    conntrack.ID // of the flow of what is owed
	// counted is the part of the data, in bytes, that hop's server has counted.
	counted uint32
	longest uint32 // IP packet of a fragment, bytes
}

// owe notes that the first fragment p of the datagram decided that it is
// answered, for reason: as the whole, which the answer quotes.
func (g *gathered) owe(p *Packet, reason Reason) {
	g.whole, g.owed, g.id = true, reason, p.flow.id
	if reasons[reason].routed {
		g.hop, g.counted = p.flow.hop, p.header.End-uint32(p.header.L4)
	}
}

// needsWhole reports whether the first fragment p does not decide about its
// datagram: it does not hold the ports and flags, or the protocol is none that is
// decided by them; or the datagram may fit into the longest of its fragments,
// IPv6's, which loses its fragment header then.
func needsWhole(p *Packet) bool {
	h := &p.header
	return h.IsCut() || !h.Proto.HasPorts() || h.Kind == frame.IPv6 && int(h.End)-int(h.L4) <= fragmentHeader
}

// fragmentHeader is the length of that of IPv6, in bytes.
const fragmentHeader = 8

// complete decides about datagram g, of which p is the last fragment that was
// missing. Forwarded are the fragments as they came.
func (d *Director) complete(t *Table, s *Scratch, b *Batch, p *Packet, g *datagram, now int64) Reason {
	w := &d.frags.whole
	if !d.putTogether(w, p, g) {
		return d.refuseWhole(g, FragmentLost)
	}
	reason := g.owed
	if reason == pending {
		reason = d.decideWhole(t, s, b, w, now)
	} else {
		frame.Parse(w.Data, &w.header)
		w.flow = flow{hop: g.hop, id: g.id}
		g.countRest()
	}
	w.Reason = reason
	switch reason.Verdict() {
	case Answer:
		p.flow.answered, p.flow.hop = true, w.flow.hop
		reason = d.answer(s, b, w, now)
	case Forward:
		return d.sendWhole(s, b, p, w, g, reason)
	}
	return d.refuseWhole(g, reason)
}

// refuseWhole ends datagram g, none of which is forwarded, for reason.
func (d *Director) refuseWhole(g *datagram, reason Reason) Reason {
	g.refused = true
	d.frags.forget(g)
	return reason
}

// countRest counts what its server has not counted of d.
func (d *datagram) countRest() {
	if d.hop == nil || d.hop.dest.in == nil {
		return
	}
	n := uint64(d.end - d.counted)
	d.hop.dest.totals.Bytes += n
	d.hop.dest.in.totals.Bytes += n
}

// decideWhole decides about w as about a packet that came in one piece.
func (d *Director) decideWhole(t *Table, s *Scratch, b *Batch, w *Packet, now int64) Reason {
	if d.read(t, w); w.Reason != pending {
		return w.Reason
	}
	return d.decide(t, s, b, w, now)
}

// sendWhole sends the fragments of g, whose whole w is forwarded for reason and p the
// last that came; or w, which is IPv6 and as short as one of them.
func (d *Director) sendWhole(s *Scratch, b *Batch, p, w *Packet, g *datagram, reason Reason) Reason {
	to := w.flow.hop
	if to.wraps {
		return d.sendTunnelled(s, b, p, w, g)
	}
	if w.header.Kind == frame.IPv6 && uint32(w.length()) <= g.longest && len(w.Data) <= frame.MaxReply && to.room(w.length()) {
		d.frags.forget(g)
		if len(b.Replies) == maxReplies {
			return TooBig
		}
		buf := append(s.replies[len(b.Replies)][:0], w.Data...)
		w.finish(buf, &w.header)
		b.Replies = append(b.Replies, Reply{Data: buf, Out: to.link.Index})
		p.flow.answered, p.flow.hop = true, to
		return Reassembled
	}
	for at := g.held; at != 0; at = d.frags.held[at-1].next {
		s.release(b, d.frags.held[at-1].frame(), w)
	}
	d.frags.forget(g)
	p.flow = w.flow
	return p.routeTo(to, reason)
}

// putTogether makes w the datagram g, of which p is the last fragment that came;
// false: a part of it was lost.
func (d *Director) putTogether(w, p *Packet, g *datagram) bool {
	*w = Packet{Mark: p.Mark}
	if g.lost {
		return false
	}
	fr := d.frags
	first, h := p.Data, &p.header
	for at := g.held; h.FragOff != 0; at = fr.held[at-1].next {
		first, h = fr.held[at-1].frame(), &fr.header
		frame.Parse(first, h)
	}
	var data []byte
	w.Data, data = frame.AppendWhole(fr.room[:0], first, h, int(g.end))
	fill(data, p.Data, &p.header)
	for at := g.held; at != 0; at = fr.held[at-1].next {
		f := fr.held[at-1].frame()
		frame.Parse(f, &fr.header)
		fill(data, f, &fr.header)
	}
	// It leaves in its fragments.
	w.GSOSize = inFragments
	return true
}

// fill copies the part that fragment f, whose header is h, has of data.
func fill(data, f []byte, h *frame.Header) {
	copy(data[h.FragOff:], f[frame.FragmentData(f, h):h.End])
}

// frame is the kept fragment.
func (h *heldFragment) frame() []byte { return h.data[:h.n] }
