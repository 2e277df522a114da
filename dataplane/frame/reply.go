package frame

import "encoding/binary"

// MaxReply is the greatest length of a frame that AppendEchoReply, AppendReset
// and AppendICMPError make, in bytes from the Ethernet header on. An echo
// request whose reply would be longer gets none.
const MaxReply = 2048

const (
	// replyTTL is the TTL of our own packets: the default of RFC 1700.
	replyTTL = 64
	// maxError4 is the greatest length of an ICMP error in bytes, IP header
	// included (RFC 1812 section 4.3.2.3).
	maxError4 = 576
	// maxError6 is that of an ICMPv6 error: the least MTU that IPv6 allows a
	// link (RFC 4443 section 2.4(c)).
	maxError6 = 1280
	// errorTOS is the precedence of ICMP errors, 6 (RFC 1812 section 4.3.2.5).
	errorTOS = 6 << 5
)

// ICMP types (RFC 792).
const (
	icmpEchoReply    = 0
	icmpUnreachable  = 3
	icmpSourceQuench = 4
	icmpRedirect     = 5
	icmpEcho         = 8
	icmpTimeExceeded = 11
	icmpParamProblem = 12
)

// ICMPv6 types (RFC 4443).
const (
	icmp6Unreachable  = 1
	icmp6TooBig       = 2
	icmp6TimeExceeded = 3
	icmp6ParamProblem = 4
	icmp6Info         = 128 // from here on, messages that are no errors
	icmp6Echo         = 128
	icmp6EchoReply    = 129
)

// codeFragNeeded is the code of icmpUnreachable that carries an MTU (RFC 1191
// section 4).
const codeFragNeeded = 4

// MayAnswer reports whether a frame may be answered at all, where h is what
// Parse made of f. It is the list of RFC 1122 section 3.2.2 and, for IPv6, of
// RFC 4443 section 2.4(e), which are about ICMP errors and hold for echo
// replies (RFC 1122 section 3.2.2.6) and resets (section 4.2.3.10) as well.
// Never answered are
//
//   - anything that is not IP or has a Fault;
//   - a fragment other than the first;
//   - a frame from or to a group of hosts by its MAC addresses;
//   - a packet from or to an address that is not a single host's: zero,
//     loopback, multicast, and in IPv4 class E and broadcast;
//   - an ICMP error or redirect.
//
// RFC 4443 would allow some errors about multicast packets, and about later
// fragments; a director owes none. The broadcast address of a subnet cannot be
// told from a host's; the MAC address it is sent to can. Nor can an anycast
// address.
func MayAnswer(f []byte, h *Header) bool {
	if h.Fault != NoFault || h.FragOff != 0 {
		return false
	}
	const group = 1 // IEEE 802: the individual/group bit of the first byte
	switch h.Kind {
	case IPv4:
		return (f[0]|f[6])&group == 0 && singleHost(&h.Src) && singleHost(&h.Dst) && !icmpError(h)
	case IPv6:
		return (f[0]|f[6])&group == 0 && singleHost6(&h.Src) && singleHost6(&h.Dst) && !icmp6Error(h)
	}
	return false
}

// icmpError reports whether the IPv4 packet is an ICMP error.
func icmpError(h *Header) bool {
	if h.Proto != ProtoICMP {
		return false
	}
	switch h.ICMPType {
	case icmpUnreachable, icmpSourceQuench, icmpRedirect, icmpTimeExceeded, icmpParamProblem:
		return true
	}
	return false
}

// icmp6Error reports whether the IPv6 packet is an ICMPv6 error, of a type
// known or not (RFC 4443 section 2.1), or a redirect.
func icmp6Error(h *Header) bool {
	return h.Proto == ProtoICMPv6 && (h.ICMPType < icmp6Info || h.ICMPType == icmp6Redirect)
}

// AppendEchoReply appends to dst the frame that answers the ICMP or ICMPv6 echo
// request f, where h is what Parse made of f, and returns the longer slice. It
// allocates only if dst has no room; dst must not overlap f.
//
// The reply carries the whole ICMP message back, and the type of service (RFC
// 1812 section 4.3.2.5), the identification and the don't-fragment bit of the
// request: what names the request among all packets between the two hosts
// names the reply too. In IPv6 it carries the traffic class back. IP options
// and extension headers are not returned, a VLAN tag is.
//
// It returns dst unchanged if f is no whole echo request, if MayAnswer forbids
// it, or if the reply would be longer than MaxReply. The caller has verified the
// request with L4ChecksumOK; the reply's checksum is made anew and would hide
// the damage.
func AppendEchoReply(dst, f []byte, h *Header) []byte {
	echo, reply := byte(icmpEcho), byte(icmpEchoReply)
	if h.Kind == IPv6 {
		echo, reply = icmp6Echo, icmp6EchoReply
	}
	if !h.isICMP() || h.ICMPType != echo || h.ICMPCode != 0 || h.More || !MayAnswer(f, h) {
		return dst
	}
	msg := f[h.L4:h.End]
	if int(h.L3)+h.replyHeader()+len(msg) > MaxReply {
		return dst
	}
	r := ipReply{tos: tos(f, h), proto: h.Proto, n: len(msg)}
	if h.Kind == IPv4 {
		r.id = binary.BigEndian.Uint16(f[h.L3+Off4ID:])
		r.frag = binary.BigEndian.Uint16(f[h.L3+Off4Frag:]) & flagDF
	}
	out, p := appendIP(dst, f, h, r)
	copy(p, msg)
	p[0] = reply
	putICMPSum(p, h)
	return out
}

// AppendReset appends to dst the frame that answers the TCP segment f as a
// closed port does (RFC 9293 section 3.10.7.1), where h is what Parse made of
// f, and returns the longer slice. It allocates only if dst has no room; dst
// must not overlap f.
//
// It returns dst unchanged if f is no TCP segment, is a reset itself, is a
// fragment, whose length is not known yet, or if MayAnswer forbids it. The caller
// has verified the segment with L4ChecksumOK, unless the port says that it
// need not be.
func AppendReset(dst, f []byte, h *Header) []byte {
	if h.Proto != ProtoTCP || h.Flags&RST != 0 || h.IsFragment() || !MayAnswer(f, h) {
		return dst
	}
	seg := f[h.L4:h.End]
	out, p := appendIP(dst, f, h, ipReply{
		tos:   tos(f, h) &^ 0x03, // RFC 3168: only segments with data are ECN-capable
		frag:  flagDF,            // RFC 6864 section 4.1: so that the ID may be 0
		proto: ProtoTCP,
		n:     TCPLen,
	})
	binary.BigEndian.PutUint16(p[0:], h.DstPort)
	binary.BigEndian.PutUint16(p[2:], h.SrcPort)
	if h.Flags&ACK != 0 {
		// <SEQ=SEG.ACK><CTL=RST>
		copy(p[4:8], seg[8:12])
		p[13] = RST
	} else {
		// <SEQ=0><ACK=SEG.SEQ+SEG.LEN><CTL=RST,ACK>
		seq := binary.BigEndian.Uint32(seg[4:])
		binary.BigEndian.PutUint32(p[8:], seq+segLen(seg, h.Flags))
		p[13] = RST | ACK
	}
	p[12] = TCPLen / 4 << 4
	sum := Sum(p, PseudoSum(h.Dst, h.Src, ProtoTCP, TCPLen))
	binary.BigEndian.PutUint16(p[16:], ^Fold(sum))
	return out
}

// segLen is SEG.LEN of RFC 9293 section 3.3.1: the data in bytes, and one each
// for SYN and FIN.
func segLen(seg []byte, flags uint8) uint32 {
	n := uint32(len(seg)) - uint32(seg[12]>>4)*4
	if flags&SYN != 0 {
		n++
	}
	if flags&FIN != 0 {
		n++
	}
	return n
}

// AppendICMPError appends to dst an ICMP error of the given type and code about
// the packet in f, where h is what Parse made of f, and returns the longer slice.
// About an IPv6 packet it is an ICMPv6 error, whose types and codes are others.
// It allocates only if dst has no room; dst must not overlap f.
//
// The error comes from the address the packet was sent to, and quotes as much
// of the packet as fits 576 bytes (RFC 1812 section 4.3.2.3), or 1280 in IPv6
// (RFC 4443 section 2.4(c)). Mtu is the next-hop MTU in bytes for "fragmentation
// needed" (type 3 code 4, RFC 1191 section 4) and "packet too big" (type 2, RFC
// 4443 section 3.2); no other type and code uses it. A "parameter problem" of ICMPv6
// (type 4, RFC 4443 section 3.4) points at what names the protocol of the packet.
//
// It returns dst unchanged if MayAnswer forbids it.
func AppendICMPError(dst, f []byte, h *Header, typ, code uint8, mtu uint16) []byte {
	if !MayAnswer(f, h) {
		return dst
	}
	quote := f[h.L3:h.End]
	r := ipReply{proto: ProtoICMPv6}
	most, tellMTU := maxError6, typ == icmp6TooBig
	if h.Kind == IPv4 {
		id := binary.BigEndian.Uint16(quote[Off4ID:]) // as in AppendEchoReply
		r = ipReply{proto: ProtoICMP, tos: errorTOS, id: id}
		most, tellMTU = maxError4, typ == icmpUnreachable && code == codeFragNeeded
	}
	word := mtu
	if h.Kind == IPv6 && typ == icmp6ParamProblem {
		word, tellMTU = uint16(nextAt(quote[:h.L4-h.L3])), true
	}
	quote = quote[:min(len(quote), most-h.replyHeader()-ICMPLen)]
	r.n = ICMPLen + len(quote)
	out, p := appendIP(dst, f, h, r)
	p[0], p[1] = typ, code
	if tellMTU { // RFC 1191 has two bytes for it, RFC 4443 four
		binary.BigEndian.PutUint16(p[6:], word)
	}
	copy(p[ICMPLen:], quote)
	putICMPSum(p, h)
	return out
}

// putICMPSum writes the checksum of the ICMP message p, which answers the
// packet of h, over what is there. Only ICMPv6 counts a pseudo-header (RFC
// 4443 section 2.3).
func putICMPSum(p []byte, h *Header) {
	p[2], p[3] = 0, 0
	var sum uint32
	if h.Kind == IPv6 {
		sum = PseudoSum(h.Dst, h.Src, ProtoICMPv6, len(p))
	}
	binary.BigEndian.PutUint16(p[2:], ^Fold(Sum(p, sum)))
}
