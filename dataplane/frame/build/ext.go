package build

import (
	"encoding/binary"
	"net/netip"

	"lvsdr/dataplane/frame"
)

// The numbers of the extension headers that are made here (IANA).
const (
	hopByHop = 0
	routing  = 43
	fragment = 44
	auth     = 51
	destOpts = 60
)

// An Ext is an IPv6 extension header, or the stump of one: Body may be any
// bytes.
type Ext struct {
	Type uint8  // its protocol number
	Body []byte // what comes after its first byte, the number of the next header
}

// Len is the length of e in bytes.
func (e Ext) Len() int { return 1 + len(e.Body) }

// HopByHop is a hop-by-hop options header around options, which are any bytes;
// zeroes (Pad1) fill up to a multiple of 8.
func HopByHop(options ...byte) Ext { return counted(hopByHop, options) }

// DestOpts is a destination options header likewise.
func DestOpts(options ...byte) Ext { return counted(destOpts, options) }

// Routing is a routing header of the given type through addrs.
func Routing(typ, segmentsLeft uint8, addrs ...netip.Addr) Ext {
	data := []byte{typ, segmentsLeft, 0, 0, 0, 0}
	for _, a := range addrs {
		data = append(data, a.AsSlice()...)
	}
	return counted(routing, data)
}

// Auth is an Authentication Header (RFC 4302) whose check value has icv bytes,
// a multiple of 4.
func Auth(icv int) Ext {
	e := Ext{auth, make([]byte, 11+icv)}
	e.Body[0] = uint8(e.Len()/4 - 2)
	return e
}

// FragmentHeader is a fragment header before data at off bytes, a multiple of
// 8. With off 0 and no more to come the packet is an atomic fragment.
func FragmentHeader(off uint16, more bool, id uint32) Ext {
	e := Ext{fragment, make([]byte, 7)}
	if more {
		off |= 1
	}
	binary.BigEndian.PutUint16(e.Body[1:], off)
	binary.BigEndian.PutUint32(e.Body[3:], id)
	return e
}

// counted is an extension header that says its length in units of 8 bytes, the
// first not counted.
func counted(typ uint8, data []byte) Ext {
	body := append([]byte{0}, data...)
	for len(body)%8 != 7 {
		body = append(body, 0)
	}
	body[0] = uint8(len(body) / 8)
	return Ext{typ, body}
}

// insertExt is f, which has an IPv6 header without extensions at l3, with ext
// behind it, and the length put right. It goes round gopacket, which takes
// well-formed headers of some kinds only.
func insertExt(f []byte, l3 int, ext []Ext) []byte {
	if len(ext) == 0 {
		return f
	}
	l4 := l3 + frame.IPv6Len
	out := append([]byte{}, f[:l4]...)
	next := l3 + frame.Off6Next // where the number of the next header goes
	upper := out[next]
	for _, e := range ext {
		out[next] = e.Type
		next = len(out)
		out = append(append(out, 0), e.Body...)
	}
	out[next] = upper
	n := len(out) - l4 + len(f) - l4
	if n > 65535 {
		panic("build: too much for an IPv6 packet")
	}
	binary.BigEndian.PutUint16(out[l3+frame.Off6Len:], uint16(n))
	return append(out, f[l4:]...)
}

// A chain is the extension headers of an IPv6 packet, as far as they are whole.
// It ends with the fragment header of a later fragment, because what follows is
// no header.
type chain struct {
	at   []int   // where each starts, in bytes from the start of the packet
	typ  []uint8 // the number of each
	next int     // where the number of what follows the last is
	end  int     // where the last ends
}

// chainOf is the chain of the packet ip.
func chainOf(ip []byte) chain {
	c := chain{next: frame.Off6Next, end: frame.IPv6Len}
	for {
		e := ip[c.end:]
		if len(e) < 8 {
			return c
		}
		n, last := 0, false
		switch ip[c.next] {
		case hopByHop, routing, destOpts:
			n = 8 + int(e[1])*8
		case auth:
			n = 8 + int(e[1])*4
		case fragment:
			n, last = 8, binary.BigEndian.Uint16(e[2:])>>3 != 0
		}
		if n == 0 || n > len(e) {
			return c
		}
		c.at, c.typ = append(c.at, c.end), append(c.typ, ip[c.next])
		c.next, c.end = c.end, c.end+n
		if last {
			return c
		}
	}
}
