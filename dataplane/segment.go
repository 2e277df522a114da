package dataplane

import "lvsdr/dataplane/frame"

// The room for segments of super-frames that go into tunnels: a batch may have as many as
// fill a ring's worth of the greatest ones.
const (
	maxSegments = 2048
	segmentRoom = 256 // of one's headers, bytes
)

// segmented is the greatest payload of the segments of super-frame p that fit the tunnel of to,
// bytes; 0: none do. That of TCP may be less than the sender's, since nobody sees it.
func (p *Packet) segmented(to *hop) int {
	headers := frame.SegmentHeaders(p.Data, &p.header)
	if headers == 0 || headers+frame.EtherLen+frame.MaxOuter > segmentRoom {
		return 0
	}
	size, limit := int(p.GSOSize), to.limit()
	switch {
	case limit == 0:
		limit = longestIP - frame.MaxOuter
		fallthrough
	case headers+size > limit && p.header.Proto == frame.ProtoTCP && !p.forbidsFragments(to):
		return max(min(size, limit-headers), 0)
	case headers+size > limit:
		return 0
	}
	return size
}

// superTo is tunnelTo for a super-frame: each of its segments must fit.
func (p *Packet) superTo(to *hop, reason Reason) Reason {
	switch {
	case p.segmented(to) > 0:
		return reason
	case frame.SegmentHeaders(p.Data, &p.header) > 0 && p.forbidsFragments(to):
		return FragmentationNeeded
	}
	return TooBig
}

// forbidsFragments reports whether p must not be fragmented on its way through the tunnel.
func (p *Packet) forbidsFragments(to *hop) bool {
	return p.header.Kind == frame.IPv6 || p.header.DF && to.pmtu
}

// segment puts the segments of super-frame p, each in the tunnel of to, into b; false: there is
// no room for them.
//
//	Data                                             Body
//	┌──────────┬───────┬────────────────────────────┬─ ─ ─ ─ ─ ─ ─ ─ ─ ─ ─ ─ ─ ─ ─
//	│ Ethernet │ outer │ IP and TCP of this segment │ its payload, where it lies in p
//	└──────────┴───────┴────────────────────────────┴─ ─ ─ ─ ─ ─ ─ ─ ─ ─ ─ ─ ─ ─ ─
func (s *Scratch) segment(b *Batch, to *hop, p *Packet) bool {
	h := &p.header
	size := p.segmented(to)
	payload := int(h.L3) + frame.SegmentHeaders(p.Data, h)
	total := int(h.End) - payload
	count := max((total+size-1)/size, 1)
	if len(b.Segments)+count > maxSegments {
		return false
	}
	if s.segments == nil {
		s.segments = make([]byte, maxSegments*segmentRoom)
		b.Segments = make([]Reply, 0, maxSegments)
	}
	frame.DecrementTTL(p.Data, h)
	outer := to.outer.Len()
	p.First, p.Segments = uint16(len(b.Segments)), uint16(count)
	for i := range count {
		g := frame.Segment{Off: i * size, Len: min(size, total-i*size), Index: i}
		at := len(b.Segments) * segmentRoom
		buf := append(s.segments[at:at:at+segmentRoom], to.ethernet[:]...)
		buf = buf[:frame.EtherLen+outer]
		buf = frame.AppendSegment(buf, p.Data, h, g)
		var in frame.Enclosed
		s.enclose(&in, to, p)
		in.Packet, in.Body = buf[frame.EtherLen+outer:], p.Data[payload+g.Off:][:g.Len]
		to.outer.Put(buf[frame.EtherLen:][:outer], &in)
		b.Segments = append(b.Segments, Reply{Data: buf, Body: in.Body, Out: to.link.Index})
	}
	return true
}
