package frame

import "encoding/binary"

// ProtoGRE is the protocol of Generic Routing Encapsulation.
const ProtoGRE Proto = 47

// The header of GRE (RFC 2784 section 2.1): flags and version, the EtherType of what
// follows, and where greHasSum is set a checksum and two reserved bytes.
const (
	greLen    = 4
	greSumLen = 4
	greHasSum = 0x80
	// greMore are the bits of the first byte that change what follows the header
	// (RFC 2890, RFC 1701): a key, a sequence number, routing.
	greMore = 0x70
)

// sumGRE writes the checksum of the header b in front of p.
func sumGRE(b []byte, p *Enclosed) {
	binary.BigEndian.PutUint16(b[4:], ^Fold(p.bodySum(Sum(b, 0))))
}

// etherTypeOf is the EtherType of an IP packet.
func etherTypeOf(k Kind) uint16 {
	if k == IPv6 {
		return EtherTypeIPv6
	}
	return EtherTypeIPv4
}

// unwrapGRE reads the GRE header b: what follows it, and how long it is.
func unwrapGRE(b []byte) (kind Kind, n int) {
	if len(b) < greLen || b[0]&greMore != 0 || b[1]&7 != 0 {
		return Other, 0
	}
	n = greLen
	if b[0]&greHasSum != 0 {
		n += greSumLen
	}
	switch binary.BigEndian.Uint16(b[2:]) {
	case EtherTypeIPv4:
		return IPv4, n
	case EtherTypeIPv6:
		return IPv6, n
	}
	return Other, 0
}
