package dataplane

import (
	"math"

	"lvsdr/conntrack"
	"lvsdr/dataplane/frame"
)

// A hop describes how to send to a server: the method, the next hop, the link, and
// the bytes in front. It never changes; there is one for each slot that is used.
type hop struct {
	dest   *dest
	ref    conntrack.DestRef
	method Method
	next   frame.MAC // of the next hop, the server itself under Direct; zero: not known
	link   Link
	// mtu is the greatest packet of a client that fits the link, whatever is put
	// in front of it, bytes; 0: not checked.
	mtu int
	// most is the greatest packet that is sent as it is, bytes: mtu, or MaxInt where it
	// is not checked; -1: none is, because next is not known, or something is put in front.
	most int
	// outer is put in front of each packet where wraps says so: under a tunnel.
	outer frame.Outer
	wraps bool
	// ethernet is the header in front of the outer packet.
	ethernet [frame.EtherLen]byte
	path     *path // to the server, of a tunnel
	// pmtu says that a tunnelled packet is as much not to be fragmented as the client's.
	pmtu bool
	// takesWay is the way of the connections whose packets need no more than a look at it:
	// the server is in its service, and reached by frames. masquerades says the same of
	// masqueraded ones, which need a little more; takesWay is NoWay then.
	takesWay    conntrack.Way
	masquerades bool
	// back says that it is no server's, but that of the answers which leave by an
	// interface: they know their next hop themselves.
	back bool
}

// newHop is the hop to ds as it is now, with the tunable pmtu_disc.
func newHop(ds *dest, pmtu bool) *hop {
	to := &hop{dest: ds, ref: ds.ref, method: ds.forwarding(), next: ds.mac, link: ds.link, takesWay: conntrack.NoWay}
	if ds.in != nil && !ds.refuses() && !ds.Unreachable {
		if to.masquerades = to.method == Masquerade; !to.masquerades {
			to.takesWay = to.method.Way()
		}
	}
	to.mtu = to.link.MTU
	if to.method.Tunnels() {
		to.wrap(ds, pmtu)
	}
	switch {
	case to.next == frame.MAC{}, to.wraps:
		to.most = -1
	case to.mtu == 0:
		to.most = math.MaxInt
	default:
		to.most = to.mtu
	}
	return to
}

// room reports whether a packet of n bytes fits.
func (to *hop) room(n int) bool {
	mtu := to.limit()
	return mtu == 0 || n <= mtu
}

// limit is mtu, or what is known to fit the path to the server, if that is less.
func (to *hop) limit() int {
	if to.path == nil {
		return to.mtu
	}
	return to.path.limit(to.mtu, to.outer.Len())
}

// takes reports whether p is sent by the hop as it is: then routeTo does no more than
// set p's hop. It is short enough for the compiler to put it where it is called.
func (to *hop) takes(p *Packet) bool {
	return p.header.TTL > 1 && len(p.Data)-int(p.header.L3) <= to.most
}

// routeTo directs p to a hop: it is forwarded for reason, unless its TTL is used
// up, it is too long, or the next hop is not known.
func (p *Packet) routeTo(to *hop, reason Reason) Reason {
	p.flow.hop = to
	if to.wraps {
		return p.tunnelTo(to, reason)
	}
	known := to.next != frame.MAC{}
	switch {
	case p.header.TTL <= 1:
		return TimeExceeded
	case !to.room(len(p.Data)-int(p.header.L3)) && p.GSOSize == 0:
		if to.room(p.length()) {
			p.Data = p.Data[:p.header.End] // there were bytes behind the packet
			break
		}
		if p.header.DF {
			return FragmentationNeeded
		}
		if known {
			return Fragmented
		}
	}
	if !known {
		return NoMAC
	}
	return reason
}

// send makes p, of batch b, the frame that leaves for the hop, or several in its place.
func (to *hop) send(s *Scratch, b *Batch, p *Packet) {
	switch {
	case to.wraps && p.GSOSize > 0:
		if !s.segment(b, to, p) {
			p.Reason, p.Verdict = TooBig, TooBig.Verdict()
		}
	case to.method == Direct:
		to.apply(p.Data, &p.header)
	case to.wraps:
		s.tunnel(to, p)
	case to.method == Masquerade:
		p.rewrite(p.Data, &p.header)
	}
}

// apply makes f, whose header is h, the frame that leaves for the hop under Direct.
func (to *hop) apply(f []byte, h *frame.Header) {
	frame.DecrementTTL(f, h)
	frame.SetMACs(f, to.next, to.link.MAC)
}

// mtu is the greatest packet that the way to the server carries, or 0.
func (f *flow) mtu() int {
	if f.hop == nil {
		return 0
	}
	return f.hop.limit()
}

// told is the MTU that the client of h is told.
func (f *flow) told(h *frame.Header) uint16 {
	mtu := f.mtu()
	if h.Kind == frame.IPv6 {
		mtu = max(mtu, leastMTU6)
	}
	return uint16(min(mtu, 1<<16-1))
}
