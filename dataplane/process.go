package dataplane

import (
	"lvsdr/conntrack"
	"lvsdr/dataplane/frame"
)

// flow holds the fields of a packet that the stages after the first need.
type flow struct {
	id conntrack.ID
	// aside says that it is not that of a packet of a client's own, but quoted, or reply.
	aside  bool
	quoted bool // it is that of the packet an ICMP error quotes
	reply  bool // it is that of the answers of a masqueraded server
	// enclosed says that the quoted packet is in a tunnel of this director's.
	enclosed bool
	// answered says, of a fragment, that its datagram was answered, or sent, as a
	// whole.
	answered bool
	hop      *hop             // to the server it goes to; nil: to none
	from     *dest            // of an answer: the server that sent it; nil: it was forgotten
	by       *conntrack.Entry // of an answer, in hits: its reply entry; nil: it has none
	key      conntrack.Key    // of an IPv4 packet only from decide on
	rewriting
}

// Process decides about all frames of b at now, in nanoseconds of
// CLOCK_BOOTTIME:
// sets their verdicts and reasons, rewrites those to be forwarded in place,
// and fills b.Replies. It keeps nothing of b. Each stage runs over the whole
// batch before the next.
func (d *Director) Process(s *Scratch, b *Batch, now int64) {
	t := d.table.Load()
	s.in = b.In
	for i := range b.Packets {
		d.read(t, &b.Packets[i])
	}
	if b.Pressed {
		relieve(b)
	}
	b.Replies, b.Segments = b.Replies[:0], b.Segments[:0]
	if t.waits() || d.hits(t, s, b, now) {
		d.others(t, s, b, now)
	}
	var n [numReasons]uint64
	for i := range b.Packets {
		p := &b.Packets[i]
		if p.Verdict = p.Reason.Verdict(); p.Verdict == Answer {
			p.Reason = d.answer(s, b, p, now)
			p.Verdict = p.Reason.Verdict()
		}
		if p.Verdict == Forward {
			p.flow.hop.send(s, b, p)
			p.Out = p.flow.hop.link.Index
		}
		n[p.Reason]++ // every frame is counted here and nowhere else
	}
	s.count(&n)
	d.show(s, b, now)
}

// relieve drops the SYNs that begin connections. A frame that is dropped here costs
// little, so that the others find room in the NIC's ring: those of connections that are
// open, and new ones as soon as the ring is less full.
func relieve(b *Batch) {
	for i := range b.Packets {
		p := &b.Packets[i]
		if h := &p.header; p.Reason == pending && h.Proto == frame.ProtoTCP && h.Flags&(frame.SYN|frame.ACK) == frame.SYN {
			p.Reason = Overload
		}
	}
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
	case h.Fault != frame.NoFault && !h.IsCut():
		p.Reason = faultReasons[h.Fault]
	case h.Kind == frame.ARP:
		p.Reason = ARPSeen
	case h.Kind != frame.IPv4 && h.Kind != frame.IPv6:
		p.Reason = NotIP
	case h.IsNeighbourDiscovery():
		p.Reason = NDPSeen
	case frame.ToGroup(p.Data):
		// RFC 1122 section 3.3.6: a unicast datagram in a link-layer
		// broadcast is discarded.
		p.Reason = NotOurs
	case h.L3 != frame.EtherLen && frame.VLAN(p.Data) != 0:
		p.Reason = OtherVLAN // VLAN 0 is a priority alone
	case !h.FromHost():
		p.Reason = BadSource
	case h.Proto == frame.ProtoTCP || h.Proto == frame.ProtoUDP || h.Proto == frame.ProtoSCTP || h.HidesProto():
		p.flow.aside, p.flow.quoted, p.flow.reply, p.flow.hop = false, false, false, nil
		if h.HasOptions() && !frame.OptionsOK(p.Data, h) {
			p.Reason = BadIPHeader
		} else if t.answerers.last != 0 && t.answerers.has(&h.Src) && !t.ours(&h.Dst) {
			d.readAnswer(p)
		} else if h.Kind == frame.IPv4 {
			p.flow.id = d.hasher.ID4(frame.Addrs4(p.Data, h), h.SrcPort, h.DstPort, h.Proto)
		} else {
			p.flow.key = keyOf(h)
			p.flow.id = d.hasher.ID(&p.flow.key)
		}
	case !t.ours(&h.Dst):
		if p.Reason = d.readError(t, p); p.Reason == NotOurs {
			p.Reason = d.readTunnelError(t, p)
		}
	case t.ours(&h.Src):
		p.Reason = BadSource
	case h.IsFragment():
		p.flow = flow{} // it is decided when all of its datagram is there
	default:
		p.Reason = d.readOther(p)
	}
}

// readOther settles a packet to a VIP of a protocol that no service is for.
func (d *Director) readOther(p *Packet) Reason {
	h := &p.header
	v4 := h.Kind == frame.IPv4
	switch {
	case h.HasOptions() && !frame.OptionsOK(p.Data, h):
		return BadIPHeader
	case h.Proto == frame.ProtoICMP && v4, h.Proto == frame.ProtoICMPv6 && !v4:
		return d.readICMP(p)
	case isIPsec(h.Proto):
		p.flow = flow{key: ipsecKey(h.Src, h.Dst)}
		p.flow.id = d.hasher.ID(&p.flow.key)
		return pending
	case h.Proto == frame.ProtoIGMP && v4, h.Proto == frame.ProtoNone && !v4:
		return ProtocolIgnored // the host's, which does not answer
	}
	return UnreachableProtocol
}

// readICMP settles an ICMP message to a VIP, but for an error, which goes to
// the server of the connection that it quotes.
func (d *Director) readICMP(p *Packet) Reason {
	h := &p.header
	var in frame.Header
	switch {
	case h.Kind == frame.IPv4 && h.ICMPType == icmpEcho && h.ICMPCode == 0,
		h.Kind == frame.IPv6 && h.ICMPType == icmp6Echo && h.ICMPCode == 0:
		return EchoReplied
	case !frame.Inner(p.Data, h, &in) || in.FragOff != 0 && in.Kind == frame.IPv6 || in.Src != h.Dst || !connected(h, in.Proto):
		return ICMPIgnored
	}
	// What is quoted went from the VIP to the client.
	p.flow = flow{aside: true, quoted: true, key: conntrack.Key{Client: in.Dst, Virtual: in.Src,
		ClientPort: in.DstPort, VirtualPort: in.SrcPort, Proto: in.Proto}}
	if isIPsec(in.Proto) {
		p.flow.key = ipsecKey(in.Dst, in.Src)
	}
	p.flow.id = d.hasher.ID(&p.flow.key)
	return pending
}

// keyOf is the key of the connection that a packet is of.
func keyOf(h *frame.Header) conntrack.Key {
	return conntrack.Key{Client: h.Src, Virtual: h.Dst, ClientPort: h.SrcPort, VirtualPort: h.DstPort, Proto: h.Proto}
}

// setKey sets the key of p's flow, which read leaves for later where p is IPv4.
func (p *Packet) setKey() {
	if h := &p.header; h.Kind == frame.IPv4 && h.Proto.HasPorts() {
		// Field by field: a Key made elsewhere is copied in other pieces than it was
		// written in, for which the CPU waits.
		k := &p.flow.key
		k.Client, k.Virtual, k.ClientPort, k.VirtualPort = h.Src, h.Dst, h.SrcPort, h.DstPort
		k.Proto, k.Template, k.Reply = h.Proto, false, false
		if p.flow.reply {
			*k = replyKeyOf(h)
		}
	}
}

// connected reports whether an ICMP error h about a packet of that protocol is
// for a connection: parameter problems of IPv4 are the host's, as in IPVS.
func connected(h *frame.Header, proto frame.Proto) bool {
	if h.Kind == frame.IPv4 && h.ICMPType == icmpParameterProblem {
		return false
	}
	return proto.HasPorts() || isIPsec(proto)
}

// others decides about the packets that hits has left.
func (d *Director) others(t *Table, s *Scratch, b *Batch, now int64) {
	d.lockFor(&d.mu)
	defer d.mu.Unlock()
	d.lockFor(&s.shard.mu)
	defer s.shard.mu.Unlock()
	s.shard.in = b.In // a worker of another interface may have had the shard since hits
	for i := range b.Packets {
		if p := &b.Packets[i]; p.Reason == pending {
			p.Reason = d.decide(t, s, b, p, now)
		}
	}
}

// decide says where p goes. From here on the caller holds d.mu and
// s.shard.mu.
func (d *Director) decide(t *Table, s *Scratch, b *Batch, p *Packet, now int64) Reason {
	p.setKey()
	switch {
	case t.forged(p, b.Local):
		return BadSource
	case p.header.IsFragment():
		return d.fragment(t, s, b, p, now)
	case p.flow.reply:
		return d.reply(t, s, p, now)
	case p.flow.quoted && p.flow.enclosed:
		return d.tunnelError(t, s, b, p, now)
	case p.flow.quoted:
		return d.related(t, s, p, now)
	case !p.header.Proto.HasPorts():
		return d.followIPsec(t, s, p, now)
	}
	return d.connect(t, s, p, now)
}

// connect finds or makes the connection of p and says where p goes.
func (d *Director) connect(t *Table, s *Scratch, p *Packet, now int64) Reason {
	if t.waits() {
		return d.leave(t, s, p, now)
	}
	if !d.services.serve(p.header.Kind == frame.IPv6) {
		return t.unserved(p, false)
	}
	e, at := d.find(s.shard, &p.flow.id, &p.flow.key, now)
	if e == nil || d.begunAnew(t, e, &p.header) {
		return d.begin(t, s, p, e, at, now)
	}
	defer s.shard.unlock(at)
	ds := d.destOf(e)
	if ds != nil && ds.stranger {
		return d.passStranger(t, s, p, ds, e, now)
	}
	if ds.removed() {
		return ServerRemoved
	}
	if repeatsSYN(e, &p.header) {
		ds.repeated++
	}
	if e.Way() == conntrack.ByMasquerade {
		at.learn(ds, e, s.shard.trail(p))
	}
	return d.pass(t, s, p, ds, e, Hit, now)
}

// begin makes the connection of p, whose old one, of shard at, is to be put
// away; nil: it had none. Where none is made the old one is found until the next
// tick, and a packet that finds it keeps it. The caller has locked at.
func (d *Director) begin(t *Table, s *Scratch, p *Packet, old *conntrack.Entry, at *shard, now int64) Reason {
	if old != nil {
		at.conns.Retire(old, now)
	}
	s.shard.unlock(at)
	ds, e, reason := d.schedule(t, s, p, now)
	if old != nil && e == nil {
		d.restore(s, p, old, at, reason, now)
	}
	if ds == nil {
		return reason
	}
	return d.pass(t, s, p, ds, e, reason, now)
}

// restore shows old, the connection of p in shard at, again. A reset that p is
// answered with passes by it as if its server had sent it, and closes it.
func (d *Director) restore(s *Scratch, p *Packet, old *conntrack.Entry, at *shard, reason Reason, now int64) {
	s.shard.lock(at)
	defer s.shard.unlock(at)
	if at.conns.Restore(old, &p.flow.key) && (reason == ResetNoService || reason == ResetNoConnection) {
		d.setState(s, d.destOf(old), old, conntrack.Close)
		at.conns.Refresh(old, now)
	}
}

// pass sends p, of connection e, to ds. A nil e is that of one packet alone.
func (d *Director) pass(t *Table, s *Scratch, p *Packet, ds *dest, e *conntrack.Entry, reason Reason, now int64) Reason {
	if e != nil {
		d.setState(s, ds, e, p.nextOf(e, acts(t.tunables.SecureTCP, s.shard.strained)))
		s.shard.conns.Refresh(e, now)
		s.shard.conns.Note(e, now)
	}
	n := p.length()
	ds.totals.Add(n)
	ds.in.totals.Add(n)
	if ds.refuses() {
		return d.refuse(t, s, ds, e, p, now)
	}
	to := d.hopFor(ds, e)
	if to.method == Masquerade {
		p.masquerade(ds, p.flow.key.VirtualPort, e != nil && e.Controlled() || e == nil && ds.in.cfg.Persistence > 0)
	}
	if to.wraps {
		d.ways.note(s.in, p)
	}
	return p.routeTo(to, reason)
}

// refuse does to p as a server on this host that does not listen:
// what the host's stack does. A reset ends the connection.
func (d *Director) refuse(t *Table, s *Scratch, ds *dest, e *conntrack.Entry, p *Packet, now int64) Reason {
	reason := t.unserved(p, false)
	if reason == ResetNoService {
		d.setState(s, ds, e, conntrack.Close)
		s.shard.conns.Refresh(e, now)
	}
	return reason
}

// length is the length of p's IP packet, its header included.
func (p *Packet) length() int { return int(p.header.End) - int(p.header.L3) }

// setState moves e to next, and the server's counts with it.
func (d *Director) setState(s *Scratch, ds *dest, e *conntrack.Entry, next conntrack.State) {
	if next == e.State() {
		return
	}
	was := e.Active()
	s.shard.conns.SetState(e, next)
	if is := e.Active(); is && !was {
		ds.Active++
		ds.Inactive--
		ds.Changed()
	} else if was && !is {
		ds.Active--
		ds.Inactive++
		ds.Changed()
	}
}
