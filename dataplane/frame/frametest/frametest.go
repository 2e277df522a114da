// Package frametest builds frames for tests, takes them apart slowly and
// describes them, all of it through gopacket, so that package frame is checked
// by code that shares nothing with it.
//
// A builder is a struct literal and a call:
//
//	f := frametest.TCP{Src: client, Dst: vip, Flags: "S"}.Bytes()
//
// The addresses choose between IPv4 and IPv6. What is wrong with a literal, such
// as addresses of different families, is a mistake in the test and panics.
// Frames come without Ethernet padding unless Pad is set, and belong to the
// caller.
package frametest

import (
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"

	"lvsdr/dataplane/frame"
)

// minFrame is the least length of an Ethernet frame in bytes, its checksum not
// counted (IEEE 802.3).
const minFrame = 60

// An ether is what all frames have in common.
type ether struct {
	src, dst frame.MAC
	vlan     uint16
	pad      bool
}

// layers are the Ethernet header and, unless vlan is 0, the 802.1Q tag before
// a payload of type typ.
func (e ether) layers(typ layers.EthernetType) []gopacket.SerializableLayer {
	eth := &layers.Ethernet{SrcMAC: net.HardwareAddr(e.src[:]), DstMAC: net.HardwareAddr(e.dst[:]), EthernetType: typ}
	if e.vlan == 0 {
		return []gopacket.SerializableLayer{eth}
	}
	eth.EthernetType = layers.EthernetTypeDot1Q
	return []gopacket.SerializableLayer{eth, &layers.Dot1Q{VLANIdentifier: e.vlan, Type: typ}}
}

// len is the length of the Ethernet header with its tag, in bytes.
func (e ether) len() int {
	if e.vlan != 0 {
		return 18
	}
	return 14
}

// finish is f, with the padding of Ethernet if that is wanted.
func (e ether) finish(f []byte) []byte {
	f = f[:len(f):len(f)]
	for e.pad && len(f) < minFrame {
		f = append(f, 0)
	}
	return f
}

// serialize is the bytes of ls, with lengths and checksums put right.
func serialize(ls ...gopacket.SerializableLayer) []byte {
	buf := gopacket.NewSerializeBuffer()
	opts := gopacket.SerializeOptions{FixLengths: true, ComputeChecksums: true}
	if err := gopacket.SerializeLayers(buf, opts, ls...); err != nil {
		panic("frametest: " + err.Error())
	}
	return buf.Bytes()
}

// An ip is what all IP packets have in common; see TCP for the fields.
type ip struct {
	ether
	src, dst netip.Addr
	proto    layers.IPProtocol
	ttl, tos uint8
	id       uint16
	df       bool
	options  []byte
	ext      []Ext
	badSum   bool
	badIPSum bool
	sumAt    int // offset of the checksum in the transport header; -1: it has none to spoil
}

// bytes is the frame of p around a transport header and its payload.
func (p ip) bytes(t gopacket.SerializableLayer, payload []byte) []byte {
	p.mustBeOneFamily()
	typ, hdr, n := layers.EthernetTypeIPv4, network(p.header4()), 20
	if p.src.Is6() {
		typ, hdr, n = layers.EthernetTypeIPv6, p.header6(), 40
	}
	if s, ok := t.(interface {
		SetNetworkLayerForChecksum(gopacket.NetworkLayer) error
	}); ok {
		if err := s.SetNetworkLayerForChecksum(hdr); err != nil {
			panic("frametest: " + err.Error())
		}
	}
	f := serialize(append(p.layers(typ), hdr, t, gopacket.Payload(payload))...)
	l3 := p.len()
	f = f[:l3+p.packetLen(f[l3:])] // without gopacket's padding
	if udp, ok := t.(*layers.UDP); ok && udp.Checksum == 0 {
		// RFC 768: a computed checksum of zero is transmitted as all ones.
		binary.BigEndian.PutUint16(f[l3+n+6:], 0xffff)
	}
	if p.badSum && p.sumAt >= 0 {
		spoil(f[l3+n+p.sumAt:])
	}
	f = insertOptions(f, l3, p.options)
	f = insertExt(f, l3, p.ext)
	if p.badIPSum {
		spoil(f[l3+10:])
	}
	return p.finish(f)
}

// A network is an IP header of gopacket.
type network interface {
	gopacket.NetworkLayer
	gopacket.SerializableLayer
}

// mustBeOneFamily panics unless the addresses are of one family and there is
// nothing that the other has.
func (p ip) mustBeOneFamily() {
	switch {
	case p.src.Is4() && p.dst.Is4():
		if p.ext != nil {
			panic("frametest: extension headers in IPv4")
		}
	case p.src.Is6() && p.dst.Is6():
		if p.options != nil || p.badIPSum {
			panic("frametest: IP options or a header checksum in IPv6")
		}
	default:
		panic(fmt.Sprintf("frametest: %v > %v is neither IPv4 nor IPv6", p.src, p.dst))
	}
}

// packetLen is the length of the packet b by what its header says, in bytes.
func (p ip) packetLen(b []byte) int {
	if p.src.Is4() {
		return int(binary.BigEndian.Uint16(b[2:]))
	}
	n := int(binary.BigEndian.Uint16(b[4:]))
	if n == 0 && b[6] == 0 {
		panic("frametest: too much for an IPv6 packet") // gopacket made a jumbogram
	}
	return 40 + n
}

// headerLen is the length of p's header, with options or extension headers, in
// bytes.
func (p ip) headerLen() int {
	if p.src.Is4() {
		return 20 + len(padTo4(p.options))
	}
	n := 40
	for _, e := range p.ext {
		n += e.len()
	}
	return n
}

// header4 is the IPv4 layer of p, without options.
func (p ip) header4() *layers.IPv4 {
	h := &layers.IPv4{
		Version: 4, TOS: p.tos, Id: p.id, TTL: p.ttl, Protocol: p.proto,
		SrcIP: p.src.AsSlice(), DstIP: p.dst.AsSlice(),
	}
	if h.TTL == 0 {
		h.TTL = 64
	}
	if p.df {
		h.Flags = layers.IPv4DontFragment
	}
	return h
}

// spoil makes the checksum at b wrong, and not the "none" of UDP either.
func spoil(b []byte) {
	sum := binary.BigEndian.Uint16(b) ^ 0x0101
	if sum == 0 {
		sum = 0x0202
	}
	binary.BigEndian.PutUint16(b, sum)
}

// insertOptions is f, which has an IPv4 header without options at l3, with
// options in it, and lengths and header checksum put right. It goes round
// gopacket, which takes well-formed options only.
func insertOptions(f []byte, l3 int, options []byte) []byte {
	options = padTo4(options)
	if len(options) == 0 {
		return f
	}
	if len(options) > 40 {
		panic("frametest: more than 40 bytes of IP options")
	}
	out := append([]byte{}, f[:l3+20]...)
	out = append(out, options...)
	out = append(out, f[l3+20:]...)
	h := out[l3:]
	h[0] = 4<<4 | byte(5+len(options)/4)
	binary.BigEndian.PutUint16(h[2:], binary.BigEndian.Uint16(h[2:])+uint16(len(options)))
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

// FixHeaderSum writes the right IPv4 header checksum into f, which may be
// damaged in any other way, and reports whether it found a whole header to sum
// over.
func FixHeaderSum(f []byte) bool {
	l3, ok := ipv4At(f)
	if !ok || len(f) < l3+20 {
		return false
	}
	n := int(f[l3]&0x0f) * 4
	if n < 20 || len(f) < l3+n {
		return false
	}
	h := f[l3 : l3+n]
	binary.BigEndian.PutUint16(h[10:], 0)
	binary.BigEndian.PutUint16(h[10:], Checksum(h))
	return true
}

// ipv4At is the offset of the IPv4 header in f, under at most one VLAN tag.
func ipv4At(f []byte) (l3 int, ok bool) { return typeAt(f, 0x0800) }

// typeAt is the offset of what f carries, under at most one VLAN tag, if that
// is of the given EtherType.
func typeAt(f []byte, typ uint16) (l3 int, ok bool) {
	is := func(at int, typ uint16) bool { return len(f) >= at+2 && binary.BigEndian.Uint16(f[at:]) == typ }
	switch {
	case is(12, typ):
		return 14, true
	case is(16, typ) && (is(12, 0x8100) || is(12, 0x88a8)):
		return 18, true
	}
	return 0, false
}

// Checksum is the Internet checksum of b as RFC 1071 section 1 defines it: the
// complement of the ones' complement sum of its 16-bit words, one by one.
func Checksum(b []byte) uint16 {
	var sum uint16
	for i := 0; i < len(b); i += 2 {
		word := uint16(b[i]) << 8
		if i+1 < len(b) {
			word |= uint16(b[i+1])
		}
		before := sum
		sum += word
		if sum < before { // end-around carry
			sum++
		}
	}
	return ^sum
}
