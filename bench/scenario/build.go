package scenario

import (
	"bytes"
	"cmp"
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
	payload := bytes.Repeat([]byte{0xa5}, p.Len)
	ip := build.IP{SrcMAC: clientMAC, DstMAC: directorMAC, TTL: p.TTL, TOS: p.TOS, DF: p.DF, ID: id}
	if p.From == "rs" {
		ip.SrcMAC = routerMAC
	}
	switch proto, _ := frame.ParseProto(p.Proto); proto {
	case frame.ProtoTCP:
		return build.TCP{Src: src, Dst: dst, IP: ip,
			Flags: p.Flags, Seq: 1000, Ack: 1, Payload: payload, BadSum: p.BadSum}.Bytes(), nil
	case frame.ProtoUDP:
		return build.UDP{Src: src, Dst: dst, IP: ip,
			Payload: payload, BadSum: p.BadSum, NoSum: p.NoSum}.Bytes(), nil
	case frame.ProtoSCTP:
		return build.SCTP{Src: src, Dst: dst, IP: ip,
			Payload: payload}.Bytes(), nil
	case frame.ProtoICMP, frame.ProtoICMPv6:
		// Both names are taken for the ICMP of the packet's family.
		return p.icmp(ip, payload)
	}
	return nil, fmt.Errorf("proto %q: not tcp, udp, sctp, icmp or icmp6", p.Proto)
}

// icmp is an ICMP packet, or an error that quotes all of another packet.
func (p *Packet) icmp(ip build.IP, payload []byte) ([]byte, error) {
	if p.Inner != nil {
		if strings.HasPrefix(p.Inner.Proto, "icmp") {
			return nil, errors.New("an ICMP error quotes no ICMP")
		}
		inner, err := p.Inner.quoted()
		if err != nil {
			return nil, fmt.Errorf("inner: %w", err)
		}
		payload = inner
	}
	return build.ICMP{Src: p.Src, Dst: p.Dst, IP: ip,
		Type: p.ICMPType, Code: p.ICMPCode, Rest: [4]byte{2: byte(p.ICMPMTU >> 8), 3: byte(p.ICMPMTU)},
		Payload: payload, BadSum: p.BadSum}.Bytes(), nil
}

// quotedID is the identification of quoted packets, which is none of the player's.
const quotedID = 9216

// quoted is the packet that an error quotes, from its IP header on.
func (p *Packet) quoted() ([]byte, error) {
	q := *p
	q.TTL, q.DF = cmp.Or(q.TTL, 60), true
	if q.Flags == "" {
		q.Flags = "SA"
	}
	encap, tunnel := map[string]frame.Encapsulation{"ipip": frame.IPinIP, "gre": frame.GRE, "gue": frame.GUE}[p.Proto]
	if !tunnel {
		f, err := q.frame(quotedID)
		if err != nil {
			return nil, err
		}
		return f[frame.EtherLen:], nil
	}
	if p.Inner == nil || p.Inner.Inner != nil {
		return nil, fmt.Errorf("a packet in %s has an inner packet, which has none", p.Proto)
	}
	inner, err := p.Inner.quoted()
	if err != nil {
		return nil, err
	}
	o := frame.NewOuter(frame.OuterConfig{Encapsulation: encap, Src: frame.AddrFrom(p.Src), Dst: frame.AddrFrom(p.Dst), Port: p.DPort, Sum: p.TunSum == "csum"})
	e := frame.Enclosed{Packet: inner, Kind: frame.IPv4, DF: true, Port: p.SPort}
	if p.Inner.Src.Is6() {
		e.Kind = frame.IPv6
	}
	out := make([]byte, o.Len(), o.Len()+len(inner))
	o.Put(out, &e)
	return append(out, inner...), nil
}
