package doctor

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"lvsdr/dataplane/frame"
	"lvsdr/dataplane/frame/build"
)

// Lengths of headers in bytes, and the TTL of a probe.
const (
	tcpLen   = frame.TCPLen
	icmpLen  = frame.ICMPLen
	shortTTL = 2
)

// echoBytes is how much data a short ping carries.
const echoBytes = 32

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

// header is what the headers in front of a probe say.
func (p Probe) header() build.IP {
	return build.IP{SrcMAC: p.Link.MAC, DstMAC: p.MAC, TTL: shortTTL, DF: true}
}

// segment is a TCP segment of a probe, between these ports.
func (p Probe) segment(flags string, from, to uint16, seq uint32) []byte {
	t := build.TCP{Src: netip.AddrPortFrom(p.Source, from), Dst: netip.AddrPortFrom(p.Dst, to), IP: p.header(), Flags: flags, Seq: seq}
	if flags == "S" {
		t.TCPOptions = build.MSS(uint16(min(p.Link.MTU-p.ipLen()-tcpLen, 0xffff)))
	}
	return t.Bytes()
}

// echo is an echo request with this identifier, in an IP packet of size bytes.
func (p Probe) echo(id uint16, size int) []byte {
	body := make([]byte, max(size-p.ipLen()-icmpLen, echoBytes))
	return build.Echo(p.Source, p.Dst, p.header(), id, 1, body).Bytes()
}

// ipLen is the length of the IP header of a probe.
func (p Probe) ipLen() int {
	if p.Dst.Is4() {
		return frame.IPv4Len
	}
	return frame.IPv6Len
}

// A Sight is a frame seen on a link.
type Sight struct {
	Link       *Link
	Outgoing   bool // sent by this host
	Unfinished bool // its transport checksum is left to the hardware
	Data       []byte
	Header     frame.Header // of Data
}

// answerTCP reads what s says to a SYN of p with these ports; ok is false if it
// is about something else.
func (p Probe) answerTCP(s *Sight, from, to uint16) (a Answer, ok bool) {
	h := &s.Header
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
		a.Outcome, a.MSS = Accepted, maxSegment(s.Data[h.L4:h.End])
		return a, true
	}
	return Answer{}, false
}

// answerEcho reads what s says to an echo request of p with this identifier.
func (p Probe) answerEcho(s *Sight, id uint16) (a Answer, ok bool) {
	h := &s.Header
	proto, reply := frame.ProtoICMP, uint8(icmpEchoReply)
	if p.Dst.Is6() {
		proto, reply = frame.ProtoICMPv6, icmp6EchoReply
	}
	if a, ok = p.answerError(s, proto, id, 0); ok {
		return a, true
	}
	if h.Proto != proto || h.FragOff != 0 || h.ICMPType != reply || h.Src.IP() != p.Dst || h.Dst.IP() != p.Source ||
		len(s.Data) < int(h.L4)+icmpLen || binary.BigEndian.Uint16(s.Data[h.L4+4:]) != id {
		return Answer{}, false
	}
	a = s.answer(Echoed)
	a.Whole = !h.IsFragment()
	return a, true
}

// answerError reads an ICMP error about a packet of p, or that packet itself on
// its way back. From and to are its ports, or from the identifier of an echo
// request.
func (p Probe) answerError(s *Sight, proto frame.Proto, from, to uint16) (Answer, bool) {
	h := &s.Header
	ours := func(h *frame.Header) bool {
		if h.Src.IP() != p.Source || h.Dst.IP() != p.Dst || h.Proto != proto || h.FragOff != 0 {
			return false
		}
		if proto == frame.ProtoTCP {
			return h.SrcPort == from && h.DstPort == to
		}
		return len(s.Data) >= int(h.L4)+icmpLen && binary.BigEndian.Uint16(s.Data[h.L4+4:]) == from
	}
	if ours(h) && frame.SrcMAC(s.Data) == p.MAC {
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
	if !frame.Inner(s.Data, h, &in) || !ours(&in) {
		return Answer{}, false
	}
	a := s.answer(Unreachable)
	a.Type, a.Code = h.ICMPType, h.ICMPCode
	return a, true
}

// answer begins an Answer that s is.
func (s *Sight) answer(o Outcome) Answer {
	return Answer{Outcome: o, From: frame.SrcMAC(s.Data), Src: s.Header.Src.IP(), Whole: true}
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

// describe shows a frame for a person.
func describe(s *Sight) string {
	h := &s.Header
	var b strings.Builder
	switch h.Proto {
	case frame.ProtoTCP:
		fmt.Fprintf(&b, "TCP %s %s > %s", flagNames(h.Flags), netip.AddrPortFrom(h.Src.IP(), h.SrcPort), netip.AddrPortFrom(h.Dst.IP(), h.DstPort))
	case frame.ProtoICMP, frame.ProtoICMPv6:
		fmt.Fprintf(&b, "ICMP type %d code %d %s > %s", h.ICMPType, h.ICMPCode, h.Src, h.Dst)
	default:
		fmt.Fprintf(&b, "IP protocol %d %s > %s", h.Proto, h.Src, h.Dst)
	}
	if h.IsFragment() {
		b.WriteString(", a fragment")
	}
	fmt.Fprintf(&b, ", %d bytes, from %s to %s on %s", int(h.End)-int(h.L3), frame.SrcMAC(s.Data), frame.DstMAC(s.Data), s.Link.Name)
	return b.String()
}

// flagNames are the names of TCP flags.
func flagNames(flags uint8) string {
	var names []string
	for i, name := range []string{"FIN", "SYN", "RST", "PSH", "ACK", "URG"} {
		if flags&(1<<i) != 0 {
			names = append(names, name)
		}
	}
	return strings.Join(names, "+")
}
