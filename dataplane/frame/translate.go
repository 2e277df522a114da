package frame

import (
	"encoding/binary"
	"hash/crc32"
)

// An End is one of the two ends that a packet names, with its address and its port.
type End uint8

// The ends.
const (
	Source End = iota
	Destination
)

// other is the end that e is in a packet of the other direction.
func (e End) other() End { return e ^ 1 }

// Where the transport headers keep their checksums, in bytes from their start.
const (
	offTCPSum  = 16
	offUDPSum  = 6
	offSCTPSum = 8
	offICMPSum = 2
)

// Translate makes to and port the address and the port of one end of the packet in f and
// in h, which is what Parse made of f: IPv4 or IPv6 without a Fault. To is of the same
// family. Ports are changed in TCP, UDP and SCTP, and not in a later fragment, which has
// none; of other protocols, and of an IPv6 fragment that names none of them, the address
// alone is changed.
//
// Checksums follow by RFC 1624, equation 3, so that a wrong one stays wrong; but that of
// SCTP, a CRC32c (RFC 9260 appendix A), is made anew when the port is another. A UDP
// packet of IPv4 without a checksum gets one, as in IPVS, unless it is the first fragment
// of a datagram. Where partial is set, the transport checksum was left to the hardware
// (VIRTIO_NET_HDR_F_NEEDS_CSUM) and covers only the pseudo header yet: it stays partial.
func Translate(f []byte, h *Header, e End, to Addr, port uint16, partial bool) {
	sum := setEnd(f, h, e, &to)
	if h.FragOff != 0 {
		return
	}
	l4 := f[h.L4:h.End]
	switch h.Proto {
	case ProtoTCP:
		if !partial {
			sum += exchange(portOf(l4, e), port)
		}
		fixSum(l4[offTCPSum:], sum, partial)
	case ProtoUDP:
		translateUDP(l4, h, sum, portOf(l4, e), port, partial)
	case ProtoSCTP:
		if h.setPort(l4, e, port) && !partial && !h.More {
			putSCTPSum(l4)
		}
		return
	case ProtoICMPv6:
		if h.Kind == IPv6 {
			fixSum(l4[offICMPSum:], sum, partial)
		}
		return
	default:
		return
	}
	h.setPort(l4, e, port)
	if h.Proto == ProtoUDP && l4[offUDPSum]|l4[offUDPSum+1] == 0 && h.Kind == IPv4 && !partial && !h.More {
		putUDPSum(l4, h)
	}
}

// Redirect is DecrementTTL and Translate: what masquerading does to a packet.
func Redirect(f []byte, h *Header, e End, to *Addr, port uint16, partial bool) {
	if !redirectUsual(f, h, e, to, port, partial) {
		DecrementTTL(f, h)
		Translate(f, h, e, *to, port, partial)
	}
}

// translateUDP changes the checksum of the UDP packet l4 for another address, by which
// its sum grows by sum, and another port.
func translateUDP(l4 []byte, h *Header, sum uint32, old, port uint16, partial bool) {
	if l4[offUDPSum]|l4[offUDPSum+1] == 0 {
		return // there is none; or partial, and then the sum is 0 by chance and 0xffff as good
	}
	if !partial {
		sum += exchange(old, port)
	}
	fixSum(l4[offUDPSum:], sum, partial)
	if l4[offUDPSum]|l4[offUDPSum+1] == 0 {
		l4[offUDPSum], l4[offUDPSum+1] = 0xff, 0xff // RFC 768: 0 means that there is none
	}
}

// putUDPSum makes the checksum of the UDP packet l4, which has none.
func putUDPSum(l4 []byte, h *Header) {
	n := binary.BigEndian.Uint16(l4[4:])
	sum := ^Fold(Sum(l4[:n], PseudoSum(h.Src, h.Dst, ProtoUDP, int(n))))
	if sum == 0 {
		sum = 0xffff
	}
	binary.BigEndian.PutUint16(l4[offUDPSum:], sum)
}

// TranslateError is Translate for an ICMP error in f, whose header is h, and for the
// packet that it quotes, which Inner made in of: that one went the other way, so that its
// other end changes. The header checksum of a quoted IPv4 packet is made anew, its
// transport checksum stays, and that of the error is made anew: the caller has verified it
// with L4ChecksumOK. The error is whole, not a fragment.
func TranslateError(f []byte, h, in *Header, e End, to Addr, port uint16, partial bool) {
	sum := setEnd(f, h, e, &to)
	setEnd(f, in, e.other(), &to)
	if in.Kind == IPv4 {
		ip := f[in.L3:in.L4]
		ip[Off4Sum], ip[Off4Sum+1] = 0, 0
		binary.BigEndian.PutUint16(ip[Off4Sum:], ^Fold(Sum(ip, 0)))
	}
	if in.FragOff == 0 && in.Proto.HasPorts() {
		in.setPort(f[in.L4:in.End], e.other(), port)
	}
	msg := f[h.L4:h.End]
	if partial {
		if h.Kind == IPv6 {
			fixSum(msg[offICMPSum:], sum, true)
		}
		return
	}
	msg[offICMPSum], msg[offICMPSum+1] = 0, 0
	pseudo := uint32(0)
	if h.Kind == IPv6 {
		pseudo = PseudoSum(h.Src, h.Dst, ProtoICMPv6, len(msg))
	}
	binary.BigEndian.PutUint16(msg[offICMPSum:], ^Fold(Sum(msg, pseudo)))
}

// setEnd makes to the address of an end, and returns by how much the sum over the header
// grows, in ones' complement arithmetic: by at most 16 words. The checksum of an IPv4
// header follows.
func setEnd(f []byte, h *Header, e End, to *Addr) (sum uint32) {
	was := &h.Src
	if e == Destination {
		was = &h.Dst
	}
	if h.Kind == IPv6 {
		at := int(h.L3) + Off6Src + int(e)*(Off6Dst-Off6Src)
		for i := 0; i < len(to); i += 2 {
			sum += exchange(binary.BigEndian.Uint16(was[i:]), binary.BigEndian.Uint16(to[i:]))
		}
		copy(f[at:at+len(to)], to[:])
		*was = *to
		return sum
	}
	ip := f[h.L3:]
	at := Off4Src + int(e)*(Off4Dst-Off4Src)
	old, now := binary.BigEndian.Uint32(ip[at:]), binary.BigEndian.Uint32(to[12:])
	sum = ^old>>16 + ^old&0xffff + now>>16 + now&0xffff
	binary.BigEndian.PutUint32(ip[at:], now)
	fixSum(ip[Off4Sum:], sum, false)
	*was = *to
	return sum
}

// exchange is by how much a sum grows when the word old becomes now.
func exchange(old, now uint16) uint32 { return uint32(^old) + uint32(now) }

// fixSum makes the checksum at b that of a sum which has grown by sum. A partial one is
// the sum itself, not its complement.
func fixSum(b []byte, sum uint32, partial bool) {
	was := binary.BigEndian.Uint16(b)
	if partial {
		binary.BigEndian.PutUint16(b, Fold(uint32(was)+sum))
		return
	}
	// RFC 1624: HC' = ~(~HC + ~m + m').
	binary.BigEndian.PutUint16(b, ^Fold(uint32(^was)+sum))
}

// portOf is the port of an end in the transport header l4.
func portOf(l4 []byte, e End) uint16 { return binary.BigEndian.Uint16(l4[2*int(e):]) }

// setPort makes port that of an end in l4 and in h, and reports whether it was another.
func (h *Header) setPort(l4 []byte, e End, port uint16) bool {
	was := portOf(l4, e)
	binary.BigEndian.PutUint16(l4[2*int(e):], port)
	if e == Source {
		h.SrcPort = port
	} else {
		h.DstPort = port
	}
	return was != port
}

// putSCTPSum makes the checksum of the SCTP packet l4, whose first byte is the lowest
// (RFC 9260 appendix A).
func putSCTPSum(l4 []byte) {
	binary.LittleEndian.PutUint32(l4[offSCTPSum:], 0)
	binary.LittleEndian.PutUint32(l4[offSCTPSum:], crc32.Checksum(l4, crc32.MakeTable(crc32.Castagnoli)))
}
