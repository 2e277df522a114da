package frame

import (
	"encoding/binary"
	"fmt"
	"slices"
)

// FragmentData is where, in bytes from the start of f, the part of the datagram
// starts that the IP packet in f carries, where h is what Parse made of f: behind
// the IPv4 header, or behind the fragment header of IPv6. In an IPv6 packet without one
// it is behind the fixed header.
func FragmentData(f []byte, h *Header) int {
	if h.Kind != IPv6 {
		return int(h.L4)
	}
	l3 := int(h.L3)
	next, at := f[l3+Off6Next], l3+IPv6Len
	for at < int(h.L4) {
		size := extUnit + int(f[at+1])*8
		switch next {
		case extFragment:
			return at + extUnit
		case extAuth:
			size = extUnit + int(f[at+1])*4
		}
		next, at = f[at], at+size
	}
	return l3 + IPv6Len
}

// AppendWhole appends to dst the datagram that f is the first fragment of, put
// together (RFC 791 section 3.2, RFC 8200 section 4.5), but for its n bytes of
// data, which follow the headers and are for the caller to write. It returns the
// longer slice and the data in it. h is what Parse made of f: IPv4 or IPv6, FragOff
// 0, and no Fault but BadL4.
//
// The headers are those of the first fragment; in IPv6 the fragment header is
// gone. It allocates only if dst has no room; dst must not overlap f. It panics
// if the datagram is longer than one can be.
func AppendWhole(dst, f []byte, h *Header, n int) (whole, data []byte) {
	at := len(dst)
	from, l3 := FragmentData(f, h), int(h.L3)
	if h.Kind == IPv4 {
		dst = slices.Grow(dst, from+n)
		dst = append(dst, f[:from]...)
		if from-l3+n > maxDatagram {
			panic(fmt.Sprintf("frame: AppendWhole of %d bytes", n))
		}
		ip := dst[at+l3:]
		binary.BigEndian.PutUint16(ip[Off4Total:], uint16(len(ip)+n))
		binary.BigEndian.PutUint16(ip[Off4Frag:], binary.BigEndian.Uint16(ip[Off4Frag:])&flagDF)
		ip[Off4Sum], ip[Off4Sum+1] = 0, 0
		binary.BigEndian.PutUint16(ip[Off4Sum:], ^Fold(Sum(ip, 0)))
	} else {
		head := from - extUnit // where the fragment header was
		if head-l3-IPv6Len+n > maxPayload {
			panic(fmt.Sprintf("frame: AppendWhole of %d bytes", n))
		}
		dst = slices.Grow(dst, head+n)
		dst = append(dst, f[:head]...)
		ip := dst[at+l3:]
		ip[nextAt(ip)] = f[head]
		binary.BigEndian.PutUint16(ip[Off6Len:], uint16(len(ip)-IPv6Len+n))
	}
	end := len(dst)
	return dst[:end+n], dst[end : end+n : end+n]
}

// nextAt is where, in the IPv6 packet ip, the byte is that names what follows its
// last header: the fixed one, or an extension header, up to the end of ip.
func nextAt(ip []byte) int {
	next := Off6Next
	for at := IPv6Len; at < len(ip); {
		size := extUnit + int(ip[at+1])*8
		switch ip[next] {
		case extAuth:
			size = extUnit + int(ip[at+1])*4
		case extFragment:
			size = extUnit
		}
		next = at
		at += size
	}
	return next
}
