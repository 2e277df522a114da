package frame

// Ethernet, in bytes from the start of a frame. A VLAN tag stands between the
// addresses and the EtherType of what follows it.
const (
	MACsLen      = 12 // both addresses
	OffEtherType = 12 // of the EtherType, or of the first tag
	EtherLen     = 14 // a header without tag
	TagLen       = 4  // a VLAN tag: its EtherType and two bytes of VLAN number and priority
)

// EtherTypes (IANA).
const (
	EtherTypeIPv4 = 0x0800
	EtherTypeARP  = 0x0806
	EtherTypeIPv6 = 0x86dd
	EtherTypeVLAN = 0x8100 // IEEE 802.1Q
	EtherTypeQinQ = 0x88a8 // IEEE 802.1ad, the outer tag of two
)

// Lengths of the fixed headers, in bytes.
const (
	ARPLen  = 28 // Ethernet and IPv4 addresses
	IPv4Len = 20
	IPv6Len = 40
	TCPLen  = 20
	UDPLen  = 8
	ICMPLen = 8 // the rest of the header included
	SCTPLen = 12
)

// Where the IPv4 header keeps what, in bytes from its start (RFC 791 section
// 3.1).
const (
	Off4TOS   = 1
	Off4Total = 2
	Off4ID    = 4
	Off4Frag  = 6
	Off4TTL   = 8
	Off4Proto = 9
	Off4Sum   = 10
	Off4Src   = 12
	Off4Dst   = 16
)

// Where the IPv6 header keeps what, in bytes from its start (RFC 8200 section
// 3).
const (
	Off6Len  = 4 // of the payload: what follows the fixed header
	Off6Next = 6
	Off6Hops = 7
	Off6Src  = 8
	Off6Dst  = 24
)
