package dataplane

import (
	"lvsdr/conntrack"
	"lvsdr/dataplane/frame"
)

// flow is what the stages after the first need of a packet.
type flow struct {
	key    conntrack.Key
	hash   uint64
	quoted bool      // key is that of the packet an ICMP error quotes
	dest   *dest     // the server it goes to; good for this batch
	mac    frame.MAC // of that server
	link   Link      // by which it goes there
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
	b.Replies = b.Replies[:0]
	d.mu.Lock()
	d.strained = d.conns.Len() > strainedAt(d.conns.Limit())
	for i := range b.Packets {
		if p := &b.Packets[i]; p.Reason == pending {
			s.touched += d.conns.Touch(p.flow.hash)
		}
	}
	for i := range b.Packets {
		if p := &b.Packets[i]; p.Reason == pending {
			p.Reason = d.decide(t, s, b, p, now)
		}
	}
	d.mu.Unlock()
	for i := range b.Packets {
		p := &b.Packets[i]
		if p.Verdict = p.Reason.Verdict(); p.Verdict == Answer {
			p.Reason = d.answer(s, b, p, now)
			p.Verdict = p.Reason.Verdict()
		}
		if p.Verdict == Forward {
			rewrite(p.Data, &p.header, &p.flow)
			p.Out = p.flow.link.Index
		}
	}
	s.count(b)
}

// strainedAt is the number of entries above which a table with room for limit
// is nearly full.
func strainedAt(limit int) int { return limit - limit/16 }

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
	case h.Kind != frame.IPv4 && h.Kind != frame.IPv6:
		p.Reason = NotIP
	case neighbourDiscovery(h):
		p.Reason = NDPSeen
	case frame.DstMAC(p.Data)[0]&1 != 0:
		// RFC 1122 section 3.3.6: a unicast datagram in a link-layer
		// broadcast is discarded.
		p.Reason = NotOurs
	case !clientAddr(&h.Src):
		p.Reason = BadSource
	case h.Proto == frame.ProtoTCP || h.Proto == frame.ProtoUDP || h.Proto == frame.ProtoSCTP || optionsInFront(h):
		p.flow = flow{key: conntrack.Key{Client: h.Src, Virtual: h.Dst,
			ClientPort: h.SrcPort, VirtualPort: h.DstPort, Proto: h.Proto}}
		p.flow.hash = d.conns.Hash(&p.flow.key)
	case !t.ours(h.Dst):
		p.Reason = NotOurs
	case t.ours(h.Src):
		p.Reason = BadSource
	case h.Proto == frame.ProtoICMP || h.Proto == frame.ProtoICMPv6:
		p.Reason = d.readICMP(p)
	default:
		p.Reason = ProtocolIgnored
	}
}

// readICMP settles an ICMP message to a VIP, but for an error, which goes to
// the server of the connection that it quotes.
func (d *Director) readICMP(p *Packet) Reason {
	h := &p.header
	var in frame.Header
	switch {
	case h.IsFragment():
		return Fragment
	case h.Kind == frame.IPv4 && h.ICMPType == icmpEcho && h.ICMPCode == 0,
		h.Kind == frame.IPv6 && h.ICMPType == icmp6Echo && h.ICMPCode == 0:
		return EchoReplied
	case !frame.Inner(p.Data, h, &in) || in.FragOff != 0 || in.Src != h.Dst || !connected(h, in.Proto):
		return ICMPIgnored
	}
	// What is quoted went from the VIP to the client.
	p.flow = flow{quoted: true, key: conntrack.Key{Client: in.Dst, Virtual: in.Src,
		ClientPort: in.DstPort, VirtualPort: in.SrcPort, Proto: in.Proto}}
	p.flow.hash = d.conns.Hash(&p.flow.key)
	return pending
}

// connected reports whether an ICMP error h about a packet of that protocol is
// for a connection: parameter problems of IPv4 are the host's, as in IPVS.
func connected(h *frame.Header, proto uint8) bool {
	if h.Kind == frame.IPv4 && h.ICMPType == icmpParameterProblem {
		return false
	}
	return proto == frame.ProtoTCP || proto == frame.ProtoUDP || proto == frame.ProtoSCTP
}

// neighbourDiscovery reports whether h is of the protocol that IPv6 has for
// ARP (RFC 4861): it goes to the ARP side, also from a multicast.
func neighbourDiscovery(h *frame.Header) bool {
	return h.Proto == frame.ProtoICMPv6 && h.Kind == frame.IPv6 && !h.IsFragment() &&
		h.ICMPType >= icmp6RouterSolicitation && h.ICMPType <= icmp6Redirect
}

// optionsInFront reports whether h is of a fragment whose datagram begins with
// destination options, or an authentication header: the next header of the
// first fragment leads on to the protocol, that of the others does not (RFC
// 8200 section 4.5).
func optionsInFront(h *frame.Header) bool {
	const auth, options = 51, 60
	return h.Kind == frame.IPv6 && h.FragOff != 0 && (h.Proto == options || h.Proto == auth)
}

// clientAddr reports whether a can be a client's: RFC 1122 section 3.2.1.3
// forbids the addresses of "this" network, loopback, multicast, and above; RFC
// 4291 the unspecified address, loopback and multicast.
func clientAddr(a *frame.Addr) bool {
	if a.Is4() {
		return a[12] != 0 && a[12] != 127 && a[12] < 224
	}
	return a[0] != 0xff && (a[0] != 0 || [15]byte(a[:15]) != [15]byte{} || a[15] > 1)
}

// decide says where p goes. The caller holds d.mu.
func (d *Director) decide(t *Table, s *Scratch, b *Batch, p *Packet, now int64) Reason {
	switch {
	case p.header.IsFragment():
		return d.fragment(t, s, b, p, now)
	case p.flow.quoted:
		return d.related(t, p, now)
	}
	return d.connect(t, p, now)
}

// connect finds or makes the connection of p and says where p goes. The caller
// holds d.mu.
func (d *Director) connect(t *Table, p *Packet, now int64) Reason {
	if len(t.services) == 0 {
		return t.unserved(p, false)
	}
	reason := Hit
	e := d.conns.Find(&p.flow.key, p.flow.hash, now)
	if e != nil && d.begunAnew(t, e, &p.header) {
		d.conns.Retire(e, now)
		e = nil
	}
	var ds *dest
	if e == nil {
		if ds, e, reason = d.schedule(t, p, now); ds == nil {
			return reason
		}
	} else if ds = d.destOf(e); ds == nil || ds.in == nil {
		return ServerRemoved
	}
	if e != nil { // not one packet alone
		d.advance(t, ds, e, p)
		d.conns.Refresh(e, now)
	}
	n := p.length()
	ds.totals.add(n)
	ds.in.totals.add(n)
	if ds.local {
		return d.refuse(t, ds, e, p, now)
	}
	return p.send(ds, reason)
}

// refuse is what a server that is this host, and does not listen, does to p:
// what the host's stack does. A reset ends the connection.
func (d *Director) refuse(t *Table, ds *dest, e *conntrack.Entry, p *Packet, now int64) Reason {
	reason := t.unserved(p, false)
	if reason == ResetNoService {
		d.setState(ds, e, conntrack.Close)
		d.conns.Refresh(e, now)
	}
	return reason
}

// length is the length of p's IP packet, its header included.
func (p *Packet) length() int { return int(p.header.End) - int(p.header.L3) }

// send directs p to ds.
func (p *Packet) send(ds *dest, reason Reason) Reason {
	p.flow.dest, p.flow.mac, p.flow.link = ds, ds.mac, ds.link
	switch {
	case p.header.TTL <= 1:
		return TimeExceeded
	case ds.link.MTU > 0 && p.length() > ds.link.MTU && p.GSOSize == 0:
		if p.header.DF {
			return FragmentationNeeded
		}
		if !ds.Unreachable {
			return Fragmented
		}
	}
	if ds.Unreachable {
		return NoMAC
	}
	return reason
}

// rewrite makes f, whose header is h, the frame its real server gets.
func rewrite(f []byte, h *frame.Header, to *flow) {
	frame.DecrementTTL(f, h)
	frame.SetMACs(f, to.mac, to.link.MAC)
}

// advance moves e to the state that the client's packet leads to.
func (d *Director) advance(t *Table, ds *dest, e *conntrack.Entry, p *Packet) {
	next := e.State()
	switch p.header.Proto {
	case frame.ProtoTCP:
		next = conntrack.NextTCP(next, p.header.Flags, acts(t.tunables.SecureTCP, d.strained))
	case frame.ProtoSCTP:
		if chunk, ok := frame.SCTPChunk(p.Data, &p.header); ok {
			next = conntrack.NextSCTP(next, chunk)
		}
	}
	d.setState(ds, e, next)
}

// setState moves e to next, and the server's counts with it.
func (d *Director) setState(ds *dest, e *conntrack.Entry, next conntrack.State) {
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
