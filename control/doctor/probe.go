package doctor

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"

	"lvsdr/dataplane/frame"
)

// Lengths of headers in bytes.
const (
	ipv4Len  = 20
	ipv6Len  = 40
	tcpLen   = 20
	icmpLen  = 8
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

// ipHeaders are the headers in front of a probe.
func (p Probe) ipHeaders(proto layers.IPProtocol) (*layers.Ethernet, gopacket.NetworkLayer) {
	eth := &layers.Ethernet{SrcMAC: p.Link.MAC[:], DstMAC: p.MAC[:], EthernetType: layers.EthernetTypeIPv4}
	if p.Dst.Is4() {
		return eth, &layers.IPv4{Version: 4, TTL: shortTTL, Protocol: proto, Flags: layers.IPv4DontFragment,
			SrcIP: p.Source.AsSlice(), DstIP: p.Dst.AsSlice()}
	}
	eth.EthernetType = layers.EthernetTypeIPv6
	return eth, &layers.IPv6{Version: 6, HopLimit: shortTTL, NextHeader: proto, SrcIP: p.Source.AsSlice(), DstIP: p.Dst.AsSlice()}
}

// segment is a TCP segment of a probe.
func (p Probe) segment(t layers.TCP) []byte {
	eth, ip := p.ipHeaders(layers.IPProtocolTCP)
	if t.SYN {
		mss := p.Link.MTU - p.ipLen() - tcpLen
		t.Options = []layers.TCPOption{{OptionType: layers.TCPOptionKindMSS, OptionLength: 4,
			OptionData: binary.BigEndian.AppendUint16(nil, uint16(min(mss, 0xffff)))}}
		t.Window = 64240
	}
	_ = t.SetNetworkLayerForChecksum(ip) // it is IP
	return serialize(eth, ip.(gopacket.SerializableLayer), &t)
}

// echo is an echo request with this identifier, in an IP packet of size bytes.
func (p Probe) echo(id uint16, size int) []byte {
	body := make([]byte, max(size-p.ipLen()-icmpLen, echoBytes))
	const seq = 1
	if p.Dst.Is4() {
		eth, ip := p.ipHeaders(layers.IPProtocolICMPv4)
		return serialize(eth, ip.(gopacket.SerializableLayer),
			&layers.ICMPv4{TypeCode: layers.CreateICMPv4TypeCode(layers.ICMPv4TypeEchoRequest, 0), Id: id, Seq: seq}, gopacket.Payload(body))
	}
	eth, ip := p.ipHeaders(layers.IPProtocolICMPv6)
	icmp := &layers.ICMPv6{TypeCode: layers.CreateICMPv6TypeCode(layers.ICMPv6TypeEchoRequest, 0)}
	_ = icmp.SetNetworkLayerForChecksum(ip) // it is IP
	return serialize(eth, ip.(gopacket.SerializableLayer), icmp, &layers.ICMPv6Echo{Identifier: id, SeqNumber: seq}, gopacket.Payload(body))
}

// ipLen is the length of the IP header of a probe.
func (p Probe) ipLen() int {
	if p.Dst.Is4() {
		return ipv4Len
	}
	return ipv6Len
}

func serialize(all ...gopacket.SerializableLayer) []byte {
	b := gopacket.NewSerializeBuffer()
	if err := gopacket.SerializeLayers(b, gopacket.SerializeOptions{FixLengths: true, ComputeChecksums: true}, all...); err != nil {
		panic("doctor: make a probe: " + err.Error()) // all of its layers are ours
	}
	return b.Bytes()
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
