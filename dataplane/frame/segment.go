package frame

import "encoding/binary"

// SegmentHeaders is how long the headers are, in bytes from the start of the IP packet, that
// each segment of the super-frame f gets, where h is what Parse made of f; 0: it is neither
// TCP nor UDP, or a fragment.
func SegmentHeaders(f []byte, h *Header) int {
	if h.Fault != NoFault || h.IsFragment() {
		return 0
	}
	switch h.Proto {
	case ProtoTCP:
		return int(h.L4-h.L3) + int(f[h.L4+12]>>4)*4
	case ProtoUDP:
		return int(h.L4-h.L3) + UDPLen
	}
	return 0
}

// Segment holds where a segment is in the payload of a super-frame.
type Segment struct {
	Off, Len int // of its payload, bytes
	Index    int // how many are before it
}

// AppendSegment appends to dst the headers of segment g of the super-frame f, from its IP
// header on, and returns the longer slice; the payload follows them. h is what Parse made of
// f, and SegmentHeaders is not 0. It does what a network card does with segmentation offload:
// lengths, checksums, sequence numbers and IP identifications are those of the segment, FIN
// and PSH those of the last one. It allocates only if dst has no room.
func AppendSegment(dst, f []byte, h *Header, g Segment) []byte {
	n := SegmentHeaders(f, h)
	at := len(dst)
	dst = append(dst, f[h.L3:int(h.L3)+n]...)
	ip := dst[at:]
	payload := f[int(h.L3)+n+g.Off:][:g.Len]
	if h.Kind == IPv6 {
		binary.BigEndian.PutUint16(ip[Off6Len:], uint16(n+g.Len-IPv6Len))
	} else {
		binary.BigEndian.PutUint16(ip[Off4Total:], uint16(n+g.Len))
		binary.BigEndian.PutUint16(ip[Off4ID:], binary.BigEndian.Uint16(ip[Off4ID:])+uint16(g.Index))
		ip[Off4Sum], ip[Off4Sum+1] = 0, 0
		binary.BigEndian.PutUint16(ip[Off4Sum:], ^Fold(Sum(ip[:h.L4-h.L3], 0)))
	}
	last := int(h.L3)+n+g.Off+g.Len == int(h.End)
	l4 := ip[h.L4-h.L3:]
	sumAt := h.Proto.SumOffset()
	if h.Proto == ProtoTCP {
		binary.BigEndian.PutUint32(l4[4:], binary.BigEndian.Uint32(l4[4:])+uint32(g.Off))
		if !last {
			l4[13] &^= FIN | PSH
		}
		if g.Index > 0 {
			l4[13] &^= tcpCWR // RFC 3168 section 6.1.2: it is told once
		}
	} else {
		binary.BigEndian.PutUint16(l4[4:], uint16(UDPLen+g.Len))
	}
	l4[sumAt], l4[sumAt+1] = 0, 0
	sum := ^Fold(Sum(payload, Sum(l4, PseudoSum(h.Src, h.Dst, h.Proto, len(l4)+g.Len))))
	if sum == 0 && h.Proto == ProtoUDP {
		sum = 0xffff
	}
	binary.BigEndian.PutUint16(l4[sumAt:], sum)
	return dst
}

// tcpCWR is the flag "congestion window reduced" of TCP (RFC 3168 section 6.1).
const tcpCWR = 0x80
