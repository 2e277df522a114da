package frame

import "encoding/binary"

// ICMPv6 types of neighbour discovery: from the first to the last (RFC 4861
// section 4).
const (
	icmp6RouterSolicitation = 133
	icmp6Redirect           = 137
)

// FromHost reports whether the source of h, which is IPv4 or IPv6 without a
// Fault, may be the address of one host on a network: RFC 1122 section 3.2.1.3
// forbids addresses of "this" network, loopback, multicast and broadcast, RFC 4291
// section 2.4 the unspecified address, loopback and multicast. Class E, which RFC
// 1122 forbids too, has hosts: networks that need more private addresses use it.
func (h *Header) FromHost() bool {
	if h.Kind == IPv4 {
		return singleHost(&h.Src)
	}
	return singleHost6(&h.Src)
}

// singleHost reports whether the IPv4 address a may be that of one host on a
// network: not 0/8, 127/8, class D or broadcast.
func singleHost(a *Addr) bool {
	v := binary.BigEndian.Uint32(a[12:]) // three ranges: each packet comes by here
	return v>>24-1 < 126 || v>>24-128 < 224-128 || v-240<<24 < 1<<28-1
}

// singleHost6 reports whether the IPv6 address a may be that of one host on a
// network: not multicast, unspecified or loopback.
func singleHost6(a *Addr) bool {
	return a[0] != 0xff && (a[0] != 0 || [15]byte(a[:15]) != [15]byte{} || a[15] > 1)
}

// IsNeighbourDiscovery reports whether h is of the protocol that IPv6 has in
// place of ARP (RFC 4861). Whether it is sound is not looked at.
func (h *Header) IsNeighbourDiscovery() bool {
	return h.Proto == ProtoICMPv6 && h.Kind == IPv6 && !h.IsFragment() &&
		h.ICMPType >= icmp6RouterSolicitation && h.ICMPType <= icmp6Redirect
}

// HidesProto reports whether h is of a later fragment whose Proto is that of an
// extension header: the datagram starts with destination options or an
// authentication header, and its protocol is known from the first fragment
// alone (RFC 8200 section 4.5).
func (h *Header) HidesProto() bool {
	return h.Kind == IPv6 && h.FragOff != 0 && (h.Proto == extDestOpts || h.Proto == extAuth)
}

// IsCut reports whether h is of an IPv4 fragment that has BadL4 for nothing but
// where the datagram was cut: within the fixed header of TCP or SCTP, of which it
// holds the first or the second part. Put together with the others the datagram
// may be sound. All of the IP header was read.
func (h *Header) IsCut() bool {
	if h.Fault != BadL4 || h.Kind != IPv4 {
		return false
	}
	if h.FragOff != 0 {
		return true
	}
	n := int(h.End) - int(h.L4)
	return h.More && (h.Proto == ProtoTCP && n < TCPLen || h.Proto == ProtoSCTP && n < SCTPLen)
}

// HasOptions reports whether h is of an IPv4 packet with options.
func (h *Header) HasOptions() bool { return h.Kind == IPv4 && h.L4-h.L3 != IPv4Len }

// OptionsOK reports whether the IPv4 options of the packet in f may be, where h is
// what Parse made of f: each is as long as it says and has room for its own fields
// (RFC 791 section 3.1), and none is a source route, which hosts do not accept
// (RFC 6274 section 3.13.2).
func OptionsOK(f []byte, h *Header) bool {
	opts := f[h.L3+IPv4Len : h.L4]
	for len(opts) > 0 && opts[0] != optEnd {
		if opts[0] == optNop {
			opts = opts[1:]
			continue
		}
		if len(opts) < 2 || opts[1] < 2 || int(opts[1]) > len(opts) {
			return false
		}
		opt := opts[:opts[1]]
		switch opt[0] {
		case optLooseRoute, optStrictRoute:
			return false
		case optRecordRoute: // the pointer counts from the type on: 4 is the first address
			if len(opt) < 3 || opt[2] < 4 {
				return false
			}
		case optTimestamp:
			if len(opt) < 4 || opt[2] < 5 {
				return false
			}
		}
		opts = opts[len(opt):]
	}
	return true
}
