package frame

import "encoding/binary"

// An Encapsulation is how a packet is put into another one.
type Encapsulation uint8

// The encapsulations.
const (
	IPinIP Encapsulation = iota // RFC 2003, RFC 2473, RFC 4213 section 3.5
	GRE                         // RFC 2784
	GUE                         // draft-ietf-intarea-gue, version 0, over UDP
)

// MaxOuter is the greatest length of what a tunnel puts in front of a packet, bytes.
const MaxOuter = IPv6Len + UDPLen + gueLen

// An OuterConfig says how a tunnel is.
type OuterConfig struct {
	Encapsulation Encapsulation
	Src, Dst      Addr   // ends of the tunnel, of one family
	Port          uint16 // destination port of GUE
	Sum           bool   // GRE and GUE have a checksum
}

// An Outer is the headers that a tunnel puts in front of each packet. It never changes
// once it was made.
//
//	Ethernet  outer IP   tunnel header           inner packet
//	┌ ─ ─ ─ ─┬──────────┬───────────────────────┬ ─ ─ ─ ─ ─ ─
//	│        │ 20 or 40 │ none, GRE, UDP + GUE  │ as it was, its TTL one less
//	└ ─ ─ ─ ─┴──────────┴───────────────────────┴ ─ ─ ─ ─ ─ ─
//	          └───────── o.Len() ──────────────┘
type Outer struct {
	head  [MaxOuter]byte // what is the same for all packets of IPv4
	n, ip uint8          // length, that of the IP header in it
	v6    bool           // of the outer header
	kind  Encapsulation
	full  bool   // GRE and GUE have a checksum
	sum   uint32 // over head's IPv4 header, without the protocol
	ends  uint32 // over both addresses
}

// NewOuter makes the headers of a tunnel.
func NewOuter(c OuterConfig) Outer {
	o := Outer{kind: c.Encapsulation, full: c.Sum && c.Encapsulation != IPinIP, v6: !c.Dst.Is4(), ip: IPv4Len}
	if o.v6 {
		o.ip = IPv6Len
		o.head[0] = 6 << 4
		copy(o.head[Off6Src:], c.Src[:])
		copy(o.head[Off6Dst:], c.Dst[:])
	} else {
		o.head[0] = 4<<4 | IPv4Len/4
		copy(o.head[Off4Src:], c.Src[12:])
		copy(o.head[Off4Dst:], c.Dst[12:])
		o.sum = Sum(o.head[:IPv4Len], 0)
	}
	o.ends = Sum(c.Src[:], Sum(c.Dst[:], 0))
	o.n = o.ip
	switch c.Encapsulation {
	case GRE:
		o.n += greLen
		if c.Sum {
			o.n += greSumLen
			o.head[o.ip] = greHasSum
		}
	case GUE:
		o.n += UDPLen + gueLen
		binary.BigEndian.PutUint16(o.head[o.ip+2:], c.Port)
	}
	o.putKind(o.head[:], IPv4)
	return o
}

// putKind writes into the headers b what depends on the family of the packet behind them.
func (o *Outer) putKind(b []byte, k Kind) {
	inside := ProtoIPIP
	if k == IPv6 {
		inside = ProtoIPv6
	}
	proto := inside
	switch o.kind {
	case GRE:
		proto = ProtoGRE
		binary.BigEndian.PutUint16(b[o.ip+2:], etherTypeOf(k))
	case GUE:
		proto = ProtoUDP
		b[o.ip+UDPLen+1] = byte(inside)
	}
	if o.v6 {
		b[Off6Next] = byte(proto)
	} else {
		b[Off4Proto] = byte(proto)
	}
}

// Len is how many bytes the tunnel puts in front of a packet.
func (o *Outer) Len() int { return int(o.n) }

// IPLen is the length of the IP header among them.
func (o *Outer) IPLen() int { return int(o.ip) }

// IsIPv6 reports whether the outer header is of IPv6.
func (o *Outer) IsIPv6() bool { return o.v6 }

// EtherType is that of the outer header.
func (o *Outer) EtherType() uint16 {
	if o.v6 {
		return EtherTypeIPv6
	}
	return EtherTypeIPv4
}

// An Enclosed is a packet that goes into a tunnel.
type Enclosed struct {
	Packet []byte // from its IP header to its end
	Body   []byte // what follows Packet, elsewhere; nil: nothing
	Kind   Kind   // IPv4 or IPv6
	DF     bool   // the outer header forbids fragments; only IPv4 can say that
	ID     uint16 // identification of the outer header; with DF it is 0
	Port   uint16 // source port of GUE
	// L4 and Sum are the start of the transport header and, from there, of its
	// checksum, where that is not finished but holds the sum over the pseudo-header
	// (CHECKSUM_PARTIAL). Sum 0: it is finished, or none; so it is where there is a Body.
	L4, Sum int
}

// Put writes the headers in front of p into b, which has Len bytes and stands for what
// comes right before the packet. TTL and type of service are p's, but for the mark of
// congestion, which the inner header keeps: the outer one says "capable of ECN" instead (RFC 3168
// section 9.1.1, the full-functionality option).
func (o *Outer) Put(b []byte, p *Enclosed) {
	o.copyTo(b)
	if p.Kind == IPv6 {
		o.putKind(b, IPv6)
	}
	n := int(o.n) + len(p.Packet) + len(p.Body)
	o.putTunnel(b[o.ip:o.n], p, n-int(o.ip))
	tos, ttl := p.fields()
	if tos&ecnMask == ecnCE {
		tos = tos&^ecnMask | ecnECT0
	}
	if o.v6 {
		b[0] |= tos >> 4
		b[1] |= tos << 4
		binary.BigEndian.PutUint16(b[Off6Len:], uint16(n-IPv6Len))
		b[Off6Hops] = ttl
		return
	}
	id, frag := p.ID, uint16(0)
	if p.DF {
		id, frag = 0, flagDF // RFC 6864 section 4.1
	}
	b[Off4TOS], b[Off4TTL] = tos, ttl
	binary.BigEndian.PutUint16(b[Off4Total:], uint16(n))
	binary.BigEndian.PutUint16(b[Off4ID:], id)
	binary.BigEndian.PutUint16(b[Off4Frag:], frag)
	sum := o.sum + uint32(tos) + uint32(n) + uint32(id) + uint32(frag) + uint32(ttl)<<8 + uint32(b[Off4Proto])
	binary.BigEndian.PutUint16(b[Off4Sum:], ^Fold(sum))
}

// copyTo copies the headers to b. The usual lengths are constants: such a copy takes no call.
func (o *Outer) copyTo(b []byte) {
	const gre, gue = IPv4Len + greLen, IPv4Len + UDPLen + gueLen
	switch o.n {
	case IPv4Len:
		copy(b[:IPv4Len], o.head[:IPv4Len])
	case gre:
		copy(b[:gre], o.head[:gre])
	case gue:
		copy(b[:gue], o.head[:gue])
	default:
		copy(b, o.head[:o.n])
	}
}

// The values of explicit congestion notification (RFC 3168 section 5).
const (
	ecnMask = 3
	ecnCE   = 3
	ecnECT0 = 2
)

// fields are the type of service, or traffic class, and the TTL of p.
func (p *Enclosed) fields() (tos, ttl uint8) {
	if p.Kind == IPv6 {
		return p.Packet[0]<<4 | p.Packet[1]>>4, p.Packet[Off6Hops]
	}
	return p.Packet[Off4TOS], p.Packet[Off4TTL]
}

// putTunnel writes into the header b, between the two IP headers, what is different for each
// packet; it is n bytes long with what follows.
func (o *Outer) putTunnel(b []byte, p *Enclosed, n int) {
	if o.kind == GUE {
		putGUE(b, p, n)
	}
	if !o.full {
		return
	}
	if o.kind == GUE {
		sumGUE(b, p, o.ends, n)
	} else {
		sumGRE(b, p)
	}
}

// bodySum adds the words of p's packet to sum. Where the transport checksum is not
// finished, it is taken for finished: everything from its header on then adds up to the
// complement of the sum that the checksum field holds now (RFC 1624 section 2).
func (p *Enclosed) bodySum(sum uint32) uint32 {
	if p.Sum == 0 {
		return Sum(p.Body, Sum(p.Packet, sum)) // headers are of whole words
	}
	field := binary.BigEndian.Uint16(p.Packet[p.L4+p.Sum:])
	return Sum(p.Packet[:p.L4], sum) + uint32(^field)
}
