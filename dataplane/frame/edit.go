package frame

import "encoding/binary"

// DstMAC is the destination address of f, which holds an Ethernet header.
func DstMAC(f []byte) MAC { return MAC(f[0:6]) }

// SrcMAC is the source address of f, which holds an Ethernet header.
func SrcMAC(f []byte) MAC { return MAC(f[6:12]) }

// ToGroup reports whether f, which holds an Ethernet header, is to a group: multicast
// or broadcast (IEEE 802 section 8.2).
func ToGroup(f []byte) bool { return f[0]&1 != 0 }

// VLAN is the number of the VLAN that f, which holds an Ethernet header, has a
// tag of; 0: it has none, or one that carries a priority alone (IEEE 802.1Q
// section 6.9).
func VLAN(f []byte) uint16 {
	switch binary.BigEndian.Uint16(f[OffEtherType:]) {
	case EtherTypeVLAN, EtherTypeQinQ:
		if len(f) >= EtherLen+TagLen {
			return binary.BigEndian.Uint16(f[EtherLen:]) & maxVLAN
		}
	}
	return 0
}

// maxVLAN is the greatest number of a VLAN, and the bits it has in a tag.
const maxVLAN = 0xfff

// Addrs4 is the source and the destination address of f, an IPv4 packet without
// Fault whose header is h, as one little-endian number: the source in its lower
// half.
func Addrs4(f []byte, h *Header) uint64 { return binary.LittleEndian.Uint64(f[h.L3+Off4Src:]) }

// SetMACs writes both addresses of f, which holds an Ethernet header.
func SetMACs(f []byte, dst, src MAC) {
	*(*MAC)(f[0:6]) = dst
	*(*MAC)(f[6:12]) = src
}

// DecrementTTL takes one off the TTL in f and in h, which is what Parse made of
// f: IPv4 or IPv6 without a Fault. The header checksum of IPv4 follows by RFC
// 1624, equation 3, so nothing else is read; IPv6 has a hop limit and no
// checksum.
//
// It panics if the TTL is 0, because such a packet would live for 255 hops
// more; the caller drops what has a TTL of 1 or less (RFC 1812 section 5.3.1,
// RFC 4443 section 3.3).
func DecrementTTL(f []byte, h *Header) {
	if h.TTL == 0 {
		panic("frame: DecrementTTL of a packet whose TTL is 0")
	}
	ip := f[h.L3:]
	h.TTL--
	if h.Kind == IPv6 {
		ip[Off6Hops] = h.TTL
		return
	}
	ip[Off4TTL] = h.TTL
	// HC' = ~(~HC + ~m + m'), and m' is m less 0x100.
	sum := binary.BigEndian.Uint16(ip[Off4Sum:])
	binary.BigEndian.PutUint16(ip[Off4Sum:], ^Fold(uint32(^sum)+0xfeff))
}

// A TTL is the bytes of a packet that DecrementTTL changes, to be put back.
type TTL [3]byte

// TTLOf is that of the packet in f.
func TTLOf(f []byte, h *Header) TTL {
	ip := f[h.L3:]
	if h.Kind == IPv6 {
		return TTL{ip[Off6Hops]}
	}
	return TTL{ip[Off4TTL], ip[Off4Sum], ip[Off4Sum+1]}
}

// Restore undoes what DecrementTTL did to f and h since TTLOf.
func (t TTL) Restore(f []byte, h *Header) {
	ip := f[h.L3:]
	h.TTL = t[0]
	if h.Kind == IPv6 {
		ip[Off6Hops] = t[0]
		return
	}
	ip[Off4TTL], ip[Off4Sum], ip[Off4Sum+1] = t[0], t[1], t[2]
}
