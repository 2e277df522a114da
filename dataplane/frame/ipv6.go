package frame

import "encoding/binary"

// The extension headers that are stepped over (IANA, Protocol Numbers). All
// others are taken for the upper layer: what follows Encapsulating Security
// Payload cannot be read, the rest is not for a host that serves TCP and UDP,
// and after "no next header", 59, there is nothing to read (RFC 8200 section
// 4.7).
const (
	extHopByHop = 0
	extRouting  = 43
	extFragment = 44
	extAuth     = 51
	extDestOpts = 60
)

const (
	// extUnit is the least length of an extension header, and the unit most
	// of them count in, in bytes.
	extUnit = 8
	// maxExt bounds the extension headers of a packet. RFC 8200 section 4.1
	// has reason for seven; RFC 8504 section 5.3 lets a host set limits.
	maxExt = 8
	// maxPayload is the greatest payload length of IPv6.
	maxPayload = 65535
	// anyPayload is the payload length of a packet whose own does not count.
	anyPayload = -1
)

// parseIPv6 reads the packet ip, which Ethernet padding may follow. h.L3 is
// set.
func parseIPv6(ip []byte, h *Header) Fault {
	if len(ip) < IPv6Len {
		return TooShort
	}
	if !h.set6Addrs(ip) {
		return BadHeader
	}
	payload := int(binary.BigEndian.Uint16(ip[Off6Len:]))
	if payload > len(ip)-IPv6Len {
		return BadHeader
	}
	ip = ip[:IPv6Len+payload]
	if !h.walk(ip, payload) {
		return BadHeader
	}
	h.End = uint32(h.L3) + uint32(len(ip))
	return parseL4(ip[h.L4-h.L3:], h)
}

// set6Addrs reads both addresses of the header at ip. It refuses another
// version, and an IPv4-mapped address: the form has no place on the wire
// (draft-itojun-v6ops-v4mapped-harmful), and in an Addr it stands for IPv4, so
// that such a packet could pass for another family's.
func (h *Header) set6Addrs(ip []byte) bool {
	if ip[0]>>4 != 6 {
		return false
	}
	src, dst := Addr(ip[Off6Src:]), Addr(ip[Off6Dst:])
	if src.Is4() || dst.Is4() {
		return false
	}
	h.Src, h.Dst = src, dst
	return true
}

// walk steps over the extension headers of the packet ip, whose fixed header
// says that payload bytes follow it (of a quotation, anyPayload), and sets what is
// left of h up to the transport header, but for End. When it reports false h is
// as it was.
//
//	fixed header, 40          up to maxExt extension headers           h.L4
//	┌─ ─┬──────┬─ ─ ─ ─ ─ ─ ┐┌──────┬─────┬─ ─ ─┐   ┌──────┬─────┬─ ─ ─┐┌─ ─ ─
//	│   │ next │            ││ next │ len │     │...│ next │ len │     ││ TCP ...
//	└─ ─┴───┼──┴─ ─ ─ ─ ─ ─ ┘└───┼──┴─────┴─ ─ ─┘   └───┼──┴─────┴─ ─ ─┘└─ ─ ─
//	        └──── names it ──▲   └────── names it ──▲   └── h.Proto ─────▲
//
//	 0               1               2               3
//	+---------------+---------------+---------------+---------------+
//	|     next      |      len      |     type      | segments left |  routing
//	+---------------+---------------+---------------+---------------+
//	routing, hop-by-hop and destination options: 8 + 8*len bytes
//
//	+---------------+---------------+-------------------------+---+-+
//	|     next      |       0       |       offset / 8        | 0 |M|  fragment,
//	+---------------+---------------+-------------------------+---+-+  8 bytes
//	|                        identification                         |
//	+---------------------------------------------------------------+
//
//	authentication: next and len as above, 8 + 4*len bytes
//
// A jumbogram (RFC 2675) has a payload length of zero before a hop-by-hop
// header, which is then found to be missing.
func (h *Header) walk(ip []byte, payload int) bool {
	var frag fragment
	next, at := ip[Off6Next], IPv6Len
	for n := 0; isExt(next) && frag.off == 0; n++ {
		if n == maxExt || len(ip)-at < extUnit {
			return false
		}
		e := ip[at:]
		size := extUnit + int(e[1])*8
		ok := true
		switch next {
		case extHopByHop:
			ok = n == 0 // RFC 8200 section 4.3: nowhere but first
		case extRouting:
			// RFC 8200 section 4.4: with segments left, a type that is not
			// known makes a node discard the packet; type 0 is no better (RFC
			// 5095 section 3). Dst is not where such a packet ends.
			ok = e[3] == 0
		case extAuth: // RFC 4302 section 2.2: in words of 4 bytes, less 2; 12 are fixed
			size = extUnit + int(e[1])*4
			ok = e[1] != 0
		case extFragment:
			size = extUnit
			ok = frag.set(e, at-IPv6Len, payload)
		}
		if !ok || size > len(e) {
			return false
		}
		next, at = e[0], at+size
	}
	h.L4 = h.L3 + uint16(at) // at most 40 + 8*2048
	h.Proto = Proto(next)
	h.TTL = ip[Off6Hops]
	h.DF = true // RFC 8200 section 5: routers do not fragment
	h.FragID, h.FragOff, h.More = frag.id, frag.off, frag.more
	return true
}

// isExt reports whether next is one of the extension headers stepped over.
func isExt(next uint8) bool {
	switch next {
	case extHopByHop, extRouting, extFragment, extAuth, extDestOpts:
		return true
	}
	return false
}

// A fragment holds the fields of a fragment header.
type fragment struct {
	seen bool
	id   uint32
	off  uint16 // bytes
	more bool
}

// set reads the fragment header e, which stands before bytes into the payload,
// and reports whether the fragment may be one (RFC 8200 section 4.5): unless
// it is the last its length is a multiple of 8, and the payload it is part of
// is no longer than one can be. A second fragment header, which section 4.1
// advises against, would leave open which of them counts.
func (g *fragment) set(e []byte, before, payload int) bool {
	if g.seen {
		return false
	}
	word := binary.BigEndian.Uint16(e[2:])
	*g = fragment{seen: true, id: binary.BigEndian.Uint32(e[4:]), off: word &^ 7, more: word&1 != 0}
	if payload == anyPayload {
		return true
	}
	n := payload - before - extUnit
	if g.more && n%8 != 0 {
		return false
	}
	return before+int(g.off)+n <= maxPayload
}
