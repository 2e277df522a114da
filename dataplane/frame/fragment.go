package frame

import (
	"encoding/binary"
	"fmt"
	"slices"
)

// IPv4 options (RFC 791 section 3.1).
const (
	optEnd         = 0
	optNop         = 1
	optRecordRoute = 7
	optTimestamp   = 68
	optLooseRoute  = 131
	optStrictRoute = 137
	optCopied      = 0x80 // this bit of the type: the option goes into all fragments
)

// maxDatagram is the greatest total length of IPv4.
const maxDatagram = 65535

// FragmentSize is the greatest payload, in bytes, of the fragments that the
// IPv4 packet of h is cut into for a link of the given MTU, in bytes of IP
// packet: what AppendFragment takes as n, but for the last fragment. It is a
// multiple of 8, and 0 if not even 8 bytes fit, or if h is not IPv4: in IPv6
// only the sender makes fragments (RFC 8200 section 5).
func FragmentSize(h *Header, mtu int) int {
	if h.Kind != IPv4 || h.Fault != NoFault {
		return 0
	}
	return max(mtu-int(h.L4-h.L3), 0) &^ 7
}

// AppendFragment appends to dst a frame with bytes off to off+n of the payload
// of the IPv4 packet in f, where h is what Parse made of f, as a fragment of it
// (RFC 791 section 3.2), and returns the longer slice. It allocates only if dst
// has no room; dst must not overlap f. Ethernet padding is not carried over.
//
// The packet may be a fragment itself; off counts from its first byte. The
// fragment with off 0 has all of the packet's header, the others all but those
// options that are not to be copied. Everything else is the packet's: MAC
// addresses, VLAN tag, TTL, and the don't-fragment bit, which the caller has
// looked at. A transport checksum that the sender left to the hardware
// (VIRTIO_NET_HDR_F_NEEDS_CSUM) must be finished before.
//
// It returns dst unchanged if the datagram would be longer than 65535 bytes,
// which only a malicious fragment can make it. It panics if f is not IPv4 or has a
// Fault, if [off, off+n) is empty or not within the payload, if off is not a
// multiple of 8, and if n is not, except where the payload ends.
func AppendFragment(dst, f []byte, h *Header, off, n int) []byte {
	if h.Kind != IPv4 || h.Fault != NoFault {
		panic(fmt.Sprintf("frame: AppendFragment of %v, %v", h.Kind, h.Fault))
	}
	payload := f[h.L4:h.End]
	last := off+n == len(payload)
	if off < 0 || n <= 0 || off+n > len(payload) || off%8 != 0 || n%8 != 0 && !last {
		panic(fmt.Sprintf("frame: AppendFragment of %d bytes at %d of %d", n, off, len(payload)))
	}
	l3, l4 := int(h.L3), int(h.L4)
	if l4-l3+int(h.FragOff)+off+n > maxDatagram {
		return dst
	}
	at := len(dst)
	out := slices.Grow(dst, l4+n)
	if off == 0 {
		out = append(out, f[:l4]...)
	} else {
		out = append(out, f[:l3+IPv4Len]...)
		out = appendCopied(out, f[l3+IPv4Len:l4])
	}
	ihl := len(out) - at - l3
	out = append(out, payload[off:off+n]...)

	ip := out[at+l3:]
	ip[0] = 4<<4 | byte(ihl/4)
	binary.BigEndian.PutUint16(ip[Off4Total:], uint16(ihl+n))
	word := binary.BigEndian.Uint16(ip[Off4Frag:]) + uint16(off/8)
	if !last {
		word |= flagMF
	}
	binary.BigEndian.PutUint16(ip[Off4Frag:], word)
	ip[Off4Sum], ip[Off4Sum+1] = 0, 0
	binary.BigEndian.PutUint16(ip[Off4Sum:], ^Fold(Sum(ip[:ihl], 0)))
	return out
}

// appendCopied appends to dst those of the IPv4 options in opts that go into
// every fragment, and zeroes (end of options) up to a multiple of 4. An option
// whose length cannot be ends the list.
func appendCopied(dst, opts []byte) []byte {
	at := len(dst)
	for len(opts) > 0 && opts[0] != optEnd {
		n := 1
		if opts[0] != optNop {
			// RFC 791 section 3.1: the length counts type and length too.
			if len(opts) < 2 || opts[1] < 2 || int(opts[1]) > len(opts) {
				break
			}
			n = int(opts[1])
		}
		if opts[0]&optCopied != 0 {
			dst = append(dst, opts[:n]...)
		}
		opts = opts[n:]
	}
	for (len(dst)-at)%4 != 0 {
		dst = append(dst, optEnd)
	}
	return dst
}
