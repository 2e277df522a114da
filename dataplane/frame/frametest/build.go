package frametest

import (
	"fmt"
	"net/netip"
	"strings"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"

	"lvsdr/dataplane/frame"
)

// A TCP is a TCP segment in a frame. Src and Dst are required.
type TCP struct {
	Src, Dst       netip.AddrPort
	SrcMAC, DstMAC frame.MAC
	VLAN           uint16 // VLAN ID of an 802.1Q tag; 0: no tag
	Pad            bool   // fill up to 60 bytes, as Ethernet does

	TTL      uint8  // or hop limit; 0: 64
	TOS      uint8  // or traffic class
	ID       uint16 // of IPv4; not used in IPv6
	DF       bool   // of IPv4; not used in IPv6
	Options  []byte // of IPv4: IP options, any bytes; zeroes fill up to a multiple of 4
	Ext      []Ext  // of IPv6: extension headers, in their order
	BadIPSum bool   // a wrong IPv4 header checksum

	Flags      string // of SAFRPU (SYN, ACK, FIN, RST, PSH, URG), and E and C for the two of ECN
	Seq, Ack   uint32
	TCPOptions []byte // any bytes; zeroes fill up to a multiple of 4
	Payload    []byte
	BadSum     bool // a wrong TCP checksum
}

// Bytes is the frame.
func (s TCP) Bytes() []byte {
	t := &layers.TCP{
		SrcPort: layers.TCPPort(s.Src.Port()),
		DstPort: layers.TCPPort(s.Dst.Port()),
		Seq:     s.Seq,
		Ack:     s.Ack,
		Window:  64240,
		Padding: padTo4(s.TCPOptions), // gopacket's own options must be well-formed
		SYN:     strings.Contains(s.Flags, "S"),
		ACK:     strings.Contains(s.Flags, "A"),
		FIN:     strings.Contains(s.Flags, "F"),
		RST:     strings.Contains(s.Flags, "R"),
		PSH:     strings.Contains(s.Flags, "P"),
		URG:     strings.Contains(s.Flags, "U"),
		ECE:     strings.Contains(s.Flags, "E"),
		CWR:     strings.Contains(s.Flags, "C"),
	}
	if rest := strings.Trim(s.Flags, "SAFRPUEC"); rest != "" {
		panic(fmt.Sprintf("frametest: unknown TCP flag in %q", s.Flags))
	}
	return ip{
		ether: ether{s.SrcMAC, s.DstMAC, s.VLAN, s.Pad},
		src:   s.Src.Addr(), dst: s.Dst.Addr(), proto: layers.IPProtocolTCP,
		ttl: s.TTL, tos: s.TOS, id: s.ID, df: s.DF, options: s.Options, ext: s.Ext,
		badSum: s.BadSum, badIPSum: s.BadIPSum, sumAt: 16,
	}.bytes(t, s.Payload)
}

// A UDP is a UDP datagram in a frame. Src and Dst are required.
type UDP struct {
	Src, Dst       netip.AddrPort
	SrcMAC, DstMAC frame.MAC
	VLAN           uint16
	Pad            bool

	TTL      uint8
	TOS      uint8
	ID       uint16
	DF       bool
	Options  []byte
	Ext      []Ext
	BadIPSum bool // these as in TCP

	Payload []byte
	BadSum  bool // a wrong UDP checksum
	NoSum   bool // no UDP checksum: the field is 0
}

// Bytes is the frame.
func (d UDP) Bytes() []byte {
	p := ip{
		ether: ether{d.SrcMAC, d.DstMAC, d.VLAN, d.Pad},
		src:   d.Src.Addr(), dst: d.Dst.Addr(), proto: layers.IPProtocolUDP,
		ttl: d.TTL, tos: d.TOS, id: d.ID, df: d.DF, options: d.Options, ext: d.Ext,
		badSum: d.BadSum, badIPSum: d.BadIPSum, sumAt: 6,
	}
	f := p.bytes(&layers.UDP{SrcPort: layers.UDPPort(d.Src.Port()), DstPort: layers.UDPPort(d.Dst.Port())}, d.Payload)
	if d.NoSum {
		sum := p.len() + p.headerLen() + 6
		f[sum], f[sum+1] = 0, 0
	}
	return f
}

// An SCTP is an SCTP packet in a frame. Src and Dst are required.
type SCTP struct {
	Src, Dst       netip.AddrPort
	SrcMAC, DstMAC frame.MAC
	VLAN           uint16
	Pad            bool

	TTL      uint8
	TOS      uint8
	ID       uint16
	DF       bool
	Options  []byte
	Ext      []Ext
	BadIPSum bool // these as in TCP

	Tag     uint32 // verification tag
	Payload []byte // the chunks, as they are
	BadSum  bool   // a wrong CRC32c
}

// Bytes is the frame.
func (s SCTP) Bytes() []byte {
	return ip{
		ether: ether{s.SrcMAC, s.DstMAC, s.VLAN, s.Pad},
		src:   s.Src.Addr(), dst: s.Dst.Addr(), proto: layers.IPProtocolSCTP,
		ttl: s.TTL, tos: s.TOS, id: s.ID, df: s.DF, options: s.Options, ext: s.Ext,
		badSum: s.BadSum, badIPSum: s.BadIPSum, sumAt: 8,
	}.bytes(&layers.SCTP{
		SrcPort:         layers.SCTPPort(s.Src.Port()),
		DstPort:         layers.SCTPPort(s.Dst.Port()),
		VerificationTag: s.Tag,
	}, s.Payload)
}

// An ICMP is an ICMP message in a frame, in IPv6 one of ICMPv6. Src and Dst are
// required. The payload of an ICMP error is a Quote.
type ICMP struct {
	Src, Dst       netip.Addr
	SrcMAC, DstMAC frame.MAC
	VLAN           uint16
	Pad            bool

	TTL      uint8
	TOS      uint8
	ID       uint16
	DF       bool
	Options  []byte
	Ext      []Ext
	BadIPSum bool // these as in TCP

	Type, Code uint8
	Rest       [4]byte // the second word of the header
	Payload    []byte
	BadSum     bool // a wrong ICMP checksum
}

// Bytes is the frame.
func (m ICMP) Bytes() []byte {
	p := ip{
		ether: ether{m.SrcMAC, m.DstMAC, m.VLAN, m.Pad},
		src:   m.Src, dst: m.Dst, proto: layers.IPProtocolICMPv4,
		ttl: m.TTL, tos: m.TOS, id: m.ID, df: m.DF, options: m.Options, ext: m.Ext,
		badSum: m.BadSum, badIPSum: m.BadIPSum, sumAt: 2,
	}
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

// A Raw is an IP packet of any protocol in a frame. Src and Dst are
// required. With the protocol of TCP or another known one it makes segments
// too short or too odd for the other builders.
type Raw struct {
	Src, Dst       netip.Addr
	SrcMAC, DstMAC frame.MAC
	VLAN           uint16
	Pad            bool

	TTL      uint8
	TOS      uint8
	ID       uint16
	DF       bool
	Options  []byte
	Ext      []Ext
	BadIPSum bool // these as in TCP

	Proto   frame.Proto
	Payload []byte
}

// Bytes is the frame.
func (r Raw) Bytes() []byte {
	return ip{
		ether: ether{r.SrcMAC, r.DstMAC, r.VLAN, r.Pad},
		src:   r.Src, dst: r.Dst, proto: layers.IPProtocol(r.Proto),
		ttl: r.TTL, tos: r.TOS, id: r.ID, df: r.DF, options: r.Options, ext: r.Ext,
		badIPSum: r.BadIPSum, sumAt: -1,
	}.bytes(gopacket.Payload(nil), r.Payload)
}

// An ARP is an ARP packet in a frame (RFC 826). SenderIP and TargetIP are
// required.
type ARP struct {
	SrcMAC, DstMAC frame.MAC // of the frame
	VLAN           uint16
	Pad            bool

	Op                 uint16 // 1 request, 2 reply; 0: 1
	SenderMAC          frame.MAC
	SenderIP, TargetIP netip.Addr
	TargetMAC          frame.MAC
}

// Bytes is the frame.
func (a ARP) Bytes() []byte {
	if !a.SenderIP.Is4() || !a.TargetIP.Is4() {
		panic(fmt.Sprintf("frametest: %v, %v is not IPv4", a.SenderIP, a.TargetIP))
	}
	op := a.Op
	if op == 0 {
		op = layers.ARPRequest
	}
	e := ether{a.SrcMAC, a.DstMAC, a.VLAN, a.Pad}
	f := serialize(append(e.layers(layers.EthernetTypeARP), &layers.ARP{
		AddrType: layers.LinkTypeEthernet, Protocol: layers.EthernetTypeIPv4,
		HwAddressSize: 6, ProtAddressSize: 4, Operation: op,
		SourceHwAddress: a.SenderMAC[:], SourceProtAddress: a.SenderIP.AsSlice(),
		DstHwAddress: a.TargetMAC[:], DstProtAddress: a.TargetIP.AsSlice(),
	})...)
	return e.finish(f[:e.len()+28])
}
