package frame

import "encoding/binary"

// quotedLen is how much of a quoted packet's payload an ICMP error carries at
// least, in bytes (RFC 792). The ports of TCP, UDP and SCTP are among it.
const quotedLen = 8

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
// less to rely on than after Parse. All offsets are in bytes from the start of
// f; in.End is where the packet or the quotation ends, whichever comes first.
// Unless FragOff says otherwise, at least 8 bytes of TCP, UDP, SCTP and ICMP
// follow L4, and in.Flags is 0 if the TCP flags are beyond the quotation.
// The length fields of transport headers are not checked. The header checksum of
// IPv4 is verified. Any TTL will do. A quotation within a quotation is not read.
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

// quoted4 reads the IPv4 header of the quotation q. The rules are those of
// parseIPv4, except that the packet may be longer than what is here.
func (h *Header) quoted4(q []byte) bool {
	if len(q) < IPv4Len || q[0]>>4 != 4 {
		return false
	}
	ihl := int(q[0]&0x0f) * 4
	total := int(binary.BigEndian.Uint16(q[Off4Total:]))
	if ihl < IPv4Len || ihl > len(q) || total < ihl || !headerSumOK(q[:ihl]) {
		return false
	}
	setAddr(&h.Src, q[Off4Src:])
	setAddr(&h.Dst, q[Off4Dst:])
	h.setIPv4(q, ihl)
	h.End = uint32(h.L3) + uint32(min(total, len(q)))
	return true
}

// quoted6 reads the IPv6 header and the extension headers of the quotation q,
// which must all be there. The rules are those of parseIPv6, except that the
// packet may be longer than what is here.
func (h *Header) quoted6(q []byte) bool {
	if len(q) < IPv6Len || !h.set6Addrs(q) {
		return false
	}
	payload := int(binary.BigEndian.Uint16(q[Off6Len:]))
	q = q[:min(len(q), IPv6Len+payload)]
	h.End = uint32(h.L3) + uint32(len(q))
	return h.walk(q, payload)
}

// quotedL4 reads ports, flags and ICMP type of the quoted payload p.
func (h *Header) quotedL4(p []byte) bool {
	if h.FragOff != 0 {
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
