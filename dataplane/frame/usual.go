package frame

import (
	"encoding/binary"
	"math/bits"
)

// The first bytes behind the MAC addresses, and where the IPv4 header and the segment
// begin, in what parseUsual reads.
const (
	usualStart = 0x0800_45 // EtherType IPv4, version 4 without options
	usualL4    = EtherLen + IPv4Len
)

// parseUsual is Parse for nearly all frames: a whole and sound packet of TCP or UDP in
// IPv4 without options and without a tag. It does without most of Parse's turns; of
// any other frame it says false and leaves *h zero, which it must be.
func parseUsual(f []byte, h *Header) bool {
	if len(f) < usualL4+UDPLen || binary.BigEndian.Uint32(f[OffEtherType:])>>8 != usualStart {
		return false
	}
	total := int(binary.BigEndian.Uint16(f[EtherLen+Off4Total:]))
	frag := binary.BigEndian.Uint16(f[EtherLen+Off4Frag:])
	if total > len(f)-EtherLen || frag&(flagMF|fragMask) != 0 || !headerSumOK(f[EtherLen:usualL4]) {
		return false
	}
	n := total - IPv4Len // of the segment, or the datagram
	switch proto := Proto(f[EtherLen+Off4Proto]); proto {
	case ProtoTCP:
		if n < TCPLen || len(f) < usualL4+TCPLen {
			return false
		}
		if off := int(f[usualL4+12]>>4) * 4; off < TCPLen || off > n {
			return false
		}
		h.Proto, h.Flags = ProtoTCP, f[usualL4+13]&tcpFlags
	case ProtoUDP:
		if l := int(binary.BigEndian.Uint16(f[usualL4+4:])); l < UDPLen || l > n {
			return false
		}
		h.Proto = ProtoUDP
	default:
		return false
	}
	h.Kind, h.L3, h.L4, h.End = IPv4, EtherLen, usualL4, uint32(EtherLen+total)
	h.TTL, h.DF = f[EtherLen+Off4TTL], frag&flagDF != 0
	h.FragID = uint32(binary.BigEndian.Uint16(f[EtherLen+Off4ID:]))
	setAddr(&h.Src, f[EtherLen+Off4Src:])
	setAddr(&h.Dst, f[EtherLen+Off4Dst:])
	h.SrcPort, h.DstPort = binary.BigEndian.Uint16(f[usualL4:]), binary.BigEndian.Uint16(f[usualL4+2:])
	return true
}

// redirectUsual is Redirect for nearly all packets: a whole segment of TCP in IPv4 without
// options and without a tag. Of any other it says false and leaves it as it is. Checksums
// are followed in the byte order of little-endian words (RFC 1071 section 2B).
func redirectUsual(f []byte, h *Header, e End, to *Addr, port uint16, partial bool) bool {
	if h.Kind != IPv4 || h.L3 != EtherLen || h.L4 != usualL4 || h.Proto != ProtoTCP || h.FragOff != 0 || h.TTL == 0 || len(f) < usualL4+TCPLen {
		return false
	}
	b, le := (*[usualL4 + TCPLen]byte)(f), binary.LittleEndian
	addr, ports, end, endPort := b[EtherLen+Off4Src:][:4], b[usualL4:][:2], &h.Src, &h.SrcPort
	if e == Destination {
		addr, ports, end, endPort = b[EtherLen+Off4Dst:][:4], b[usualL4+2:][:2], &h.Dst, &h.DstPort
	}
	old, now := le.Uint32(addr), le.Uint32(to[12:])
	le.PutUint32(addr, now)
	sum := ^old>>16 + ^old&0xffff + now>>16 + now&0xffff

	h.TTL--
	b[EtherLen+Off4TTL] = h.TTL
	ip := b[EtherLen+Off4Sum:][:2]
	le.PutUint16(ip, ^Fold(uint32(^le.Uint16(ip))+sum+0xfffe)) // the TTL is the lower byte of its word

	tcp := b[usualL4+offTCPSum:][:2]
	if partial {
		le.PutUint16(tcp, Fold(uint32(le.Uint16(tcp))+sum))
	} else {
		le.PutUint16(tcp, ^Fold(uint32(^le.Uint16(tcp))+sum+exchange(le.Uint16(ports), bits.ReverseBytes16(port))))
	}
	binary.BigEndian.PutUint16(ports, port)
	*end, *endPort = *to, port
	return true
}
