package frametest

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"

	"github.com/google/gopacket/layers"
)

// Fragment splits the IP packet in f, which may be a fragment itself, into two
// frames, the first with cut bytes of its payload. Cut must be a multiple of 8
// and leave something for the second. Both get no Ethernet padding; f is not
// changed.
//
// Of IPv4 both get the whole header, options included. Of IPv6 both get the
// headers that routers look at (RFC 8200 section 4.5: up to hop-by-hop options
// and routing header) and a fragment header, whose identification is made of
// the payload; what comes after them is the payload.
func Fragment(f []byte, cut int) [][]byte {
	if l3, ok := ipv6At(f); ok {
		return fragment6(f, l3, cut)
	}
	l3, ok := ipv4At(f)
	if !ok {
		panic("frametest: Fragment of a frame that is not IP")
	}
	l4 := l3 + int(f[l3]&0x0f)*4
	end := l3 + int(binary.BigEndian.Uint16(f[l3+2:]))
	mustCut(cut, end-l4)
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

// mustCut panics unless n bytes of payload can be cut at cut.
func mustCut(cut, n int) {
	if cut <= 0 || cut%8 != 0 || cut >= n {
		panic(fmt.Sprintf("frametest: cannot cut %d bytes of payload at %d", n, cut))
	}
}

// fragment6 is Fragment of the IPv6 packet at l3.
func fragment6(f []byte, l3, cut int) [][]byte {
	at, next := perFragment(f, l3) // where the fragment header goes, and the number before it
	end := l3 + 40 + int(binary.BigEndian.Uint16(f[l3+4:]))
	header := make([]byte, 8)
	payload := f[at:end]
	if layers.IPProtocol(f[next]) == layers.IPProtocolIPv6Fragment {
		copy(header, payload)
		payload = payload[8:]
	} else {
		header[0] = f[next]
		binary.BigEndian.PutUint32(header[4:], crc32.ChecksumIEEE(payload))
	}
	mustCut(cut, len(payload))
	word := binary.BigEndian.Uint16(header[2:])
	piece := func(payload []byte, word uint16) []byte {
		out := append([]byte{}, f[:at]...)
		out[next] = byte(layers.IPProtocolIPv6Fragment)
		binary.BigEndian.PutUint16(header[2:], word)
		out = append(append(out, header...), payload...)
		binary.BigEndian.PutUint16(out[l3+4:], uint16(len(out)-l3-40))
		return out
	}
	const more = 1
	return [][]byte{
		piece(payload[:cut], word|more),
		piece(payload[cut:], word+uint16(cut)),
	}
}

// perFragment is the end of the headers that every fragment of the IPv6 packet
// at l3 has, and the offset of the next-header number before it.
func perFragment(f []byte, l3 int) (at, next int) {
	l := chainOf(layers.IPProtocol(f[l3+6]), f[l3+40:])
	n, number := 0, 0 // headers to keep; where the last one starts
	for i, typ := range l.types {
		if typ == layers.IPProtocolIPv6Fragment {
			break
		}
		if typ == layers.IPProtocolIPv6HopByHop || typ == layers.IPProtocolIPv6Routing {
			n = i + 1
		}
	}
	if n == 0 {
		return l3 + 40, l3 + 6
	}
	number = l.at[n-1]
	if n < len(l.at) {
		return l3 + 40 + l.at[n], l3 + 40 + number
	}
	return l3 + 40 + l.len, l3 + 40 + number
}

// Quote is what an ICMP error about the IP packet in f carries: its header,
// with options or extension headers, and up to n bytes of its payload (RFC 792
// asks for 8, RFC 1812 and RFC 4443 for as much as fits).
func Quote(f []byte, n int) []byte {
	if l3, ok := ipv6At(f); ok {
		l := chainOf(layers.IPProtocol(f[l3+6]), f[l3+40:])
		end := l3 + 40 + int(binary.BigEndian.Uint16(f[l3+4:]))
		return append([]byte{}, f[l3:min(l3+40+l.len+n, end)]...)
	}
	l3, ok := ipv4At(f)
	if !ok {
		panic("frametest: Quote of a frame that is not IP")
	}
	end := l3 + int(binary.BigEndian.Uint16(f[l3+2:]))
	n += l3 + int(f[l3]&0x0f)*4
	return append([]byte{}, f[l3:min(n, end)]...)
}
