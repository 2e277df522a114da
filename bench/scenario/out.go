package scenario

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"net/netip"
	"strings"

	"lvsdr/dataplane/frame"
)

// An Out is a frame that left, or a packet in it, decoded.
type Out struct {
	Side     string `json:"side,omitempty"` // rs or client
	RS       string `json:"rs,omitempty"`   // the server whose MAC address it goes to
	Src      string `json:"src,omitempty"`
	Dst      string `json:"dst,omitempty"`
	Proto    string `json:"proto,omitempty"`
	TTL      uint8  `json:"ttl,omitempty"`
	TOS      uint8  `json:"tos,omitempty"`
	ID       string `json:"id,omitempty"` // of IPv4: same as the packet's that came in, 0, or other
	DF       bool   `json:"df,omitempty"`
	Frag     string `json:"frag,omitempty"`   // offset, and + if more follow
	Len      int    `json:"len,omitempty"`    // of the IP packet
	IPSum    string `json:"ip_sum,omitempty"` // ok or bad
	SPort    uint16 `json:"sport,omitempty"`
	DPort    uint16 `json:"dport,omitempty"`
	Flags    string `json:"flags,omitempty"`
	Sum      string `json:"sum,omitempty"` // ok, bad or none; empty where not all is there
	ICMPType uint8  `json:"icmp_type,omitempty"`
	ICMPCode uint8  `json:"icmp_code,omitempty"`
	ICMPMTU  int    `json:"icmp_mtu,omitempty"`
	Tun      string `json:"tun,omitempty"` // GUE or GRE header
	Inner    *Out   `json:"inner,omitempty"`
	Hex      string `json:"hex,omitempty"` // the packet's first 128 bytes
}

// maxHex is how much of a packet Out.Hex shows, bytes.
const maxHex = 128

// A decoder decodes frames that left because of one packet.
type decoder struct {
	id    uint16          // of the packet that came in
	ports map[uint16]bool // of GUE
}

// frame decodes the IP packet of f, without side and server.
func (d *decoder) frame(f []byte) Out {
	ip := f[frame.EtherLen:]
	if t := binary.BigEndian.Uint16(f[frame.OffEtherType:]); t == frame.EtherTypeVLAN {
		ip = ip[frame.TagLen:]
	}
	out := d.ip(ip)
	if out == nil {
		return Out{}
	}
	out.Hex = hex.EncodeToString(ip[:min(len(ip), out.Len, maxHex)])
	return *out
}

// ip decodes an IP packet, of which not all need be there; nil: not even its header.
func (d *decoder) ip(b []byte) *Out {
	switch {
	case len(b) >= frame.IPv4Len && b[0]>>4 == 4:
		return d.ip4(b)
	case len(b) >= frame.IPv6Len && b[0]>>4 == 6:
		return d.ip6(b)
	}
	return nil
}

func (d *decoder) ip4(b []byte) *Out {
	ihl := int(b[0]&15) * 4
	word := binary.BigEndian.Uint16(b[frame.Off4Frag:])
	o := &Out{TTL: b[frame.Off4TTL], TOS: b[frame.Off4TOS], DF: word&0x4000 != 0, Len: int(binary.BigEndian.Uint16(b[frame.Off4Total:])), IPSum: "bad"}
	src, dst := frame.AddrFrom4([4]byte(b[frame.Off4Src:])), frame.AddrFrom4([4]byte(b[frame.Off4Dst:]))
	switch id := binary.BigEndian.Uint16(b[frame.Off4ID:]); id {
	case d.id:
		o.ID = "same"
	case 0:
		o.ID = "0"
	default:
		o.ID = "other"
	}
	if ihl > len(b) {
		return o
	}
	if frame.Fold(frame.Sum(b[:ihl], 0)) == 0xffff {
		o.IPSum = "ok"
	}
	off, more := int(word&0x1fff)*8, word&0x2000 != 0
	d.payload(o, src, dst, frame.Proto(b[frame.Off4Proto]), b[ihl:min(len(b), max(o.Len, ihl))], fragment{off, more, o.Len <= len(b)})
	return o
}

func (d *decoder) ip6(b []byte) *Out {
	o := &Out{TTL: b[frame.Off6Hops], TOS: b[0]<<4 | b[1]>>4, Len: frame.IPv6Len + int(binary.BigEndian.Uint16(b[frame.Off6Len:]))}
	src, dst := frame.Addr(b[frame.Off6Src:]), frame.Addr(b[frame.Off6Dst:])
	at, next, fr := frame.IPv6Len, b[frame.Off6Next], fragment{whole: o.Len <= len(b)}
	if next == 44 && len(b) >= at+8 {
		word := binary.BigEndian.Uint16(b[at+2:])
		fr.off, fr.more, next, at = int(word&^7), word&1 != 0, b[at], at+8
	}
	d.payload(o, src, dst, frame.Proto(next), b[at:min(len(b), max(o.Len, at))], fr)
	return o
}

// A fragment says what part of a packet is there.
type fragment struct {
	off   int
	more  bool
	whole bool // no byte of the packet is missing
}

// payload decodes what is behind the IP header.
func (d *decoder) payload(o *Out, src, dst frame.Addr, proto frame.Proto, b []byte, fr fragment) {
	o.Src, o.Dst, o.Proto = src.String(), dst.String(), protoName(proto)
	if fr.off != 0 || fr.more {
		o.Frag = fmt.Sprint(fr.off) + map[bool]string{true: "+"}[fr.more]
	}
	if fr.off != 0 || len(b) < 4 {
		return
	}
	fr.whole = fr.whole && !fr.more
	sum := func(pseudo bool) {
		var s uint32
		if pseudo {
			s = frame.PseudoSum(src, dst, proto, len(b))
		}
		if fr.whole {
			o.Sum = map[bool]string{true: "ok", false: "bad"}[frame.Fold(frame.Sum(b, s)) == 0xffff]
		}
	}
	switch proto {
	case frame.ProtoTCP, frame.ProtoUDP, frame.ProtoSCTP:
		o.SPort, o.DPort = binary.BigEndian.Uint16(b), binary.BigEndian.Uint16(b[2:])
	}
	switch {
	case proto == frame.ProtoTCP && len(b) >= 14:
		o.Flags = flagLetters(b[13])
		sum(true)
	case proto == frame.ProtoUDP && len(b) >= frame.UDPLen:
		if sum(true); b[6] == 0 && b[7] == 0 {
			o.Sum = "none"
		}
		if d.ports[o.DPort] && len(b) >= frame.UDPLen+4 {
			o.Proto, o.Tun, o.Inner = "gue", hex.EncodeToString(b[frame.UDPLen:][:4]), d.ip(b[frame.UDPLen+4:])
		}
	case proto == frame.ProtoGRE:
		d.gre(o, b, sum)
	case proto == frame.ProtoIPIP, proto == frame.ProtoIPv6:
		o.Inner = d.ip(b)
	case (proto == frame.ProtoICMP || proto == frame.ProtoICMPv6) && len(b) >= frame.ICMPLen:
		sum(proto == frame.ProtoICMPv6)
		d.icmp(o, b, proto == frame.ProtoICMPv6)
	}
}

func (d *decoder) gre(o *Out, b []byte, sum func(bool)) {
	n := 4
	if b[0]&0x80 != 0 {
		n = 8
		sum(false)
	}
	if len(b) >= n {
		o.Tun, o.Inner = hex.EncodeToString(b[:n]), d.ip(b[n:])
	}
}

func (d *decoder) icmp(o *Out, b []byte, v6 bool) {
	o.ICMPType, o.ICMPCode = b[0], b[1]
	isError := o.ICMPType == 3 || o.ICMPType == 4 || o.ICMPType == 5 || o.ICMPType == 11 || o.ICMPType == 12
	if v6 {
		isError = o.ICMPType < 128
		if o.ICMPType == 2 {
			o.ICMPMTU = int(binary.BigEndian.Uint32(b[4:]))
		}
	} else if o.ICMPType == 3 && o.ICMPCode == 4 {
		o.ICMPMTU = int(binary.BigEndian.Uint16(b[6:]))
	}
	if isError {
		o.Inner = d.ip(b[frame.ICMPLen:])
	}
}

// protoName is the recordings' name of a protocol.
func protoName(p frame.Proto) string {
	switch p {
	case frame.ProtoIPIP:
		return "ipip"
	case frame.ProtoIPv6:
		return "ip6ip"
	case frame.ProtoGRE:
		return "gre"
	}
	return p.String()
}

// flagLetters are the flags of a TCP header in the order of the recordings.
func flagLetters(flags byte) string {
	var b strings.Builder
	for _, f := range []struct {
		bit    byte
		letter byte
	}{{frame.SYN, 'S'}, {frame.FIN, 'F'}, {frame.RST, 'R'}, {frame.PSH, 'P'}, {frame.ACK, 'A'}, {frame.URG, 'U'}} {
		if flags&f.bit != 0 {
			b.WriteByte(f.letter)
		}
	}
	return b.String()
}

// decodes makes a decoder of the frames that leave because of op.
func (p *player) decodes(id uint16) decoder { return decoder{id: id, ports: p.tunPorts} }

// tunPorts are the ports of the tunnels of ops.
func tunPorts(ops []*Op) map[uint16]bool {
	ports := map[uint16]bool{}
	for _, op := range ops {
		if op.Server != nil && op.Server.TunPort != 0 {
			ports[op.Server.TunPort] = true
		}
	}
	return ports
}

// note notes frame f, which left by interface out because of op.
func (p *player) note(op *Op, f []byte, out int32, id uint16) {
	if !p.detail {
		return
	}
	d := p.decodes(id)
	o := d.frame(f)
	if o.Side = "client"; out == serversSide {
		o.Side = "rs"
		o.RS = p.serverAt(f).String()
	}
	op.Out = append(op.Out, o)
}

// serverAt is the server that f goes to.
func (p *player) serverAt(f []byte) netip.Addr { return p.servers[frame.DstMAC(f)] }
