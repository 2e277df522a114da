package build

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"slices"

	"lvsdr/dataplane/frame"
)

// Fragment splits the IP packet in f, which may be a fragment itself, into two
// frames, the first with cut bytes of its payload. Cut must be a multiple of 8
// and leave something for the second. Both get no Ethernet padding; f is not
// changed.
//
// In IPv4 both get the whole header, options included. In IPv6 both get the
// headers that routers look at (RFC 8200 section 4.5: up to hop-by-hop options
// and routing header) and a fragment header, whose identification is made of
// the payload; what comes after them is the payload.
func Fragment(f []byte, cut int) [][]byte {
	if l3, ok := ipv6At(f); ok {
		return fragment6(f, l3, cut)
	}
	l3, ok := ipv4At(f)
	if !ok {
		panic("build: Fragment of a frame that is not IP")
	}
	l4 := l3 + int(f[l3]&0x0f)*4
	end := l3 + int(binary.BigEndian.Uint16(f[l3+frame.Off4Total:]))
	mustCut(cut, end-l4)
	word := binary.BigEndian.Uint16(f[l3+frame.Off4Frag:])
	piece := func(payload []byte, word uint16) []byte {
		out := slices.Concat(f[:l4], payload)
		binary.BigEndian.PutUint16(out[l3+frame.Off4Total:], uint16(len(out)-l3))
		binary.BigEndian.PutUint16(out[l3+frame.Off4Frag:], word)
		FixHeaderSum(out)
		return out
	}
	const more = 0x2000
	return [][]byte{
		piece(f[l4:l4+cut], word|more),
		piece(f[l4+cut:end], word+uint16(cut/8)),
	}
}

// mustCut panics unless n bytes of payload can be cut at cut.
func mustCut(cut, n int) {
	if cut <= 0 || cut%8 != 0 || cut >= n {
		panic(fmt.Sprintf("build: cannot cut %d bytes of payload at %d", n, cut))
	}
}

// fragment6 is Fragment of the IPv6 packet at l3.
func fragment6(f []byte, l3, cut int) [][]byte {
	end := l3 + frame.IPv6Len + int(binary.BigEndian.Uint16(f[l3+frame.Off6Len:]))
	at, next := perFragment(f[l3:end])
	at, next = l3+at, l3+next
	header := make([]byte, 8)
	payload := f[at:end]
	if f[next] == fragment {
		copy(header, payload)
		payload = payload[8:]
	} else {
		header[0] = f[next]
		binary.BigEndian.PutUint32(header[4:], crc32.ChecksumIEEE(payload))
	}
	mustCut(cut, len(payload))
	word := binary.BigEndian.Uint16(header[2:])
	piece := func(payload []byte, word uint16) []byte {
		binary.BigEndian.PutUint16(header[2:], word)
		out := slices.Concat(f[:at], header, payload)
		out[next] = fragment
		binary.BigEndian.PutUint16(out[l3+frame.Off6Len:], uint16(len(out)-l3-frame.IPv6Len))
		return out
	}
	const more = 1
	return [][]byte{
		piece(payload[:cut], word|more),
		piece(payload[cut:], word+uint16(cut)),
	}
}

// perFragment is the end of the headers that every fragment of the IPv6 packet
// ip has, and the offset of the next-header number before it.
func perFragment(ip []byte) (at, next int) {
	c := chainOf(ip)
	at, next = frame.IPv6Len, frame.Off6Next
	for i, typ := range c.typ {
		if typ == fragment {
			break
		}
		if typ == hopByHop || typ == routing {
			at, next = c.end, c.at[i]
			if i+1 < len(c.at) {
				at = c.at[i+1]
			}
		}
	}
	return at, next
}
