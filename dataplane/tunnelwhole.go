package dataplane

import "lvsdr/dataplane/frame"

// sendTunnelled sends the datagram w, which was put together of g and of p, the last
// fragment that came, through its tunnel: the outer packet goes in fragments again, none
// of which is longer than the longest that came. They are cut where the datagram was cut,
// if that can be, as the kernel does.
func (d *Director) sendTunnelled(s *Scratch, b *Batch, p, w *Packet, g *datagram) Reason {
	to := w.flow.hop
	longest := min(int(g.longest), pieceRoom)
	if to.limit() > 0 {
		longest = min(longest, to.carried())
	}
	size := to.outer.OuterFragmentSize(longest)
	front := to.outer.Len() - to.outer.IPLen() + int(w.header.L4-w.header.L3)
	cuts := d.cuts(p, g, front, longest-to.outer.IPLen())
	reason := TooBig
	if w.length()+to.outer.Len() <= longestIP {
		reason = s.cut(b, w, func(off int) int {
			if len(cuts) == 0 {
				return size
			}
			n := cuts[0]
			cuts = cuts[1:]
			return n
		})
	}
	d.frags.forget(g)
	if reason == TooBig {
		g.refused = true
		return TooBig
	}
	p.flow.answered, p.flow.hop = true, to
	return Reassembled
}

// cuts are the lengths of the pieces in which g's datagram came, the first with front
// more bytes before it; empty: they cannot be fragments of at most room bytes.
func (d *Director) cuts(p *Packet, g *datagram, front, room int) []int {
	cuts := d.frags.cuts[:0]
	for off := 0; off < int(g.end); {
		n := d.pieceAt(p, g, off)
		if n == 0 {
			return nil
		}
		off += n
		if len(cuts) == 0 {
			n += front
		}
		if n > room || n%8 != 0 && off < int(g.end) || len(cuts) == cap(cuts) {
			return nil
		}
		cuts = append(cuts, n)
	}
	return cuts
}

// pieceAt is the length of the fragment of g that begins at off; 0: there is none.
func (d *Director) pieceAt(p *Packet, g *datagram, off int) int {
	if int(p.header.FragOff) == off {
		return int(p.header.End) - frame.FragmentData(p.Data, &p.header)
	}
	h := &d.frags.header
	for at := g.held; at != 0; at = d.frags.held[at-1].next {
		f := d.frags.held[at-1].frame()
		if frame.Parse(f, h); int(h.FragOff) == off {
			return int(h.End) - frame.FragmentData(f, h)
		}
	}
	return 0
}
