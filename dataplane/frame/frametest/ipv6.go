package frametest

import (
	"encoding/binary"
	"net/netip"

	"github.com/google/gopacket/layers"
)

// An Ext is an IPv6 extension header, or the stump of one: Body may be any
// bytes.
type Ext struct {
	Type uint8  // its protocol number
	Body []byte // what comes after its first byte, the number of the next header
}

// len is the length of e in bytes.
func (e Ext) len() int { return 1 + len(e.Body) }

// HopByHop is a hop-by-hop options header around options, which are any bytes;
// zeroes (Pad1) fill up to a multiple of 8.
func HopByHop(options ...byte) Ext { return counted(0, options) }

// DestOpts is a destination options header likewise.
func DestOpts(options ...byte) Ext { return counted(60, options) }

// Routing is a routing header of the given type through addrs.
func Routing(typ, segmentsLeft uint8, addrs ...netip.Addr) Ext {
	data := []byte{typ, segmentsLeft, 0, 0, 0, 0}
	for _, a := range addrs {
		data = append(data, a.AsSlice()...)
	}
	return counted(43, data)
}

// Auth is an Authentication Header (RFC 4302) whose check value has icv bytes,
// a multiple of 4.
func Auth(icv int) Ext {
	e := Ext{51, make([]byte, 11+icv)}
	e.Body[0] = uint8(e.len()/4 - 2)
	return e
}

// FragmentHeader is a fragment header before data at off bytes, a multiple of
// 8. With off 0 and no more to come the packet is an atomic fragment.
func FragmentHeader(off uint16, more bool, id uint32) Ext {
	e := Ext{44, make([]byte, 7)}
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

// header6 is the IPv6 layer of p, without extension headers.
func (p ip) header6() *layers.IPv6 {
	h := &layers.IPv6{
		Version: 6, TrafficClass: p.tos, NextHeader: p.proto, HopLimit: p.ttl,
		SrcIP: p.src.AsSlice(), DstIP: p.dst.AsSlice(),
	}
	if h.HopLimit == 0 {
		h.HopLimit = 64
	}
	return h
}

// insertExt is f, which has an IPv6 header without extensions at l3, with ext
// behind it, and the length put right. It goes round gopacket, which takes
// well-formed headers of some kinds only.
func insertExt(f []byte, l3 int, ext []Ext) []byte {
	if len(ext) == 0 {
		return f
	}
	out := append([]byte{}, f[:l3+40]...)
	next := l3 + 6 // where the number of the next header goes
	upper := out[next]
	for _, e := range ext {
		out[next] = e.Type
		next = len(out)
		out = append(append(out, 0), e.Body...)
	}
	out[next] = upper
	n := len(out) - l3 - 40 + len(f) - l3 - 40
	if n > 65535 {
		panic("frametest: too much for an IPv6 packet")
	}
	binary.BigEndian.PutUint16(out[l3+4:], uint16(n))
	return append(out, f[l3+40:]...)
}

// ipv6At is the offset of the IPv6 header in f, under at most one VLAN tag.
func ipv6At(f []byte) (l3 int, ok bool) { return typeAt(f, 0x86dd) }
