package frame

import (
	"encoding/binary"
	"math/bits"
)

// Sum adds the 16-bit big-endian words of b to initial in ones' complement
// arithmetic (RFC 1071). A last odd byte counts as the high half of a word, so
// only the last of several chunks may be odd. The result has at most 17 bits;
// Fold brings it to 16.
func Sum(b []byte, initial uint32) uint32 {
	// RFC 1071 section 2: the sum may be made in words of any width and in
	// either byte order, and swapped at the end.
	var sum, carry uint64
	for len(b) >= 32 {
		sum, carry = bits.Add64(sum, binary.LittleEndian.Uint64(b[0:]), carry)
		sum, carry = bits.Add64(sum, binary.LittleEndian.Uint64(b[8:]), carry)
		sum, carry = bits.Add64(sum, binary.LittleEndian.Uint64(b[16:]), carry)
		sum, carry = bits.Add64(sum, binary.LittleEndian.Uint64(b[24:]), carry)
		b = b[32:]
	}
	for len(b) >= 8 {
		sum, carry = bits.Add64(sum, binary.LittleEndian.Uint64(b), carry)
		b = b[8:]
	}
	var last uint64
	if len(b) >= 4 {
		last = uint64(binary.LittleEndian.Uint32(b))
		b = b[4:]
	}
	if len(b) >= 2 {
		last += uint64(binary.LittleEndian.Uint16(b))
		b = b[2:]
	}
	if len(b) == 1 {
		last += uint64(b[0])
	}
	sum, carry = bits.Add64(sum, last, carry)
	sum += carry // cannot overflow again: last is far below 2^63

	sum = sum>>32 + sum&0xffffffff
	sum = sum>>32 + sum&0xffffffff
	return uint32(bits.ReverseBytes16(Fold(uint32(sum)))) + uint32(Fold(initial))
}

// Fold brings a ones' complement sum to 16 bits. Its complement, ^Fold(sum), is
// what a checksum field holds; over bytes that hold their right checksum it is
// 0.
func Fold(sum uint32) uint16 {
	sum = sum>>16 + sum&0xffff
	return uint16(sum>>16 + sum)
}

// PseudoSum is the sum over the pseudo-header that the checksums of TCP (RFC
// 9293 section 3.1), UDP (RFC 768) and, in IPv6, all upper layers (RFC 8200
// section 8.1) cover besides the segment; n is the length of the segment in
// bytes, at most 65535. Src and dst are of one family.
//
// One sum serves both families: what an Addr has before the four bytes of an
// IPv4 address are zeroes and a word of ones, and either is a zero in ones'
// complement arithmetic.
func PseudoSum(src, dst Addr, proto Proto, n int) uint32 {
	return Sum(src[:], Sum(dst[:], uint32(proto)+uint32(n)))
}

// L4ChecksumOK reports whether the transport checksum of f is right, where h
// is what Parse made of f. It checks TCP, UDP, ICMP and ICMPv6. Anything else, a
// UDP datagram in IPv4 without a checksum (RFC 768), and a fragment, whose
// checksum covers bytes that are not here, count as right. A frame that is not
// IP or has a Fault does not.
//
// Do not ask about a frame whose checksum the sender has left to the hardware
// (VIRTIO_NET_HDR_F_NEEDS_CSUM): it is unfinished and will be found wrong.
func L4ChecksumOK(f []byte, h *Header) bool {
	if h.Kind != IPv4 && h.Kind != IPv6 || h.Fault != NoFault {
		return false
	}
	if h.IsFragment() {
		return true
	}
	p := f[h.L4:h.End]
	pseudo := true
	switch {
	case h.Proto == ProtoTCP:
	case h.Proto == ProtoUDP:
		if p[6]|p[7] == 0 {
			// RFC 8200 section 8.1: receivers must discard it. The exception
			// of RFC 6936 is for tunnels whose ends have agreed on it.
			return h.Kind == IPv4
		}
		// The datagram ends where its own length says, not where IP's does.
		p = p[:binary.BigEndian.Uint16(p[4:])]
	case h.isICMP():
		pseudo = h.Kind == IPv6 // RFC 792 has none, RFC 4443 section 2.3 has
	default:
		return true
	}
	var sum uint32
	if pseudo {
		sum = PseudoSum(h.Src, h.Dst, h.Proto, len(p))
	}
	return Fold(Sum(p, sum)) == 0xffff
}

// SumOffset is where the checksum of TCP or UDP is, in bytes from the start of the transport
// header; 0: of another protocol.
func (p Proto) SumOffset() int {
	switch p {
	case ProtoTCP:
		return 16
	case ProtoUDP:
		return 6
	}
	return 0
}

// FinishSum writes the right checksum of the TCP segment or UDP datagram in f, which is whole,
// where h is what Parse made of f.
func FinishSum(f []byte, h *Header) {
	at := h.Proto.SumOffset()
	if at == 0 || h.Fault != NoFault || h.IsFragment() {
		return
	}
	l4 := f[h.L4:h.End]
	l4[at], l4[at+1] = 0, 0
	sum := ^Fold(Sum(l4, PseudoSum(h.Src, h.Dst, h.Proto, len(l4))))
	if sum == 0 && h.Proto == ProtoUDP {
		sum = 0xffff
	}
	binary.BigEndian.PutUint16(l4[at:], sum)
}
