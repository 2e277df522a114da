package build

import (
	"encoding/binary"
	"fmt"
	"net/netip"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"

	"lvsdr/dataplane/frame"
)

// An IP holds the fields that all builders of IP packets have beside the addresses:
// the Ethernet header and the fields of the IP header. The zero IP is fit for
// use.
type IP struct {
	SrcMAC, DstMAC frame.MAC
	VLAN           uint16 // VLAN number of an 802.1Q tag; 0: no tag
	Pad            bool   // fill up to 60 bytes, as Ethernet does

	TTL      uint8  // or hop limit; 0: 64
	TOS      uint8  // or traffic class
	ID       uint16 // of IPv4; not used in IPv6
	DF       bool   // of IPv4; not used in IPv6
	Options  []byte // of IPv4: IP options, any bytes; zeroes fill up to a multiple of 4
	Ext      []Ext  // of IPv6: extension headers, in their order
	BadIPSum bool   // a wrong IPv4 header checksum
}

// defaultTTL is the TTL of packets that name none.
const defaultTTL = 64

// A packet is an IP packet but for its transport header and payload.
type packet struct {
	IP
	src, dst netip.Addr
	proto    layers.IPProtocol
	badSum   bool
	sumAt    int // offset of the checksum in the transport header; -1: it has none to spoil
}

// ether is the Ethernet part of p.
func (p packet) ether() ether { return ether{p.SrcMAC, p.DstMAC, p.VLAN, p.Pad} }

// bytes is the frame of p around a transport header and its payload.
func (p packet) bytes(t gopacket.SerializableLayer, payload []byte) []byte {
	p.mustBeOneFamily()
	typ, hdr, n := layers.EthernetTypeIPv4, network(p.header4()), frame.IPv4Len
	if p.src.Is6() {
		typ, hdr, n = layers.EthernetTypeIPv6, p.header6(), frame.IPv6Len
	}
	if s, ok := t.(interface {
		SetNetworkLayerForChecksum(gopacket.NetworkLayer) error
	}); ok {
		if err := s.SetNetworkLayerForChecksum(hdr); err != nil {
			panic("build: " + err.Error())
		}
	}
	e := p.ether()
	f := serialize(append(e.layers(typ), hdr, t, gopacket.Payload(payload))...)
	l3 := e.len()
	f = f[:l3+p.packetLen(f[l3:])] // without gopacket's padding
	if udp, ok := t.(*layers.UDP); ok && udp.Checksum == 0 {
		// RFC 768: a computed checksum of zero is transmitted as all ones.
		binary.BigEndian.PutUint16(f[l3+n+6:], 0xffff)
	}
	if p.badSum && p.sumAt >= 0 {
		spoil(f[l3+n+p.sumAt:])
	}
	f = insertOptions(f, l3, p.Options)
	f = insertExt(f, l3, p.Ext)
	if p.BadIPSum {
		spoil(f[l3+frame.Off4Sum:])
	}
	return e.finish(f)
}

// A network is an IP header of gopacket.
type network interface {
	gopacket.NetworkLayer
	gopacket.SerializableLayer
}

// mustBeOneFamily panics unless the addresses are of one family and there is
// nothing that only the other family has.
func (p packet) mustBeOneFamily() {
	switch {
	case p.src.Is4() && p.dst.Is4():
		if p.Ext != nil {
			panic("build: extension headers in IPv4")
		}
	case p.src.Is6() && p.dst.Is6():
		if p.Options != nil || p.BadIPSum {
			panic("build: IP options or a header checksum in IPv6")
		}
	default:
		panic(fmt.Sprintf("build: %v > %v is neither IPv4 nor IPv6", p.src, p.dst))
	}
}

// packetLen is the length of the packet b by what its header says, in bytes.
func (p packet) packetLen(b []byte) int {
	if p.src.Is4() {
		return int(binary.BigEndian.Uint16(b[frame.Off4Total:]))
	}
	n := int(binary.BigEndian.Uint16(b[frame.Off6Len:]))
	if n == 0 && b[frame.Off6Next] == 0 {
		panic("build: too much for an IPv6 packet") // gopacket made a jumbogram
	}
	return frame.IPv6Len + n
}

// headerLen is the length of p's header, with options or extension headers, in
// bytes.
func (p packet) headerLen() int {
	if p.src.Is4() {
		return frame.IPv4Len + len(padTo4(p.Options))
	}
	n := frame.IPv6Len
	for _, e := range p.Ext {
		n += e.Len()
	}
	return n
}

// header4 is the IPv4 layer of p, without options.
func (p packet) header4() *layers.IPv4 {
	h := &layers.IPv4{
		Version: 4, TOS: p.TOS, Id: p.ID, TTL: p.TTL, Protocol: p.proto,
		SrcIP: p.src.AsSlice(), DstIP: p.dst.AsSlice(),
	}
	if h.TTL == 0 {
		h.TTL = defaultTTL
	}
	if p.DF {
		h.Flags = layers.IPv4DontFragment
	}
	return h
}

// header6 is the IPv6 layer of p, without extension headers.
func (p packet) header6() *layers.IPv6 {
	h := &layers.IPv6{
		Version: 6, TrafficClass: p.TOS, NextHeader: p.proto, HopLimit: p.TTL,
		SrcIP: p.src.AsSlice(), DstIP: p.dst.AsSlice(),
	}
	if h.HopLimit == 0 {
		h.HopLimit = defaultTTL
	}
	return h
}

// maxOptions is the most IP options that a header has, in bytes.
const maxOptions = 40

// insertOptions is f, which has an IPv4 header without options at l3, with
// options in it, and lengths and header checksum put right. It goes round
// gopacket, which takes well-formed options only.
func insertOptions(f []byte, l3 int, options []byte) []byte {
	options = padTo4(options)
	if len(options) == 0 {
		return f
	}
	if len(options) > maxOptions {
		panic("build: more than 40 bytes of IP options")
	}
	out := append([]byte{}, f[:l3+frame.IPv4Len]...)
	out = append(out, options...)
	out = append(out, f[l3+frame.IPv4Len:]...)
	h := out[l3:]
	h[0] = 4<<4 | byte((frame.IPv4Len+len(options))/4)
	total := h[frame.Off4Total:]
	binary.BigEndian.PutUint16(total, binary.BigEndian.Uint16(total)+uint16(len(options)))
	FixHeaderSum(out)
	return out
}

// padTo4 is b with zeroes (end of options) up to a multiple of 4.
func padTo4(b []byte) []byte {
	out := append([]byte{}, b...)
	for len(out)%4 != 0 {
		out = append(out, 0)
	}
	return out
}
