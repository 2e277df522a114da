package dataplane

import (
	"lvsdr/conntrack"
	"lvsdr/dataplane/frame"
)

// A rewriting holds the changes that masquerading makes to a packet: the address and the port of one
// end, in a packet of the client's those of the destination, in one of the server's those
// of the source; and of an answer the way by which it leaves.
type rewriting struct {
	end   frame.End
	port  uint16
	addr  frame.Addr
	trail conntrack.Trail
}

// masquerade notes that p, to a virtual port, goes to ds, by a connection that a template
// made or did not.
func (p *Packet) masquerade(ds *dest, virtual uint16, controlled bool) {
	r := &p.flow.rewriting
	r.end, r.addr, r.port = frame.Destination, ds.Addr, ds.portFor(virtual, controlled)
}

// rewrite makes f, p's own frame or a fragment of it, whose header is h, what leaves.
func (p *Packet) rewrite(f []byte, h *frame.Header) {
	to, r := p.flow.hop, &p.flow.rewriting
	next := to.next
	if to.back {
		next = r.trail.MAC()
	}
	frame.SetMACs(f, next, to.link.MAC)
	if !p.flow.quoted {
		frame.Redirect(f, h, r.end, &r.addr, r.port, p.Unfinished)
		return
	}
	frame.DecrementTTL(f, h)
	var in frame.Header
	if frame.Inner(f, h, &in) {
		frame.TranslateError(f, h, &in, r.end, r.addr, r.port, p.Unfinished)
	}
}

// finish makes f, p's own frame or a fragment of it, whose header is h, what leaves where
// it goes in no tunnel.
func (p *Packet) finish(f []byte, h *frame.Header) {
	if p.flow.hop.method == Masquerade {
		p.rewrite(f, h)
		return
	}
	p.flow.hop.apply(f, h)
}

// relearn is every how many packets of a client it is looked at whether they still come the
// same way; less 1.
const relearn = 15

// hitMasqueraded is the rest of hit for connection e, whose server is reached by to
// and masqueraded.
func (sh *shard) hitMasqueraded(to *hop, p *Packet, e *conntrack.Entry, now int64) Reason {
	if to == nil || to.ref != e.Dest() || !to.masquerades || e.Way() != conntrack.ByMasquerade ||
		!p.plainly(e) && !p.stays(e, conntrack.ClientsHalf) {
		return pending
	}
	sh.conns.Refresh(e, now)
	sh.conns.Note(e, now)
	n := sh.load(to.ref.Slot())
	n.Packets++
	n.Bytes += uint64(p.length())
	p.masquerade(to.dest, e.VirtualPort(), e.Controlled())
	if e.Packets()&relearn == 0 {
		sh.learn(to.dest, e, sh.trail(p))
	}
	if to.takes(p) {
		p.flow.hop = to
		return Hit
	}
	return p.routeTo(to, Hit)
}

// learn notes that a frame of the client's of connection e, of this shard and to ds, came by
// trail: the answers go back by it.
func (sh *shard) learn(ds *dest, e *conntrack.Entry, trail conntrack.Trail) {
	if r := sh.conns.ReplyOf(e, ds.Addr, ds.portFor(e.VirtualPort(), e.Controlled())); r != nil && r.Trail() != trail {
		r.SetTrail(trail)
	}
}

// trail is how p came to the worker whose shard this is.
func (sh *shard) trail(p *Packet) conntrack.Trail {
	return conntrack.TrailOf(frame.SrcMAC(p.Data), sh.in)
}

// nextOf is the state that e is in after p, of its client.
func (p *Packet) nextOf(e *conntrack.Entry, secure bool) conntrack.State {
	if e.BothHalves() {
		return p.nextBoth(e, conntrack.ClientsHalf, secure)
	}
	return p.next(e, secure)
}

// stays reports whether p, of one half of e, of which both are seen, leaves it in its
// state, with secure_tcp as without: SynAck is a state of secure_tcp alone.
func (p *Packet) stays(e *conntrack.Entry, half conntrack.Half) bool {
	return e.State() != conntrack.SynAck && p.nextBoth(e, half, false) == e.State()
}

// nextBoth is the state that e, of which both halves are seen, is in after p.
func (p *Packet) nextBoth(e *conntrack.Entry, half conntrack.Half, secure bool) conntrack.State {
	switch p.header.Proto {
	case frame.ProtoTCP:
		return conntrack.NextTCPBoth(e.State(), half, p.header.Flags, secure)
	case frame.ProtoSCTP:
		if chunk, ok := frame.SCTPChunk(p.Data, &p.header); ok {
			return conntrack.NextSCTPBoth(e.State(), half, chunk)
		}
	}
	return e.State()
}
