package wire

import (
	"encoding/binary"
	"slices"

	"lvsdr/dataplane/frame"
)

// The ICMP types that answer a probe.
const (
	icmpUnreachable  = 3 // also: fragmentation needed, code 4
	icmpTimeExceeded = 11
	icmpEchoReply    = 0

	icmp6Unreachable  = 1
	icmp6TooBig       = 2
	icmp6TimeExceeded = 3
	icmp6EchoReply    = 129
)

// answerTCP reads what s says to a SYN of p with these ports; ok is false if it
// is about something else.
func (p Probe) answerTCP(s *captured, from, to uint16) (a Answer, ok bool) {
	h := &s.header
	if a, ok = p.answerError(s, frame.ProtoTCP, from, to); ok {
		return a, true
	}
	if h.Proto != frame.ProtoTCP || h.Src.IP() != p.Dst || h.Dst.IP() != p.Source || h.SrcPort != to || h.DstPort != from {
		return Answer{}, false
	}
	a = s.answer(Refused)
	switch {
	case h.Flags&frame.RST != 0:
		return a, true
	case h.Flags&(frame.SYN|frame.ACK) == frame.SYN|frame.ACK:
		a.Outcome, a.MSS = Accepted, maxSegment(s.data[h.L4:h.End])
		return a, true
	}
	return Answer{}, false
}

// answerEcho reads what s says to an echo request of p with this identifier.
func (p Probe) answerEcho(s *captured, id uint16) (a Answer, ok bool) {
	h := &s.header
	proto, reply := frame.ProtoICMP, uint8(icmpEchoReply)
	if p.Dst.Is6() {
		proto, reply = frame.ProtoICMPv6, icmp6EchoReply
	}
	if a, ok = p.answerError(s, proto, id, 0); ok {
		return a, true
	}
	if h.Proto != proto || h.FragOff != 0 || h.ICMPType != reply || h.Src.IP() != p.Dst || h.Dst.IP() != p.Source ||
		len(s.data) < int(h.L4)+icmpLen || binary.BigEndian.Uint16(s.data[h.L4+4:]) != id {
		return Answer{}, false
	}
	a = s.answer(Echoed)
	a.Whole = !h.IsFragment()
	return a, true
}

// answerError reads an ICMP error about a packet of p, or that packet itself on
// its way back. From and to are its ports, or from the identifier of an echo
// request.
func (p Probe) answerError(s *captured, proto frame.Proto, from, to uint16) (Answer, bool) {
	h := &s.header
	ours := func(h *frame.Header) bool {
		if h.Src.IP() != p.Source || h.Dst.IP() != p.Dst || h.Proto != proto || h.FragOff != 0 {
			return false
		}
		if proto == frame.ProtoTCP {
			return h.SrcPort == from && h.DstPort == to
		}
		return len(s.data) >= int(h.L4)+icmpLen && binary.BigEndian.Uint16(s.data[h.L4+4:]) == from
	}
	if ours(h) && frame.SrcMAC(s.data) == p.MAC {
		return s.answer(Returned), true
	}
	errs, icmp := []uint8{icmpUnreachable, icmpTimeExceeded}, frame.ProtoICMP
	if p.Dst.Is6() {
		errs, icmp = []uint8{icmp6Unreachable, icmp6TooBig, icmp6TimeExceeded}, frame.ProtoICMPv6
	}
	if h.Proto != icmp || h.IsFragment() || !slices.Contains(errs, h.ICMPType) {
		return Answer{}, false
	}
	var in frame.Header
	if !frame.Inner(s.data, h, &in) || !ours(&in) {
		return Answer{}, false
	}
	a := s.answer(Unreachable)
	a.Type, a.Code = h.ICMPType, h.ICMPCode
	return a, true
}

// answer is s as an Answer, without what its protocol says.
func (s *captured) answer(o Outcome) Answer {
	return Answer{Outcome: o, From: frame.SrcMAC(s.data), Src: s.header.Src.IP(), Whole: true}
}

// maxSegment is the MSS option of a TCP segment (RFC 9293 section 3.2), 0 if it
// has none.
func maxSegment(seg []byte) int {
	if len(seg) < tcpLen {
		return 0
	}
	opts := seg[tcpLen:min(max(int(seg[12]>>4)*4, tcpLen), len(seg))]
	for len(opts) > 1 && opts[0] != 0 {
		if opts[0] == 1 {
			opts = opts[1:]
			continue
		}
		n := int(opts[1])
		if n < 2 || n > len(opts) {
			return 0
		}
		if opts[0] == 2 && n == 4 {
			return int(binary.BigEndian.Uint16(opts[2:]))
		}
		opts = opts[n:]
	}
	return 0
}
