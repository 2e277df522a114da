package dataplane

import (
	"encoding/binary"

	"lvsdr/dataplane/frame"
)

// leastMTU6 is the MTU that every link of IPv6 has (RFC 8200 section 5): no packet that
// is not longer is refused, and no client is told less.
const leastMTU6 = 1280

// leastMTU4 is the MTU that every link of IPv4 has (RFC 791 section 3.2).
const leastMTU4 = 68

// longestIP is the greatest IP packet, bytes. That of IPv6 may be 40 longer.
const longestIP = 65535

// The source ports of GUE, the range in which hosts have those of their own connections.
const (
	tunnelPort  = 32768
	tunnelPorts = 28232
)

// wrap makes to a hop through ds's tunnel.
func (to *hop) wrap(ds *dest, pmtu bool) {
	to.outer = frame.NewOuter(frame.OuterConfig{Encapsulation: encapsulation(ds.method), Src: ds.link.Source, Dst: ds.Addr,
		Port: ds.tunnel.Port, Sum: ds.tunnel.Sum != NoSum})
	to.wraps, to.pmtu, to.path = true, pmtu, ds.path
	if to.mtu > 0 {
		to.mtu -= to.outer.Len()
	}
	frame.SetMACs(to.ethernet[:], to.next, to.link.MAC)
	binary.BigEndian.PutUint16(to.ethernet[frame.OffEtherType:], to.outer.EtherType())
}

// encapsulation is that of a method that tunnels.
func encapsulation(m Method) frame.Encapsulation {
	switch m {
	case GRE:
		return frame.GRE
	case GUE:
		return frame.GUE
	}
	return frame.IPinIP
}

// tunnelTo is routeTo for a tunnel. A fragment is not looked at: its datagram is sent as
// a whole.
func (p *Packet) tunnelTo(to *hop, reason Reason) Reason {
	h := &p.header
	n := p.length()
	switch {
	case h.TTL <= 1:
		return TimeExceeded
	case to.next == frame.MAC{}:
		return NoMAC
	case h.IsFragment() || p.GSOSize == inFragments:
		return reason
	case p.GSOSize > 0:
		return p.superTo(to, reason)
	case n+to.outer.Len() > longestIP:
		return TooBig
	case to.room(n):
		return reason
	case h.Kind == frame.IPv6 && n > leastMTU6 || h.Kind == frame.IPv4 && h.DF && to.pmtu:
		return FragmentationNeeded
	}
	return Fragmented
}

// tunnel puts p into the tunnel of to.
func (s *Scratch) tunnel(to *hop, p *Packet) {
	h := &p.header
	frame.DecrementTTL(p.Data, h)
	var in frame.Enclosed
	s.enclose(&in, to, p)
	if p.Unfinished { // and stays so: the NIC moves what says where
		in.L4, in.Sum = int(h.L4-h.L3), h.Proto.SumOffset()
	}
	p.Data = p.Data[:h.End]
	n := to.outer.Len() + frame.EtherLen - int(h.L3)
	if p.Prepend(n) == nil {
		p.grow(n)
	}
	to.outer.Put(p.Data[frame.EtherLen:][:to.outer.Len()], &in)
	*(*[frame.EtherLen]byte)(p.Data) = to.ethernet
}

// grow makes the frame n bytes longer at its start where there is no room in front of it:
// it did not come from a NIC.
func (p *Packet) grow(n int) {
	p.Data = append(make([]byte, n, n+len(p.Data)), p.Data...)
	p.Front = nil
}

// enclose makes *in, which is zero, p as it goes into the tunnel of to, its TTL taken one
// off before.
func (s *Scratch) enclose(in *frame.Enclosed, to *hop, p *Packet) {
	h := &p.header
	s.ids += s.stride
	in.Packet, in.Kind, in.DF = p.Data[h.L3:h.End], h.Kind, to.pmtu && h.DF && h.Kind == frame.IPv4
	in.ID, in.Port = uint16(s.ids), p.flow.tunnelPort()
}

// tunnelPort is the source port of GUE for the flow: by it routers and network cards
// spread flows.
func (f *flow) tunnelPort() uint16 {
	return tunnelPort + uint16(f.id.Hash>>32*tunnelPorts>>32)
}

// carried is the longest IP packet that the link, and the path, carries, bytes; at least
// what every link does.
func (to *hop) carried() int { return max(to.limit()+to.outer.Len(), leastMTU4) }

// splitTunnel sends p through its tunnel, whose packet goes in fragments.
func (s *Scratch) splitTunnel(b *Batch, p *Packet) Reason {
	to := p.flow.hop
	size := to.outer.OuterFragmentSize(min(to.carried(), pieceRoom))
	return s.cut(b, p, func(off int) int { return size })
}

// pieceRoom is the longest IP packet that a reply has room for, bytes.
const pieceRoom = frame.MaxReply - frame.EtherLen

// cut sends p through its tunnel in fragments of the outer packet: of that at off, size
// says how long it is.
func (s *Scratch) cut(b *Batch, p *Packet, size func(off int) int) Reason {
	to, h := p.flow.hop, &p.header
	if p.Unfinished {
		frame.FinishSum(p.Data, h)
	}
	ttl := frame.TTLOf(p.Data, h)
	frame.DecrementTTL(p.Data, h)
	defer ttl.Restore(p.Data, h)
	var in frame.Enclosed
	s.enclose(&in, to, p)
	in.DF = false
	var room [frame.MaxOuter]byte
	head := room[:to.outer.Len()]
	to.outer.Put(head, &in)
	total := len(head) - to.outer.IPLen() + len(in.Packet)
	first := len(b.Replies)
	for off := 0; off < total; {
		n := min(size(off), total-off)
		if n <= 0 || len(b.Replies) == maxReplies {
			b.Replies = b.Replies[:first]
			return TooBig
		}
		buf := to.outer.AppendFragment(s.replies[len(b.Replies)][:0], &to.ethernet, head, in.Packet, off, n, s.ids)
		b.Replies = append(b.Replies, Reply{Data: buf, Out: to.link.Index})
		off += n
	}
	return Fragmented
}
