package frame

import "encoding/binary"

// The flags in the first bits of the fragment word (RFC 791 section 3.1).
const (
	flagDF   = 0x4000
	flagMF   = 0x2000
	fragMask = 0x1fff // the offset, in units of 8 bytes
)

// tcpFlags are the flag bits that have a name in this package. The two of ECN
// are left out, so that a SYN that offers ECN is a SYN like any other.
const tcpFlags = FIN | SYN | RST | PSH | ACK | URG

// Parse reads frame f, from its Ethernet header on, into *h and overwrites all
// of *h. It keeps nothing of f and allocates nothing.
//
// One 802.1Q or 802.1ad tag is stepped over; below a second one the frame is
// Other. Where h.Fault is NoFault and h.Kind IPv4 or IPv6, L3 < L4 <= End <=
// len(f) holds, and unless FragOff says otherwise as many bytes follow L4 as
// the fixed header of TCP, UDP, SCTP or ICMP needs. A Fault leaves this:
//
//   - TooShort: nothing but Kind and L3. A frame too short for Ethernet, its
//     tag or its ARP packet is Other and TooShort.
//   - BadHeader: also Src and Dst, if the version is right and, in IPv6,
//     neither is IPv4-mapped.
//   - BadChecksum, BadL4: all of the IP header, nothing of the transport's.
//
// The header checksum is always verified: hardware offload may leave a
// transport checksum unfinished, never that of the IPv4 header. Whether Src
// and Dst are addresses a packet may have is not looked at; see MayAnswer.
func Parse(f []byte, h *Header) {
	*h = Header{}
	if parseUsual(f, h) {
		return
	}
	if len(f) < EtherLen {
		h.Fault = TooShort
		return
	}
	etherType := binary.BigEndian.Uint16(f[12:])
	l3 := EtherLen
	if etherType == EtherTypeVLAN || etherType == EtherTypeQinQ {
		l3 = EtherLen + TagLen
		if len(f) < l3 {
			h.Fault = TooShort
			return
		}
		etherType = binary.BigEndian.Uint16(f[16:])
	}
	switch etherType {
	case EtherTypeIPv4:
		h.Kind = IPv4
		h.L3 = uint16(l3)
		h.Fault = parseIPv4(f[l3:], h)
	case EtherTypeIPv6:
		h.Kind = IPv6
		h.L3 = uint16(l3)
		h.Fault = parseIPv6(f[l3:], h)
	case EtherTypeARP:
		if len(f) < l3+ARPLen {
			h.Fault = TooShort
			return
		}
		h.Kind = ARP
		h.L3 = uint16(l3)
	}
}

// parseIPv4 reads the packet ip, which Ethernet padding may follow. h.L3 is
// set.
func parseIPv4(ip []byte, h *Header) Fault {
	if len(ip) < IPv4Len {
		return TooShort
	}
	// RFC 1122 section 3.2.1.1: a datagram whose version number is not 4 is
	// silently discarded.
	if ip[0]>>4 != 4 {
		return BadHeader
	}
	setAddr(&h.Src, ip[Off4Src:])
	setAddr(&h.Dst, ip[Off4Dst:])
	// RFC 791 section 3.1: IHL counts 32-bit words and is at least 5; total
	// length counts the header too and may be less than the bytes received,
	// because Ethernet pads short frames. It is at most 65535, also in a
	// segmentation-offload super-frame.
	ihl := int(ip[0]&0x0f) * 4
	total := int(binary.BigEndian.Uint16(ip[Off4Total:]))
	if ihl < IPv4Len || total < ihl || total > len(ip) {
		return BadHeader
	}
	ip = ip[:total:total]

	h.setIPv4(ip, ihl)
	h.End = uint32(h.L3) + uint32(total)

	// RFC 1122 section 3.2.1.2: a host MUST verify the header checksum and
	// silently discard what fails.
	if !headerSumOK(ip[:ihl]) {
		return BadChecksum
	}
	return parseL4(ip[ihl:], h)
}

// setIPv4 reads what the header at ip, of ihl bytes, says beside addresses and
// length. h.L3 is set.
func (h *Header) setIPv4(ip []byte, ihl int) {
	h.L4 = h.L3 + uint16(ihl)
	h.TTL = ip[Off4TTL]
	h.Proto = Proto(ip[Off4Proto])
	h.FragID = uint32(binary.BigEndian.Uint16(ip[Off4ID:]))
	frag := binary.BigEndian.Uint16(ip[Off4Frag:])
	h.DF = frag&flagDF != 0
	h.More = frag&flagMF != 0
	h.FragOff = frag & fragMask * 8
}

// parseL4 reads the payload of an IP packet as far as ports, flags and ICMP
// type. Everything else of h is set.
func parseL4(p []byte, h *Header) Fault {
	if h.FragOff != 0 {
		// RFC 3128 and RFC 1858 section 3.2.2: a TCP fragment at offset 8 can
		// only serve to overwrite the flags a first one has shown.
		if h.FragOff == 8 && h.Proto == ProtoTCP {
			return BadL4
		}
		return NoFault
	}
	switch h.Proto {
	case ProtoTCP:
		// RFC 9293 section 3.1: data offset counts 32-bit words and is at
		// least 5. The fixed header must be in the first fragment (RFC 1858
		// section 3.2.1, RFC 7112 section 5), the options need not be.
		if len(p) < TCPLen {
			return BadL4
		}
		off := int(p[12]>>4) * 4
		if off < TCPLen || off > len(p) && !h.More {
			return BadL4
		}
		h.Flags = p[13] & tcpFlags
	case ProtoUDP:
		// RFC 768: length counts the header too, so it is at least 8; zero
		// means "too long to say" in IPv6 jumbograms only. In a first fragment
		// it is that of the whole datagram.
		if len(p) < UDPLen {
			return BadL4
		}
		n := int(binary.BigEndian.Uint16(p[4:]))
		if n < UDPLen || n > len(p) && !h.More {
			return BadL4
		}
	case ProtoSCTP:
		// RFC 9260 section 3.1: the common header is 12 bytes.
		if len(p) < SCTPLen {
			return BadL4
		}
	case ProtoICMP, ProtoICMPv6:
		// RFC 792, RFC 4443 and RFC 4861: every message is at least 8 bytes.
		if !h.isICMP() {
			return NoFault
		}
		if len(p) < ICMPLen {
			return BadL4
		}
		h.ICMPType, h.ICMPCode = p[0], p[1]
		return NoFault
	default:
		return NoFault
	}
	h.SrcPort = binary.BigEndian.Uint16(p[0:])
	h.DstPort = binary.BigEndian.Uint16(p[2:])
	return NoFault
}

// isICMP reports whether h's protocol is the ICMP of its own family. The other
// family's means nothing there.
func (h *Header) isICMP() bool {
	return h.Kind == IPv4 && h.Proto == ProtoICMP || h.Kind == IPv6 && h.Proto == ProtoICMPv6
}

// setAddr is *a = AddrFrom4(b[:4]) in one store; *a must be zero.
func setAddr(a *Addr, b []byte) {
	v4 := uint64(binary.LittleEndian.Uint32(b))
	binary.LittleEndian.PutUint64(a[8:], v4<<32|0xffff0000)
}

// headerSumOK reports whether the ones' complement sum over the header hdr,
// which is 20 bytes or more and a multiple of 4, is all ones. The sum does not
// depend on the byte order it is made in (RFC 1071 section 2B).
func headerSumOK(hdr []byte) bool {
	sum := uint64(binary.LittleEndian.Uint32(hdr[16:])) +
		uint64(binary.LittleEndian.Uint32(hdr[12:])) +
		uint64(binary.LittleEndian.Uint32(hdr[8:])) +
		uint64(binary.LittleEndian.Uint32(hdr[4:])) +
		uint64(binary.LittleEndian.Uint32(hdr[0:]))
	for hdr = hdr[IPv4Len:]; len(hdr) >= 4; hdr = hdr[4:] {
		sum += uint64(binary.LittleEndian.Uint32(hdr))
	}
	// 15 words of 32 bits at most, which fold to 20 bits, and then to less than
	// 0x1fffe: the only multiple of 0xffff there, but for 0, is 0xffff itself.
	sum = sum>>16 + sum&0xffff
	sum = sum>>16 + sum&0xffff
	return sum == 0xffff
}
