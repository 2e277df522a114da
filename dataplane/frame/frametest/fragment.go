package frametest

import (
	"encoding/binary"
	"fmt"
)

// Fragment splits the IPv4 packet in f, which may be a fragment itself, into
// two frames, the first with cut bytes of its payload. Cut must be a multiple
// of 8 and leave something for the second. Both get the whole header, options
// included, and no Ethernet padding; f is not changed.
func Fragment(f []byte, cut int) [][]byte {
	l3, ok := ipv4At(f)
	if !ok {
		panic("frametest: Fragment of a frame that is not IPv4")
	}
	l4 := l3 + int(f[l3]&0x0f)*4
	end := l3 + int(binary.BigEndian.Uint16(f[l3+2:]))
	if cut <= 0 || cut%8 != 0 || l4+cut >= end {
		panic(fmt.Sprintf("frametest: cannot cut %d bytes of payload at %d", end-l4, cut))
	}
	word := binary.BigEndian.Uint16(f[l3+6:])
	piece := func(payload []byte, word uint16) []byte {
		out := append([]byte{}, f[:l4]...)
		out = append(out, payload...)
		binary.BigEndian.PutUint16(out[l3+2:], uint16(len(out)-l3))
		binary.BigEndian.PutUint16(out[l3+6:], word)
		FixHeaderSum(out)
		return out
	}
	const more = 0x2000
	return [][]byte{
		piece(f[l4:l4+cut], word|more),
		piece(f[l4+cut:end], word+uint16(cut/8)),
	}
}

// Quote is what an ICMP error about the IPv4 packet in f carries: its header
// and up to n bytes of its payload (RFC 792 asks for 8, RFC 1812 for as much as
// fits).
func Quote(f []byte, n int) []byte {
	l3, ok := ipv4At(f)
	if !ok {
		panic("frametest: Quote of a frame that is not IPv4")
	}
	end := l3 + int(binary.BigEndian.Uint16(f[l3+2:]))
	n += l3 + int(f[l3]&0x0f)*4
	return append([]byte{}, f[l3:min(n, end)]...)
}
