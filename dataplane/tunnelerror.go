package dataplane

import (
	"encoding/binary"

	"lvsdr/conntrack"
	"lvsdr/dataplane/frame"
)

// ICMP errors that routers on the way to a server send about a packet in its tunnel, to the
// source of the outer header. The client is told the same about its own packet.
const (
	icmpUnreachable    = 3
	icmpFragNeeded     = 4 // code
	icmpSourceQuench   = 4
	icmpTimeExceeded   = 11
	icmp6Unreachable   = 1
	icmp6TooBig        = 2
	icmp6TimeExceeded  = 3
	quoteRoom          = 1280 // of a quoted packet, bytes; more is never told
	errorMTU4, errMTU6 = 6, 4 // where an error has an MTU, from its start
)

// A told is the MTU that clients were told of a server's tunnel by the last error from the
// path: that which was known when the last packet went there, as in kernel IPVS.
type told struct {
	mtu  int
	sent uint64 // packets by then
}

// readTunnelError settles a packet that is for no VIP: an ICMP error about a packet in a
// tunnel, with a client's packet to a VIP in it, is looked at.
func (d *Director) readTunnelError(t *Table, p *Packet) Reason {
	h := &p.header
	var outer, in frame.Header
	if h.IsFragment() || !frame.Inner(p.Data, h, &outer) || outer.Src != h.Dst ||
		!frame.InnerTunnelled(p.Data, &outer, &in) || in.FragOff != 0 || !in.Proto.HasPorts() || !t.ours(&in.Dst) {
		return NotOurs
	}
	p.flow = flow{aside: true, quoted: true, enclosed: true, key: keyOf(&in)}
	p.flow.id = d.hasher.ID(&p.flow.key)
	return pending
}

// tunnelError answers p, an ICMP error about a packet of a connection in the tunnel to its
// server, by telling the client.
func (d *Director) tunnelError(t *Table, s *Scratch, b *Batch, p *Packet, now int64) Reason {
	h := &p.header
	var outer, in frame.Header
	frame.Inner(p.Data, h, &outer)
	frame.InnerTunnelled(p.Data, &outer, &in)
	ds := d.tunnelled(t, s, p, &outer, now)
	if ds == nil {
		return NotOurs
	}
	if !p.Partial && !frame.L4ChecksumOK(p.Data, h) {
		return BadChecksum
	}
	mtu := d.tellOf(s, ds)
	if isTooBig(h) {
		d.learn(ds.hop, mtuOf(p.Data, h), now)
	}
	return d.tell(s, b, p, &in, mtu, now)
}

// tunnelled is the server to whose tunnel the packet went whose outer header an error
// quotes; nil: it is of no connection, or of no tunnel of that server.
func (d *Director) tunnelled(t *Table, s *Scratch, p *Packet, outer *frame.Header, now int64) *dest {
	if !d.serves(t, !p.flow.key.Client.Is4()) {
		return nil
	}
	e, at := d.find(s.shard, &p.flow.id, &p.flow.key, now)
	defer s.shard.unlock(at)
	if e == nil {
		return nil
	}
	ds := d.destOf(e)
	if ds == nil || ds.hop == nil || !ds.hop.wraps || outer.Dst != ds.Addr || outer.Src != ds.link.Source {
		return nil
	}
	if outer.Proto != outerProto(ds.method, p.flow.key.Client.Is4()) || ds.method == GUE && outer.DstPort != ds.tunnel.Port {
		return nil
	}
	return ds
}

// outerProto is the protocol of the outer header, of a packet of IPv4 or IPv6.
func outerProto(m Method, v4 bool) frame.Proto {
	switch {
	case m == GRE:
		return frame.ProtoGRE
	case m == GUE:
		return frame.ProtoUDP
	case v4:
		return frame.ProtoIPIP
	}
	return frame.ProtoIPv6
}

// tellOf is the MTU that clients of ds are told by an error now.
func (d *Director) tellOf(s *Scratch, ds *dest) int {
	sent := ds.totals.Packets + s.shard.load(ds.ref.Slot()).Packets
	if ds.told.mtu == 0 || ds.told.sent != sent {
		ds.told = told{mtu: ds.hop.limit(), sent: sent}
	}
	return ds.told.mtu
}

// isTooBig reports whether the error h says that a packet is too long.
func isTooBig(h *frame.Header) bool {
	if h.Kind == frame.IPv6 {
		return h.ICMPType == icmp6TooBig
	}
	return h.ICMPType == icmpUnreachable && h.ICMPCode == icmpFragNeeded
}

// mtuOf is the MTU that such an error names, bytes.
func mtuOf(f []byte, h *frame.Header) int {
	if h.Kind == frame.IPv6 {
		return int(min(binary.BigEndian.Uint32(f[int(h.L4)+errMTU6:]), longestIP))
	}
	return int(binary.BigEndian.Uint16(f[int(h.L4)+errorMTU4:]))
}

// errorFor is the type and code by which a client of the other family is told of the error h;
// false: it is not told.
func errorFor(h *frame.Header, kind frame.Kind) (typ, code uint8, ok bool) {
	v6 := kind == frame.IPv6
	switch {
	case isTooBig(h) && v6:
		return icmp6TooBig, 0, true
	case isTooBig(h):
		return icmpUnreachable, icmpFragNeeded, true
	case kind != h.Kind:
		return 0, 0, false
	case v6:
		return h.ICMPType, h.ICMPCode, h.ICMPType == icmp6Unreachable || h.ICMPType == icmp6TimeExceeded
	}
	return h.ICMPType, h.ICMPCode, h.ICMPType == icmpUnreachable || h.ICMPType == icmpTimeExceeded || h.ICMPType == icmpSourceQuench
}

// tell sends the client of p's flow the error p about its packet, whose header is in.
func (d *Director) tell(s *Scratch, b *Batch, p *Packet, in *frame.Header, mtu int, now int64) Reason {
	client := &p.flow.key.Client
	way := d.ways.find(client)
	typ, code, ok := errorFor(&p.header, in.Kind)
	if way == nil || !ok {
		return TunnelErrorUntold
	}
	limit := &s.limits[oweICMP-1]
	if len(b.Replies) == maxReplies || !limit.take(d.hasher.Hash(&conntrack.Key{Client: *client}), now) {
		return limit.reason
	}
	if in.Kind == frame.IPv6 {
		mtu = max(mtu, leastMTU6)
	}
	// The error is an answer to the client's packet, as it would have come.
	n := min(int(in.End-uint32(in.L3)), quoteRoom)
	var room [frame.EtherLen + quoteRoom]byte
	copy(room[frame.EtherLen:], p.Data[in.L3:][:n])
	frame.SetMACs(room[:], way.own, way.mac) // as if to this host, from the client
	binary.BigEndian.PutUint16(room[frame.OffEtherType:], frame.EtherTypeIPv4)
	if in.Kind == frame.IPv6 {
		binary.BigEndian.PutUint16(room[frame.OffEtherType:], frame.EtherTypeIPv6)
	}
	h := *in
	h.L3, h.L4, h.End = frame.EtherLen, frame.EtherLen+in.L4-in.L3, uint32(frame.EtherLen+n)
	buf := frame.AppendICMPError(s.replies[len(b.Replies)][:0], room[:], &h, typ, code, uint16(min(mtu, longestIP)))
	if len(buf) == 0 {
		return TunnelErrorUntold
	}
	b.Replies = append(b.Replies, Reply{Data: buf, Out: way.in})
	return TunnelError
}
