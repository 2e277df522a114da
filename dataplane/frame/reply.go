package frame

import (
	"encoding/binary"
	"slices"
)

// MaxReply is the greatest length of a frame that AppendEchoReply, AppendReset
// and AppendICMPError make, in bytes from the Ethernet header on. An echo
// request whose reply would be longer gets none.
const MaxReply = 2048

const (
	// replyTTL is the TTL of our own packets: the default of RFC 1700.
	replyTTL = 64
	// maxError is the greatest length of an ICMP error in bytes, IP header
	// included (RFC 1812 section 4.3.2.3).
	maxError = 576
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

// codeFragNeeded is the code of icmpUnreachable that carries an MTU (RFC 1191
// section 4).
const codeFragNeeded = 4

// MayAnswer reports whether a frame may be answered at all, where h is what
// Parse made of f. It is the list of RFC 1122 section 3.2.2, which is about
// ICMP errors and holds for echo replies (section 3.2.2.6) and resets (section
// 4.2.3.10) as well. Never answered are
//
//   - anything that is not IPv4 or has a Fault;
//   - a fragment other than the first;
//   - a frame from or to a group of hosts by its MAC addresses;
//   - a packet from or to an address that is not a single host's: zero,
//     loopback, multicast, class E, broadcast;
//   - an ICMP error.
//
// A broadcast to one subnet looks like any other address here; its MAC address
// tells.
func MayAnswer(f []byte, h *Header) bool {
	if h.Kind != IPv4 || h.Fault != NoFault || h.FragOff != 0 {
		return false
	}
	const group = 1 // IEEE 802: the individual/group bit of the first byte
	if f[0]&group != 0 || f[6]&group != 0 {
		return false
	}
	if !singleHost(&h.Src) || !singleHost(&h.Dst) {
		return false
	}
	if h.Proto != ProtoICMP {
		return true
	}
	switch h.ICMPType {
	case icmpUnreachable, icmpSourceQuench, icmpRedirect, icmpTimeExceeded, icmpParamProblem:
		return false
	}
	return true
}

// singleHost reports whether the IPv4 address a may be that of one host on a
// network: not 0/8, 127/8, class D or class E (RFC 1122 section 3.2.1.3).
func singleHost(a *Addr) bool {
	return a[12] != 0 && a[12] != 127 && a[12] < 224
}

// AppendEchoReply appends to dst the frame that answers the ICMP echo request
// f, where h is what Parse made of f, and returns the longer slice. It
// allocates only if dst has no room; dst must not overlap f.
//
// The reply carries the whole ICMP message back, and the type of service (RFC
// 1812 section 4.3.2.5), the identification and the don't-fragment bit of the
// request: what names the request among all packets between the two hosts
// names the reply too. IP options are not returned, a VLAN tag is.
//
// It returns dst as it is if f is no whole echo request, if MayAnswer forbids,
// or if the reply would be longer than MaxReply. The caller has verified the
// request with L4ChecksumOK; the reply's checksum is made anew and would hide
// the damage.
func AppendEchoReply(dst, f []byte, h *Header) []byte {
	if h.Proto != ProtoICMP || h.ICMPType != icmpEcho || h.ICMPCode != 0 || h.More || !MayAnswer(f, h) {
		return dst
	}
	msg := f[h.L4:h.End]
	if int(h.L3)+ipv4Len+len(msg) > MaxReply {
		return dst
	}
	ip := f[h.L3:]
	out, p := appendIPv4(dst, f, h, ipv4Reply{
		tos:   ip[offTOS],
		id:    binary.BigEndian.Uint16(ip[offID:]),
		frag:  binary.BigEndian.Uint16(ip[offFrag:]) & flagDF,
		proto: ProtoICMP,
		n:     len(msg),
	})
	copy(p, msg)
	p[0] = icmpEchoReply
	putICMPSum(p)
	return out
}

// AppendReset appends to dst the frame that answers the TCP segment f as a
// closed port does (RFC 9293 section 3.10.7.1), where h is what Parse made of
// f, and returns the longer slice. It allocates only if dst has no room; dst
// must not overlap f.
//
// It returns dst as it is if f is no TCP segment, is a reset itself, is a
// fragment, whose length is not known yet, or if MayAnswer forbids. The caller
// has verified the segment with L4ChecksumOK, unless the port says that it
// need not be.
func AppendReset(dst, f []byte, h *Header) []byte {
	if h.Proto != ProtoTCP || h.Flags&RST != 0 || h.IsFragment() || !MayAnswer(f, h) {
		return dst
	}
	seg := f[h.L4:h.End]
	out, p := appendIPv4(dst, f, h, ipv4Reply{
		tos:   f[h.L3+offTOS] &^ 0x03, // RFC 3168: only segments with data are ECN-capable
		frag:  flagDF,                 // RFC 6864 section 4.1: so that the ID may be 0
		proto: ProtoTCP,
		n:     tcpLen,
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
	p[12] = tcpLen / 4 << 4
	sum := Sum(p, PseudoSum(h.Dst, h.Src, ProtoTCP, tcpLen))
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
// the packet in f, where h is what Parse made of f, and returns the longer
// slice. It allocates only if dst has no room; dst must not overlap f.
//
// The error comes from the address the packet was sent to, and quotes as much
// of the packet as fits 576 bytes (RFC 1812 section 4.3.2.3). Mtu is the
// next-hop MTU in bytes of "fragmentation needed" (type 3 code 4, RFC 1191
// section 4); with every other type and code it is not used.
//
// It returns dst as it is if MayAnswer forbids.
func AppendICMPError(dst, f []byte, h *Header, typ, code uint8, mtu uint16) []byte {
	if !MayAnswer(f, h) {
		return dst
	}
	quote := f[h.L3:h.End]
	quote = quote[:min(len(quote), maxError-ipv4Len-icmpLen)]
	out, p := appendIPv4(dst, f, h, ipv4Reply{
		tos:   errorTOS,
		id:    binary.BigEndian.Uint16(quote[offID:]), // as in AppendEchoReply
		proto: ProtoICMP,
		n:     icmpLen + len(quote),
	})
	p[0], p[1] = typ, code
	if typ == icmpUnreachable && code == codeFragNeeded {
		binary.BigEndian.PutUint16(p[6:], mtu)
	}
	copy(p[icmpLen:], quote)
	putICMPSum(p)
	return out
}

// putICMPSum writes the checksum of the ICMP message p over what is there.
func putICMPSum(p []byte) {
	p[2], p[3] = 0, 0
	binary.BigEndian.PutUint16(p[2:], ^Fold(Sum(p, 0)))
}

// An ipv4Reply is what differs between the IPv4 headers of our own packets.
type ipv4Reply struct {
	tos      uint8
	id, frag uint16 // as in the header
	proto    uint8
	n        int // bytes of payload
}

// appendIPv4 appends to dst a frame back to the sender of f: MAC and IP
// addresses of f changed about, its VLAN tag kept, the IPv4 header as r says.
// It returns the longer slice and the payload in it, which is zero and for the
// caller to write.
func appendIPv4(dst, f []byte, h *Header, r ipv4Reply) (out, payload []byte) {
	l3 := int(h.L3)
	at := len(dst)
	n := l3 + ipv4Len + r.n
	out = slices.Grow(dst, n)[:at+n]
	g := out[at:]
	clear(g)
	SetMACs(g, SrcMAC(f), DstMAC(f))
	copy(g[12:l3], f[12:l3])

	ip := g[l3 : l3+ipv4Len]
	ip[0] = 4<<4 | ipv4Len/4
	ip[offTOS] = r.tos
	binary.BigEndian.PutUint16(ip[offTotal:], uint16(ipv4Len+r.n))
	binary.BigEndian.PutUint16(ip[offID:], r.id)
	binary.BigEndian.PutUint16(ip[offFrag:], r.frag)
	ip[offTTL] = replyTTL
	ip[offProto] = r.proto
	copy(ip[offSrc:], h.Dst[12:])
	copy(ip[offDst:], h.Src[12:])
	binary.BigEndian.PutUint16(ip[offSum:], ^Fold(Sum(ip, 0)))
	return out, g[l3+ipv4Len:]
}
