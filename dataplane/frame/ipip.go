package frame

// ProtoIPIP and ProtoIPv6 are the protocols of a packet in a packet without a header
// between: of IPv4 (RFC 2003 section 3.1) and of IPv6 (RFC 2473 section 3).
const (
	ProtoIPIP Proto = 4
	ProtoIPv6 Proto = 41
)

// unwrapIP reads what stands behind an outer IP header of protocol proto.
func unwrapIP(proto Proto) (kind Kind, n int) {
	switch proto {
	case ProtoIPIP:
		return IPv4, 0
	case ProtoIPv6:
		return IPv6, 0
	}
	return Other, 0
}
