package frame

import (
	"encoding/binary"
	"slices"
)

// OuterFragmentSize is the greatest payload, in bytes, of the fragments of an outer
// packet for a link of the given MTU: a multiple of 8; 0 if not even 8 bytes fit. The
// fragment header of IPv6 counts.
func (o *Outer) OuterFragmentSize(mtu int) int {
	if o.v6 {
		mtu -= extUnit
	}
	return max(mtu-int(o.ip), 0) &^ 7
}

// AppendFragment appends to dst a frame with bytes off to off+n of the payload of an
// outer packet, as a fragment of it, or the whole packet where that is all of it, and
// returns the longer slice. The packet consists of head, which Put has made, and the
// inner packet behind it; link is the Ethernet header in front. The fragments of one
// packet have the same id (of IPv4 the lower half); the caller has made head without DF.
//
// It allocates only if dst has no room. off and, but for the last fragment, n are
// multiples of 8.
func (o *Outer) AppendFragment(dst []byte, link *[EtherLen]byte, head, inner []byte, off, n int, id uint32) []byte {
	total := len(head) - int(o.ip) + len(inner)
	more, whole := off+n < total, off == 0 && n == total
	at := len(dst) + EtherLen
	dst = slices.Grow(dst, EtherLen+int(o.ip)+extUnit+n)
	dst = append(dst, link[:]...)
	dst = append(dst, head[:o.ip]...)
	if o.v6 && !whole {
		dst = append(dst, extFragmentOf(head[Off6Next], off, more, id)...)
	}
	dst = appendBytes(dst, head[o.ip:], inner, off, n)
	ip := dst[at:]
	if o.v6 {
		binary.BigEndian.PutUint16(ip[Off6Len:], uint16(len(ip)-IPv6Len))
		if !whole {
			ip[Off6Next] = extFragment
		}
		return dst
	}
	word := uint16(off / 8)
	if more {
		word |= flagMF
	}
	binary.BigEndian.PutUint16(ip[Off4Total:], uint16(len(ip)))
	binary.BigEndian.PutUint16(ip[Off4ID:], uint16(id))
	binary.BigEndian.PutUint16(ip[Off4Frag:], word)
	ip[Off4Sum], ip[Off4Sum+1] = 0, 0
	binary.BigEndian.PutUint16(ip[Off4Sum:], ^Fold(Sum(ip[:IPv4Len], 0)))
	return dst
}

// extFragmentOf is the fragment header of IPv6 (RFC 8200 section 4.5).
func extFragmentOf(next byte, off int, more bool, id uint32) []byte {
	var e [extUnit]byte
	e[0] = next
	binary.BigEndian.PutUint16(e[2:], uint16(off))
	if more {
		e[3] |= 1
	}
	binary.BigEndian.PutUint32(e[4:], id)
	return e[:]
}

// appendBytes appends to dst bytes off to off+n of a and b, one behind the other.
func appendBytes(dst, a, b []byte, off, n int) []byte {
	if off < len(a) {
		k := min(n, len(a)-off)
		dst = append(dst, a[off:off+k]...)
		off, n = off+k, n-k
	}
	if n > 0 {
		dst = append(dst, b[off-len(a):off-len(a)+n]...)
	}
	return dst
}
