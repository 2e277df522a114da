package vrrp

import (
	"encoding/binary"
	"net/netip"

	"lvsdr/dataplane/frame"
)

const (
	ip4Len        = 20
	ip6Len        = 40
	trafficClass  = 0xc0 // internetwork control, RFC 791; keepalived sends the same
	dontCareIdent = 0    // the packet is never fragmented by a router: RFC 6864
)

// appendIP appends p with its IP header, as it is on the wire.
func appendIP(b []byte, p *Packet) []byte {
	if p.Src.Is6() {
		b = binary.BigEndian.AppendUint32(b, 6<<28|trafficClass<<20)
		b = binary.BigEndian.AppendUint16(b, uint16(len(p.Payload)))
		b = append(b, Protocol, p.TTL)
		b = append(b, p.Src.AsSlice()...)
		b = append(b, p.Dst.AsSlice()...)
		return append(b, p.Payload...)
	}
	start := len(b)
	b = append(b, 4<<4|ip4Len/4, trafficClass)
	b = binary.BigEndian.AppendUint16(b, uint16(ip4Len+len(p.Payload)))
	b = append(b, 0, dontCareIdent, 0, 0, p.TTL, Protocol, 0, 0)
	b = append(b, p.Src.AsSlice()...)
	b = append(b, p.Dst.AsSlice()...)
	binary.BigEndian.PutUint16(b[start+10:], ^fold(words(0, b[start:])))
	return append(b, p.Payload...)
}

// appendFrame appends the Ethernet frame of p, a packet by multicast, from p.MAC.
func appendFrame(b []byte, p *Packet) []byte {
	dst := groupMAC(p.Dst)
	b = append(b, dst[:]...)
	b = append(b, p.MAC[:]...)
	kind := uint16(0x0800)
	if p.Src.Is6() {
		kind = 0x86dd
	}
	b = binary.BigEndian.AppendUint16(b, kind)
	return appendIP(b, p)
}

// groupMAC is the MAC address of a multicast group: RFC 1112 section 6.4, RFC 2464 section 7.
func groupMAC(group netip.Addr) frame.MAC {
	if group.Is6() {
		a := group.As16()
		return frame.MAC{0x33, 0x33, a[12], a[13], a[14], a[15]}
	}
	a := group.As4()
	return frame.MAC{0x01, 0x00, 0x5e, a[1] & 0x7f, a[2], a[3]}
}

// cutIP4 reads the header of a packet as a raw socket has it, and returns its payload; false: it is none.
func cutIP4(b []byte) (p Packet, ok bool) {
	if len(b) < ip4Len {
		return p, false
	}
	n := int(b[0]&0x0f) * 4
	total := int(binary.BigEndian.Uint16(b[2:]))
	if b[0]>>4 != 4 || n < ip4Len || total < n || total > len(b) || b[9] != Protocol {
		return p, false
	}
	p.Src, p.Dst = netip.AddrFrom4([4]byte(b[12:16])), netip.AddrFrom4([4]byte(b[16:20]))
	p.TTL, p.Payload = b[8], b[n:total]
	return p, true
}
