package dataplane

import (
	"lvsdr/conntrack"
	"lvsdr/dataplane/frame"
)

// The way back: a frame of a masqueraded server is looked for by the server's side, gets
// the virtual address and port as its source, and leaves the way by which the client's
// frames came. Both directions meet the same worker, as the NICs hash the client's side;
// where they do not, the other shard is looked at too.

// answerServer is answer for what is owed to a server: an ICMP error, from this host's own
// address where the server's frame came in.
func (d *Director) answerServer(s *Scratch, b *Batch, p *Packet, now int64) Reason {
	h, limit := p.header, &s.limits[oweICMP-1]
	i := d.table.Load().interfaces.at(uint16(b.In))
	if i == nil || i.own(&h) == (frame.Addr{}) || !frame.MayAnswer(p.Data, &h) {
		return NotAnswerable
	}
	if len(b.Replies) == maxReplies || !limit.take(d.hasher.Hash(&conntrack.Key{Client: h.Src}), now) {
		return limit.reason
	}
	o := &reasons[p.Reason].owed
	typ, code := o.typ, o.code
	if h.Kind == frame.IPv6 {
		typ, code = o.typ6, o.code6
	}
	h.Dst = i.own(&h)
	ttl := frame.TTLOf(p.Data, &h)
	if p.Reason != TimeExceeded { // it has been forwarded so far
		frame.DecrementTTL(p.Data, &h)
	}
	buf := frame.AppendICMPError(s.replies[len(b.Replies)][:0], p.Data, &h, typ, code, p.flow.told(&h))
	ttl.Restore(p.Data, &h)
	if len(buf) == 0 {
		return NotAnswerable
	}
	b.Replies = append(b.Replies, Reply{Data: buf, Out: b.In})
	return p.Reason
}

// readAnswer notes that p, from the address of a masqueraded server, may be an answer.
func (d *Director) readAnswer(p *Packet) {
	h := &p.header
	p.flow.aside, p.flow.reply = true, true
	if h.Kind == frame.IPv4 {
		p.flow.id = d.hasher.ReplyID4(frame.Addrs4(p.Data, h), h.SrcPort, h.DstPort, h.Proto)
		return
	}
	p.flow.key = replyKeyOf(h)
	p.flow.id = d.hasher.ID(&p.flow.key)
}

// replyKeyOf is the key of the reply entry that a server's packet is of.
func replyKeyOf(h *frame.Header) conntrack.Key {
	return conntrack.Key{Client: h.Dst, Virtual: h.Src, ClientPort: h.DstPort, VirtualPort: h.SrcPort, Proto: h.Proto, Reply: true}
}

// readError settles an ICMP message to an address that is no VIP: an error about a packet
// that went to a masqueraded server may belong to its client's connection.
func (d *Director) readError(t *Table, p *Packet) Reason {
	h := &p.header
	var in frame.Header
	if t.answerers.last == 0 || h.IsFragment() || !frame.Inner(p.Data, h, &in) || in.FragOff != 0 && in.Kind == frame.IPv6 ||
		in.Src != h.Dst || !in.Proto.HasPorts() || !connected(h, in.Proto) || !t.answerers.has(&in.Dst) {
		return NotOurs
	}
	p.flow = flow{aside: true, quoted: true, reply: true, key: conntrack.Key{Client: in.Src, Virtual: in.Dst,
		ClientPort: in.SrcPort, VirtualPort: in.DstPort, Proto: in.Proto, Reply: true}}
	p.flow.id = d.hasher.ID(&p.flow.key)
	return pending
}

// answered decides about p, of a server, if that takes no more than its connection's timer.
func (sh *shard) answered(t *Table, hops hops, p *Packet, now int64) Reason {
	h := &p.header
	if !p.flow.reply || p.flow.quoted || h.IsFragment() || h.Proto == frame.ProtoTCP && h.Flags&frame.SYN != 0 {
		return pending
	}
	r := p.flow.by
	if r == nil {
		return pending
	}
	e := sh.conns.Conn(r)
	if e == nil || e.Expired(now) || !p.plainly(e) && !p.stays(e, conntrack.ServersHalf) {
		return pending
	}
	slot := e.Dest().Slot()
	to := hops.at(slot).Load()
	i := t.interfaces.at(r.Trail().Index())
	if to == nil || to.ref != e.Dest() || !to.masquerades || i == nil {
		return pending
	}
	sh.conns.Restart(e, now)
	n := sh.load(slot)
	n.OutPackets++
	n.OutBytes += uint64(p.length())
	p.flow.from = to.dest
	p.answerFor(sh.conns, e, r.Trail())
	if i.back.takes(p) {
		p.flow.hop = i.back
		return Answered
	}
	return p.routeTo(i.back, Answered)
}

// answerFor notes that p is of connection e of conns, and where it leaves.
func (p *Packet) answerFor(conns *conntrack.Table, e *conntrack.Entry, trail conntrack.Trail) {
	r := &p.flow.rewriting // field by field, as in setKey
	r.end, r.trail = frame.Source, trail
	r.port = conns.Virtual(e, &r.addr)
}

// reply decides about p, which comes from the address of a masqueraded server, or is an
// ICMP error about a packet to one. Also a removed server's answers are its client's.
func (d *Director) reply(t *Table, s *Scratch, p *Packet, now int64) Reason {
	if !d.serves(t, p.header.Kind == frame.IPv6) {
		return UnknownAnswer
	}
	r, at := d.find(s.shard, &p.flow.id, &p.flow.key, now)
	if r == nil {
		return d.unknownAnswer(t, p)
	}
	defer s.shard.unlock(at)
	e := at.conns.Conn(r)
	if p.flow.quoted {
		if !p.Partial && !frame.L4ChecksumOK(p.Data, &p.header) {
			return BadChecksum
		}
	} else {
		if ds := d.destOf(e); ds != nil {
			d.move(s, ds, e, p.nextBoth(e, conntrack.ServersHalf, acts(t.tunables.SecureTCP, s.shard.strained)))
		}
		at.conns.Restart(e, now)
	}
	if ds := d.destOf(e); ds != nil && ds.in != nil {
		ds.totals.AddOut(p.length())
		ds.in.totals.AddOut(p.length())
	}
	p.flow.from = d.destOf(e)
	p.answerFor(at.conns, e, r.Trail())
	i := t.interfaces.at(r.Trail().Index())
	if i == nil || r.Trail() == 0 {
		return NoMAC
	}
	return p.routeTo(i.back, Answered)
}

// unknownAnswer is the reason for p, which is of no connection: it is the host's, but with
// NATICMPSend a packet from where a server listens is answered, unless it is a RST.
func (d *Director) unknownAnswer(t *Table, p *Packet) Reason {
	if t.tunables.NATICMPSend && !p.flow.quoted && (p.header.Proto != frame.ProtoTCP || p.header.Flags&frame.RST == 0) && d.listens(p) {
		return UnreachableAnswer
	}
	return UnknownAnswer
}
