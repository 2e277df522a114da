package frame

import "encoding/binary"

// quotedLen is how much of a quoted packet's payload is read at least, in bytes:
// the ports of TCP, UDP and SCTP, the type and code of ICMP. RFC 792 asks for 8;
// some routers quote less.
const quotedLen = 4

// Inner reads the packet that the ICMP or ICMPv6 error f quotes, where h is what
// Parse made of f, into *in and overwrites all of *in. It reports whether f is
// such an error and the quoted packet can be read; if not, *in is the zero
// Header. It keeps nothing of f and allocates nothing.
//
// The errors of ICMP are destination unreachable, source quench, time exceeded
// and parameter problem; those of ICMPv6 are destination unreachable, packet too
// big, time exceeded and parameter problem. The quoted packet is of the same
// family as the error. It went the other way: in.Src is the address that f was sent
// to, unless f is forged, which is for the caller to check.
//
// A router may quote no more than 8 bytes behind the IP header, so there is
// less to rely on than after Parse; and what it quotes may be the packet as the
// router had changed it, with a checksum that was not renewed, or with fields in
// the byte order of its processor. So nothing counts but the version, the lengths
// of headers, the protocol, the addresses and the ports; total length, checksum,
// TTL and, in IPv4, the fragment's offset are taken for what they are worth. All
// offsets are in bytes from the start of f; in.End is where the quotation ends. At
// least 4 bytes of TCP, UDP, SCTP and ICMP follow L4, also in a later fragment of
// IPv4, where they stand for whatever they are; in.Flags is 0 if the TCP flags
// are beyond the quotation. A quotation within a quotation is not read.
func Inner(f []byte, h *Header, in *Header) bool {
	*in = Header{}
	if !quotes(h) {
		return false
	}
	at := h.L4 + ICMPLen
	q := f[at:h.End]
	in.Kind, in.L3 = h.Kind, at
	ok := false
	if h.Kind == IPv6 {
		ok = in.quoted6(q)
	} else {
		ok = in.quoted4(q)
	}
	if !ok || !in.quotedL4(f[in.L4:in.End]) {
		*in = Header{}
		return false
	}
	return true
}

// quotes reports whether h is an ICMP error that quotes a packet. A later
// fragment is none: it has the type 0.
func quotes(h *Header) bool {
	if h.Fault != NoFault || !h.isICMP() {
		return false
	}
	if h.Kind == IPv6 {
		return h.ICMPType >= icmp6Unreachable && h.ICMPType <= icmp6ParamProblem
	}
	switch h.ICMPType {
	case icmpUnreachable, icmpSourceQuench, icmpTimeExceeded, icmpParamProblem:
		return true
	}
	return false
}

// quoted4 reads the IPv4 header of the quotation q.
func (h *Header) quoted4(q []byte) bool {
	if len(q) < IPv4Len || q[0]>>4 != 4 {
		return false
	}
	ihl := int(q[0]&0x0f) * 4
	if ihl < IPv4Len || ihl > len(q) {
		return false
	}
	setAddr(&h.Src, q[Off4Src:])
	setAddr(&h.Dst, q[Off4Dst:])
	h.setIPv4(q, ihl)
	h.End = uint32(h.L3) + uint32(len(q))
	return true
}

// quoted6 reads the IPv6 header and the extension headers of the quotation q,
// which must all be there. The rules are those of parseIPv6, except that the
// packet may be longer or shorter than what is here.
func (h *Header) quoted6(q []byte) bool {
	if len(q) < IPv6Len || !h.set6Addrs(q) {
		return false
	}
	h.End = uint32(h.L3) + uint32(len(q))
	return h.walk(q, anyPayload)
}

// quotedL4 reads ports, flags and ICMP type of the quoted payload p.
func (h *Header) quotedL4(p []byte) bool {
	if h.FragOff != 0 && h.Kind == IPv6 {
		return true
	}
	switch h.Proto {
	case ProtoTCP, ProtoUDP, ProtoSCTP:
		if len(p) < quotedLen {
			return false
		}
		h.SrcPort = binary.BigEndian.Uint16(p[0:])
		h.DstPort = binary.BigEndian.Uint16(p[2:])
		if h.Proto == ProtoTCP && len(p) > 13 {
			h.Flags = p[13] & tcpFlags
		}
	case ProtoICMP, ProtoICMPv6:
		if !h.isICMP() {
			break
		}
		if len(p) < quotedLen {
			return false
		}
		h.ICMPType, h.ICMPCode = p[0], p[1]
	}
	return true
}
