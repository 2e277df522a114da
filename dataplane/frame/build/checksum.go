package build

import (
	"encoding/binary"

	"lvsdr/dataplane/frame"
)

// Checksum is the Internet checksum of b as RFC 1071 section 1 defines it: the
// complement of the ones' complement sum of its 16-bit words, one by one.
func Checksum(b []byte) uint16 {
	var sum uint16
	for i := 0; i < len(b); i += 2 {
		word := uint16(b[i]) << 8
		if i+1 < len(b) {
			word |= uint16(b[i+1])
		}
		before := sum
		sum += word
		if sum < before { // end-around carry
			sum++
		}
	}
	return ^sum
}

// FixHeaderSum writes the right IPv4 header checksum into f, which may be
// damaged in any other way, and reports whether it found a whole header to sum
// over.
func FixHeaderSum(f []byte) bool {
	l3, ok := ipv4At(f)
	if !ok || len(f) < l3+frame.IPv4Len {
		return false
	}
	n := int(f[l3]&0x0f) * 4
	if n < frame.IPv4Len || len(f) < l3+n {
		return false
	}
	h := f[l3 : l3+n]
	binary.BigEndian.PutUint16(h[frame.Off4Sum:], 0)
	binary.BigEndian.PutUint16(h[frame.Off4Sum:], Checksum(h))
	return true
}

// spoil makes the checksum at b wrong, and not the "none" of UDP either.
func spoil(b []byte) {
	sum := binary.BigEndian.Uint16(b) ^ 0x0101
	if sum == 0 {
		sum = 0x0202
	}
	binary.BigEndian.PutUint16(b, sum)
}
