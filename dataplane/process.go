package dataplane

import (
	"lvsdr/conntrack"
	"lvsdr/dataplane/frame"
)

// flow is what the stages after the first need of a packet.
type flow struct {
	key  conntrack.Key
	hash uint64
	dest *dest     // where it goes; valid for this batch only
	mac  frame.MAC // of that server
	link Link
	mtu  int
}

// Process decides about all frames of b at now, in monotonic nanoseconds:
// sets their verdicts and reasons, rewrites those to be forwarded in place,
// and fills b.Replies. It keeps nothing of b. Each stage runs over the whole
// batch before the next.
func (d *Director) Process(s *Scratch, b *Batch, now int64) {
	t := d.table.Load()
	for i := range b.Packets {
		d.read(t, &b.Packets[i])
	}
	d.mu.Lock()
	for i := range b.Packets {
		if p := &b.Packets[i]; p.Reason == pending {
			p.Reason = d.connect(t, p, now)
		}
	}
	d.mu.Unlock()
	b.Replies = b.Replies[:0]
	for i := range b.Packets {
		p := &b.Packets[i]
		if p.Verdict = p.Reason.Verdict(); p.Verdict == Answer {
			p.Reason = d.answer(s, b, p, now)
			p.Verdict = p.Reason.Verdict()
		}
		if p.Verdict == Forward {
			rewrite(p)
		}
	}
	s.count(b)
}

// read parses p and settles what needs no connection.
func (d *Director) read(t *Table, p *Packet) {
	h := &p.header
	frame.Parse(p.Data, h)
	p.Reason = pending
	switch {
	case h.Fault != frame.NoFault:
		p.Reason = faultReasons[h.Fault]
	case h.Kind == frame.ARP:
		p.Reason = ARPSeen
	case h.Kind != frame.IPv4:
		p.Reason = NotIP
	case frame.DstMAC(p.Data)[0]&1 != 0:
		// RFC 1122 section 3.3.6: a unicast datagram in a link-layer
		// broadcast is discarded.
		p.Reason = NotOurs
	case !clientAddr(h.Src):
		p.Reason = BadSource
	case h.IsFragment():
		p.Reason = Fragment
	case h.Proto == frame.ProtoTCP || h.Proto == frame.ProtoUDP:
		p.flow = flow{key: conntrack.Key{Client: h.Src, Virtual: h.Dst,
			ClientPort: h.SrcPort, VirtualPort: h.DstPort, Proto: h.Proto}}
		p.flow.hash = d.conns.Hash(&p.flow.key)
	case !t.ours(h.Dst):
		p.Reason = NotOurs
	case h.Proto == frame.ProtoICMP && h.ICMPType == icmpEcho && h.ICMPCode == 0:
		p.Reason = EchoReplied
	case h.Proto == frame.ProtoICMP:
		p.Reason = ICMPIgnored
	default:
		p.Reason = ProtocolIgnored
	}
}

// clientAddr reports whether a can be a client's: RFC 1122 section 3.2.1.3
// forbids the addresses of "this" network, loopback, multicast, and above.
func clientAddr(a frame.Addr) bool {
	return a[12] != 0 && a[12] != 127 && a[12] < 224
}

// connect finds or makes the connection of p and says where p goes. The caller
// holds d.mu.
func (d *Director) connect(t *Table, p *Packet, now int64) Reason {
	if len(t.services) == 0 {
		return t.unserved(&p.header, false)
	}
	reason := Hit
	e := d.conns.Find(&p.flow.key, p.flow.hash, now)
	if e != nil && d.begunAnew(t, e, &p.header) {
		d.conns.Retire(e, now)
		e = nil
	}
	if e == nil {
		if e, reason = d.schedule(t, p, now); e == nil {
			return reason
		}
	}
	ds := d.destOf(e)
	if ds == nil || ds.in == nil {
		return ServerRemoved
	}
	d.advance(t, ds, e, &p.header)
	d.conns.Refresh(e, now)
	n := int(p.header.End) - int(p.header.L3)
	ds.totals.add(n)
	ds.in.totals.add(n)
	return p.send(ds, n, reason)
}

// send directs p, an IP packet of n bytes, to ds.
func (p *Packet) send(ds *dest, n int, reason Reason) Reason {
	switch {
	case p.header.TTL <= 1:
		return TimeExceeded
	case ds.link.MTU > 0 && n > ds.link.MTU && p.GSOSize == 0:
		if !p.header.DF {
			return TooBig
		}
		p.flow.mtu = ds.link.MTU
		return FragmentationNeeded
	case ds.Unreachable:
		return NoMAC
	}
	p.flow.mac, p.flow.link = ds.mac, ds.link
	return reason
}

// rewrite makes p the frame its real server gets.
func rewrite(p *Packet) {
	frame.DecrementTTL(p.Data, &p.header)
	frame.SetMACs(p.Data, p.flow.mac, p.flow.link.MAC)
	p.Out = p.flow.link.Index
}

// advance moves e to the state that the client's packet leads to, and the
// server's counts with it.
func (d *Director) advance(t *Table, ds *dest, e *conntrack.Entry, h *frame.Header) {
	if h.Proto != frame.ProtoTCP {
		return
	}
	next := conntrack.NextTCP(e.State(), h.Flags, acts(t.tunables.SecureTCP, d.strained))
	if next == e.State() {
		return
	}
	was := e.Active()
	d.conns.SetState(e, next)
	if is := e.Active(); is && !was {
		ds.Active++
		ds.Inactive--
	} else if was && !is {
		ds.Active--
		ds.Inactive++
	}
}
