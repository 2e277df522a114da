package frame

import (
	"encoding/binary"
	"fmt"
	"net/netip"
)

// An Addr is an IP address of either family, 16 bytes, an IPv4 address in its
// IPv4-mapped form (RFC 4291 section 2.5.5.2). It is pointer-free, so that
// keys made of it are too. The zero Addr is no address.
type Addr [16]byte

// AddrFrom4 is the Addr of an IPv4 address.
func AddrFrom4(a [4]byte) Addr {
	return Addr{10: 0xff, 11: 0xff, 12: a[0], 13: a[1], 14: a[2], 15: a[3]}
}

// Set4 makes *a the IPv4 address that stands in a header as v, read as a little-endian
// number.
func (a *Addr) Set4(v uint32) {
	binary.LittleEndian.PutUint64(a[:8], 0)
	binary.LittleEndian.PutUint64(a[8:], uint64(v)<<32|0xffff0000)
}

// AddrFrom is the Addr of a; the zone is dropped. The zero netip.Addr gives
// the zero Addr.
func AddrFrom(a netip.Addr) Addr {
	if !a.IsValid() {
		return Addr{}
	}
	return a.As16()
}

// Is4 reports whether a holds an IPv4 address.
func (a Addr) Is4() bool {
	return binary.LittleEndian.Uint64(a[:8]) == 0 && binary.LittleEndian.Uint32(a[8:]) == 0xffff0000
}

// As4 gives the last four bytes: the IPv4 address where Is4 holds.
func (a Addr) As4() [4]byte { return [4]byte(a[12:]) }

// IP is a as a netip.Addr, IPv4 unmapped.
func (a Addr) IP() netip.Addr { return netip.AddrFrom16(a).Unmap() }

// String is the address in the usual notation of its family.
func (a Addr) String() string { return a.IP().String() }

// A MAC is an Ethernet address. The zero MAC means "not known".
type MAC [6]byte

// String is the address in the usual notation, as in 02:00:5e:10:00:00.
func (m MAC) String() string {
	return fmt.Sprintf("%02x:%02x:%02x:%02x:%02x:%02x", m[0], m[1], m[2], m[3], m[4], m[5])
}

// A Kind says what a frame carries, as far as the director cares.
type Kind uint8

// The kinds of frame.
const (
	Other Kind = iota // not IP, not ARP, or not understood
	ARP               // ARP over Ethernet; only the type was looked at
	IPv4              // IPv4; well-formed unless there is a Fault
	IPv6              // IPv6; likewise
)

// A Fault says why a frame that claims to be IP is not processed further.
type Fault uint8

// The faults. None of them is answered. RFC 1122 section 3.2.1 has it so
// (silently discard); RFC 8200 would have some of them answered with a
// parameter problem, which is left to those who are asked directly.
const (
	NoFault     Fault = iota
	TooShort          // shorter than its headers
	BadHeader         // version, lengths, addresses or extension headers do not fit
	BadChecksum       // the IPv4 header checksum is wrong
	BadL4             // a transport header that lies about its own length
)

// TCP flag bits, as in the header (RFC 9293 section 3.1).
const (
	FIN = 1 << iota
	SYN
	RST
	PSH
	ACK
	URG
)

// A Header is the result of Parse for one frame. All offsets are in bytes from the
// start of the frame.
type Header struct {
	Kind  Kind
	Fault Fault

	L3 uint16 // start of the IP or ARP header: 14, or 18 with a VLAN tag
	// L4 is the start of the transport header; in IPv6, of what follows the
	// extension headers. In a fragment with FragOff != 0 it is where the
	// fragment's data starts.
	L4 uint16
	// Proto is the protocol at L4. An IPv6 fragment with FragOff != 0 may
	// name an extension header here, and need not name what the first one
	// names (RFC 8200 section 4.5).
	Proto Proto
	TTL   uint8  // of IPv6, the hop limit
	End   uint32 // end of the IP packet; what follows is Ethernet padding

	// FragID is the identification: it names the datagram that a fragment is
	// part of, among those of the same addresses (and, in IPv4, of the same
	// protocol). It means nothing unless the packet is a fragment.
	FragID uint32
	DF     bool // don't fragment (RFC 791); always so in IPv6
	// More and FragOff (bytes) describe a fragment; both zero: a whole
	// datagram. Ports, flags and ICMP fields of a fragment with FragOff != 0
	// are zero.
	More    bool
	FragOff uint16

	Src, Dst         Addr
	SrcPort, DstPort uint16 // TCP, UDP, SCTP
	Flags            uint8  // TCP flag bits
	ICMPType         uint8  // of ICMP in IPv4, of ICMPv6 in IPv6
	ICMPCode         uint8
}

// HasAddrs reports whether h is of an IP packet whose addresses were read. In
// IPv6 the source may be the zero Addr, ::, all the same.
func (h *Header) HasAddrs() bool {
	return (h.Kind == IPv4 || h.Kind == IPv6) && (h.Fault == NoFault || h.Src != Addr{})
}

// IsFragment reports whether the packet is part of a fragmented datagram. An
// atomic fragment (RFC 6946: an IPv6 fragment header, but nothing before or
// after) is a whole one.
func (h *Header) IsFragment() bool { return h.More || h.FragOff != 0 }
