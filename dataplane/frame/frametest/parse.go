package frametest

import (
	"encoding/binary"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"

	"lvsdr/dataplane/frame"
	"lvsdr/dataplane/frame/build"
)

// Parse is the result that frame.Parse must give for f, by gopacket's decoders and the
// rules of the RFCs, one after the other: the slow reference. It agrees with
// frame.Parse in every field, of damaged frames too.
func Parse(f []byte) frame.Header {
	var eth layers.Ethernet
	if eth.DecodeFromBytes(f, gopacket.NilDecodeFeedback) != nil {
		return frame.Header{Fault: frame.TooShort}
	}
	typ, payload := eth.EthernetType, eth.Payload
	if typ == layers.EthernetTypeDot1Q || typ == layers.EthernetTypeQinQ {
		var tag layers.Dot1Q
		if tag.DecodeFromBytes(payload, gopacket.NilDecodeFeedback) != nil {
			return frame.Header{Fault: frame.TooShort}
		}
		typ, payload = tag.Type, tag.Payload
	}
	h := frame.Header{L3: uint16(len(f) - len(payload))}
	switch typ {
	case layers.EthernetTypeARP:
		if len(payload) < 28 {
			return frame.Header{Fault: frame.TooShort}
		}
		h.Kind = frame.ARP
	case layers.EthernetTypeIPv4:
		h.Kind = frame.IPv4
		h.Fault = parseIPv4(payload, &h)
	case layers.EthernetTypeIPv6:
		h.Kind = frame.IPv6
		h.Fault = parseIPv6(payload, &h)
	default:
		return frame.Header{}
	}
	return h
}

// parseIPv4 fills the IPv4 part of h and what is above.
func parseIPv4(data []byte, h *frame.Header) frame.Fault {
	if len(data) < 20 {
		return frame.TooShort
	}
	var ip layers.IPv4
	// An error is about lengths, which are looked at below, or about the
	// inside of an option, which is no business of a director.
	_ = ip.DecodeFromBytes(data, gopacket.NilDecodeFeedback)
	if ip.Version != 4 {
		return frame.BadHeader
	}
	h.Src = frame.AddrFrom4([4]byte(ip.SrcIP))
	h.Dst = frame.AddrFrom4([4]byte(ip.DstIP))
	total := int(binary.BigEndian.Uint16(data[2:])) // gopacket takes 0 for "all there is"
	header := int(ip.IHL) * 4
	switch {
	case header < 20, total < header, total > len(data):
		return frame.BadHeader
	}
	h.L4 = h.L3 + uint16(header)
	h.End = uint32(h.L3) + uint32(total)
	h.Proto = frame.Proto(ip.Protocol)
	h.TTL = ip.TTL
	h.FragID = uint32(ip.Id)
	h.DF = ip.Flags&layers.IPv4DontFragment != 0
	h.More = ip.Flags&layers.IPv4MoreFragments != 0
	h.FragOff = ip.FragOffset * 8
	if build.Checksum(data[:header]) != 0 {
		return frame.BadChecksum
	}
	if h.FragOff != 0 {
		if ip.Protocol == layers.IPProtocolTCP && h.FragOff == 8 {
			return frame.BadL4
		}
		return frame.NoFault
	}
	if !parseL4(ip.Protocol, data[header:total], h) {
		return frame.BadL4
	}
	return frame.NoFault
}

// parseL4 fills the transport part of h from the payload data and reports
// whether its header can be believed.
func parseL4(proto layers.IPProtocol, data []byte, h *frame.Header) bool {
	var src, dst uint16
	switch proto {
	case layers.IPProtocolTCP:
		var t layers.TCP
		_ = t.DecodeFromBytes(data, gopacket.NilDecodeFeedback) // options may be anything
		if len(data) < 20 || t.DataOffset < 5 {
			return false
		}
		if whole := !h.More; whole && int(t.DataOffset)*4 > len(data) {
			return false
		}
		src, dst = uint16(t.SrcPort), uint16(t.DstPort)
		h.Flags = flags(&t)
	case layers.IPProtocolUDP:
		var u layers.UDP
		_ = u.DecodeFromBytes(data, gopacket.NilDecodeFeedback)
		if len(data) < 8 || u.Length < 8 {
			return false
		}
		if whole := !h.More; whole && int(u.Length) > len(data) {
			return false
		}
		src, dst = uint16(u.SrcPort), uint16(u.DstPort)
	case layers.IPProtocolSCTP:
		var s layers.SCTP
		if s.DecodeFromBytes(data, gopacket.NilDecodeFeedback) != nil {
			return false
		}
		src, dst = uint16(s.SrcPort), uint16(s.DstPort)
	case layers.IPProtocolICMPv4, layers.IPProtocolICMPv6:
		return parseICMP(proto, data, h)
	}
	h.SrcPort, h.DstPort = src, dst
	return true
}

// parseICMP is parseL4 of ICMP and ICMPv6. Each is nothing in the other's
// family.
func parseICMP(proto layers.IPProtocol, data []byte, h *frame.Header) bool {
	switch {
	case proto == layers.IPProtocolICMPv4 && h.Kind == frame.IPv4:
		var m layers.ICMPv4
		if m.DecodeFromBytes(data, gopacket.NilDecodeFeedback) != nil {
			return false
		}
		h.ICMPType, h.ICMPCode = m.TypeCode.Type(), m.TypeCode.Code()
	case proto == layers.IPProtocolICMPv6 && h.Kind == frame.IPv6:
		var m layers.ICMPv6
		if m.DecodeFromBytes(data, gopacket.NilDecodeFeedback) != nil || len(data) < 8 {
			return false
		}
		h.ICMPType, h.ICMPCode = m.TypeCode.Type(), m.TypeCode.Code()
	}
	return true
}

// flags are the flag bits of t that package frame names.
func flags(t *layers.TCP) uint8 {
	var f uint8
	for _, b := range []struct {
		set bool
		bit uint8
	}{
		{t.FIN, frame.FIN}, {t.SYN, frame.SYN}, {t.RST, frame.RST},
		{t.PSH, frame.PSH}, {t.ACK, frame.ACK}, {t.URG, frame.URG},
	} {
		if b.set {
			f |= b.bit
		}
	}
	return f
}
