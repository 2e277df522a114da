package scenario

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"

	"lvsdr/dataplane/frame"
	"lvsdr/dataplane/frame/build"
)

// maxPayload bounds len, so that the packet fits IPv4.
const maxPayload = 65535 - 60 - 60

// frames builds the frames of a pkt line: one, or two fragments. id is the IP
// identification.
func (p *Packet) frames(id uint16) ([][]byte, error) {
	f, err := p.frame(id)
	if err != nil {
		return nil, err
	}
	if p.Frag == 0 {
		return [][]byte{f}, nil
	}
	headers := frame.EtherLen + frame.IPv4Len
	if !p.Src.Is4() {
		headers = frame.EtherLen + frame.IPv6Len
	}
	if p.Frag < 0 || p.Frag%8 != 0 || p.Frag >= len(f)-headers {
		return nil, fmt.Errorf("frag %d: not a multiple of 8 within the packet", p.Frag)
	}
	two := build.Fragment(f, p.Frag)
	if p.FragRev {
		two[0], two[1] = two[1], two[0]
	}
	return two, nil
}

func (p *Packet) frame(id uint16) ([]byte, error) {
	switch {
	case !p.Src.IsValid() || !p.Dst.IsValid() || p.Src.Is4() != p.Dst.Is4():
		return nil, errors.New("src and dst must be addresses of one family")
	case p.Len < 0 || p.Len > maxPayload:
		return nil, fmt.Errorf("len %d: not 0 to %d", p.Len, maxPayload)
	case strings.Trim(p.Flags, "SAFRPU") != "":
		return nil, fmt.Errorf("flags %q: not of SAFRPU", p.Flags)
	}
	src, dst := netip.AddrPortFrom(p.Src, p.SPort), netip.AddrPortFrom(p.Dst, p.DPort)
	payload := make([]byte, p.Len)
	switch proto, _ := frame.ParseProto(p.Proto); proto {
	case frame.ProtoTCP:
		return build.TCP{Src: src, Dst: dst, IP: build.IP{SrcMAC: clientMAC, DstMAC: directorMAC, TTL: p.TTL, DF: p.DF, ID: id},
			Flags: p.Flags, Seq: 1000, Ack: 2000, Payload: payload, BadSum: p.BadSum}.Bytes(), nil
	case frame.ProtoUDP:
		return build.UDP{Src: src, Dst: dst, IP: build.IP{SrcMAC: clientMAC, DstMAC: directorMAC, TTL: p.TTL, DF: p.DF, ID: id},
			Payload: payload, BadSum: p.BadSum}.Bytes(), nil
	case frame.ProtoSCTP:
		return build.SCTP{Src: src, Dst: dst, IP: build.IP{SrcMAC: clientMAC, DstMAC: directorMAC, TTL: p.TTL, DF: p.DF, ID: id},
			Payload: payload}.Bytes(), nil
	case frame.ProtoICMP, frame.ProtoICMPv6:
		// Both names are taken for the ICMP of the packet's family.
		return p.icmp(id, payload)
	}
	return nil, fmt.Errorf("proto %q: not tcp, udp, sctp, icmp or icmp6", p.Proto)
}

func (p *Packet) icmp(id uint16, payload []byte) ([]byte, error) {
	if p.Inner != nil {
		if p.Inner.Inner != nil || strings.HasPrefix(p.Inner.Proto, "icmp") {
			return nil, errors.New("an ICMP error quotes no ICMP")
		}
		inner, err := p.Inner.frame(id)
		if err != nil {
			return nil, fmt.Errorf("inner: %w", err)
		}
		payload = build.Quote(inner, 8)
	}
	return build.ICMP{Src: p.Src, Dst: p.Dst, IP: build.IP{SrcMAC: clientMAC, DstMAC: directorMAC, TTL: p.TTL, DF: p.DF, ID: id},
		Type: p.ICMPType, Code: p.ICMPCode, Rest: [4]byte{2: byte(p.ICMPMTU >> 8), 3: byte(p.ICMPMTU)},
		Payload: payload, BadSum: p.BadSum}.Bytes(), nil
}
