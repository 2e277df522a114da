package frame

import "encoding/binary"

// gueLen is the length of a GUE header without options: version, C bit and length of
// options in the first byte, all zero; the protocol inside; two bytes of flags.
const gueLen = 4

// putGUE writes the source port and the length into the UDP header in front of p. Without a
// checksum that field is 0, also over IPv6 (RFC 6936).
func putGUE(b []byte, p *Enclosed, n int) {
	binary.BigEndian.PutUint16(b[0:], p.Port)
	binary.BigEndian.PutUint16(b[4:], uint16(n))
}

// sumGUE writes the checksum of the UDP header in front of p; ends is the sum over both
// addresses of the outer header.
func sumGUE(b []byte, p *Enclosed, ends uint32, n int) {
	sum := ^Fold(p.bodySum(Sum(b, ends+uint32(ProtoUDP)+uint32(n))))
	if sum == 0 {
		sum = 0xffff // RFC 768: 0 stands for no checksum
	}
	binary.BigEndian.PutUint16(b[6:], sum)
}

// unwrapGUE reads the UDP and GUE header b: what follows them, and how long they are.
func unwrapGUE(b []byte) (kind Kind, n int) {
	if len(b) < UDPLen+gueLen {
		return Other, 0
	}
	// draft-ietf-intarea-gue section 3.1: version 0, no control message, and the
	// options are as many words of four bytes as the lowest five bits say.
	if b[UDPLen]&0xe0 != 0 {
		return Other, 0
	}
	n = UDPLen + gueLen + int(b[UDPLen]&0x1f)*4
	kind, _ = unwrapIP(Proto(b[UDPLen+1]))
	return kind, n
}
