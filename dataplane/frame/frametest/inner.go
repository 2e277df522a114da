package frametest

import (
	"encoding/binary"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"

	"lvsdr/dataplane/frame"
)

// Inner is the result that frame.Inner must give for f, by gopacket's decoders and the rules
// of the RFCs: the slow reference. Without a quoted packet that can be read it
// is the zero Header and false.
func Inner(f []byte) (frame.Header, bool) {
	h := Parse(f)
	errors := map[frame.Proto][]uint8{frame.ProtoICMP: {3, 4, 11, 12}}
	if h.Kind == frame.IPv6 {
		errors = map[frame.Proto][]uint8{frame.ProtoICMPv6: {1, 2, 3, 4}}
	}
	isError := false
	for _, typ := range errors[h.Proto] {
		isError = isError || h.ICMPType == typ
	}
	if !isError || h.Fault != frame.NoFault || h.FragOff != 0 {
		return frame.Header{}, false
	}
	in := frame.Header{Kind: h.Kind, L3: h.L4 + 8}
	quote := f[in.L3:h.End]
	inner := innerIPv4
	if h.Kind == frame.IPv6 {
		inner = innerIPv6
	}
	if !inner(quote, &in) || !innerL4(f[in.L4:in.End], &in) {
		return frame.Header{}, false
	}
	return in, true
}

func innerIPv4(quote []byte, in *frame.Header) bool {
	if len(quote) < 20 {
		return false
	}
	var ip layers.IPv4
	_ = ip.DecodeFromBytes(quote, gopacket.NilDecodeFeedback) // as in parseIPv4
	header := int(ip.IHL) * 4
	if ip.Version != 4 || header < 20 || header > len(quote) {
		return false
	}
	in.Src, in.Dst = frame.AddrFrom4([4]byte(ip.SrcIP)), frame.AddrFrom4([4]byte(ip.DstIP))
	in.L4 = in.L3 + uint16(header)
	in.End = uint32(in.L3) + uint32(len(quote))
	in.Proto, in.TTL, in.FragID = frame.Proto(ip.Protocol), ip.TTL, uint32(ip.Id)
	in.DF = ip.Flags&layers.IPv4DontFragment != 0
	in.More = ip.Flags&layers.IPv4MoreFragments != 0
	in.FragOff = ip.FragOffset * 8
	return true
}

func innerIPv6(quote []byte, in *frame.Header) bool {
	if len(quote) < 40 {
		return false
	}
	ip, ok := decode6(quote, in)
	if !ok {
		return false
	}
	l := chainOf(ip.NextHeader, quote[40:])
	if !l.isOrdered() {
		return false
	}
	l.fill(in, ip)
	in.End = uint32(in.L3) + uint32(len(quote))
	return true
}

// innerL4 fills the transport part of in. What is not there of a header reads
// as zeroes.
func innerL4(data []byte, in *frame.Header) bool {
	proto := layers.IPProtocol(in.Proto)
	switch proto {
	case layers.IPProtocolTCP, layers.IPProtocolUDP, layers.IPProtocolSCTP:
	case layers.IPProtocolICMPv4, layers.IPProtocolICMPv6:
		if (proto == layers.IPProtocolICMPv6) != (in.Kind == frame.IPv6) {
			return true
		}
	default:
		return true
	}
	if in.FragOff != 0 && in.Kind == frame.IPv6 {
		return true
	}
	if len(data) < 4 {
		return false
	}
	fixed := append(append([]byte{}, data[:min(len(data), 20)]...), make([]byte, 16)...)
	switch proto {
	case layers.IPProtocolTCP:
		fixed[12] = 5 << 4 // a data offset that ends with what is here
	case layers.IPProtocolUDP:
		binary.BigEndian.PutUint16(fixed[4:], 8)
	}
	h := *in
	h.FragOff = 0 // whatever stands there are the ports
	if !parseL4(proto, fixed, &h) {
		return false
	}
	h.FragOff = in.FragOff
	*in = h
	return true
}
