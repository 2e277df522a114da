package build

import (
	"net/netip"

	"github.com/google/gopacket/layers"
)

// The ICMP types of echo requests.
const (
	EchoRequest  = 8   // of ICMP (RFC 792)
	EchoRequest6 = 128 // of ICMPv6 (RFC 4443)
)

// An ICMP is an ICMP message in a frame, in IPv6 one of ICMPv6. Src and Dst are
// required. The payload of an ICMP error is a Quote.
type ICMP struct {
	Src, Dst netip.Addr
	IP

	Type, Code uint8
	Rest       [4]byte // the second word of the header
	Payload    []byte
	BadSum     bool // a wrong ICMP checksum
}

// Bytes is the frame.
func (m ICMP) Bytes() []byte {
	p := packet{IP: m.IP, src: m.Src, dst: m.Dst, proto: layers.IPProtocolICMPv4, badSum: m.BadSum, sumAt: 2}
	if m.Src.Is6() {
		p.proto = layers.IPProtocolICMPv6
		// gopacket counts the second word to the payload.
		return p.bytes(&layers.ICMPv6{TypeCode: layers.CreateICMPv6TypeCode(m.Type, m.Code)},
			append(m.Rest[:], m.Payload...))
	}
	return p.bytes(&layers.ICMPv4{
		TypeCode: layers.CreateICMPv4TypeCode(m.Type, m.Code),
		Id:       uint16(m.Rest[0])<<8 | uint16(m.Rest[1]),
		Seq:      uint16(m.Rest[2])<<8 | uint16(m.Rest[3]),
	}, m.Payload)
}

// Echo is an echo request of the family of dst.
func Echo(src, dst netip.Addr, ip IP, id, seq uint16, payload []byte) ICMP {
	m := ICMP{Src: src, Dst: dst, IP: ip, Type: EchoRequest, Payload: payload,
		Rest: [4]byte{byte(id >> 8), byte(id), byte(seq >> 8), byte(seq)}}
	if dst.Is6() {
		m.Type = EchoRequest6
	}
	return m
}
