package frame

import (
	"encoding/binary"
	"slices"
)

// An ipReply holds the fields that differ between the IP headers of our own packets.
type ipReply struct {
	tos      uint8  // or traffic class
	id, frag uint16 // as in the IPv4 header; not used in IPv6
	proto    Proto
	n        int // bytes of payload
}

// tos is the type of service of the IPv4 packet in f, or the traffic class of
// the IPv6 packet.
func tos(f []byte, h *Header) uint8 {
	ip := f[h.L3:]
	if h.Kind == IPv6 {
		return ip[0]<<4 | ip[1]>>4
	}
	return ip[Off4TOS]
}

// replyHeader is the length of the IP header of an answer to h, which has no
// options and no extension headers, in bytes.
func (h *Header) replyHeader() int {
	if h.Kind == IPv6 {
		return IPv6Len
	}
	return IPv4Len
}

// appendIP appends to dst a frame back to the sender of f, which is IPv4 or
// IPv6: the MAC and IP addresses of f swapped, its VLAN tag kept, the rest of the
// IP header as r says. It returns the longer slice and the payload in it, which
// is zero and for the caller to write.
func appendIP(dst, f []byte, h *Header, r ipReply) (out, payload []byte) {
	l3 := int(h.L3)
	l4 := l3 + h.replyHeader()
	at := len(dst)
	n := l4 + r.n
	out = slices.Grow(dst, n)[:at+n]
	g := out[at:]
	clear(g)
	SetMACs(g, SrcMAC(f), DstMAC(f))
	copy(g[12:l3], f[12:l3])
	if h.Kind == IPv6 {
		putIPv6(g[l3:l4], h, r)
	} else {
		putIPv4(g[l3:l4], h, r)
	}
	return out, g[l4:]
}

// putIPv4 writes the IPv4 header ip, which is zero.
func putIPv4(ip []byte, h *Header, r ipReply) {
	ip[0] = 4<<4 | IPv4Len/4
	ip[Off4TOS] = r.tos
	binary.BigEndian.PutUint16(ip[Off4Total:], uint16(IPv4Len+r.n))
	binary.BigEndian.PutUint16(ip[Off4ID:], r.id)
	binary.BigEndian.PutUint16(ip[Off4Frag:], r.frag)
	ip[Off4TTL] = replyTTL
	ip[Off4Proto] = byte(r.proto)
	copy(ip[Off4Src:], h.Dst[12:])
	copy(ip[Off4Dst:], h.Src[12:])
	binary.BigEndian.PutUint16(ip[Off4Sum:], ^Fold(Sum(ip, 0)))
}

// putIPv6 writes the IPv6 header ip, which is zero. The flow label stays 0: the
// packet belongs to no flow (RFC 6437 section 2).
func putIPv6(ip []byte, h *Header, r ipReply) {
	ip[0] = 6<<4 | r.tos>>4
	ip[1] = r.tos << 4
	binary.BigEndian.PutUint16(ip[Off6Len:], uint16(r.n))
	ip[Off6Next] = byte(r.proto)
	ip[Off6Hops] = replyTTL
	copy(ip[Off6Src:], h.Dst[:])
	copy(ip[Off6Dst:], h.Src[:])
}
