package arp

import (
	"encoding/binary"
	"net/netip"

	"lvsdr/dataplane/frame"
)

// Parts of an Ethernet frame (IEEE 802.3, 802.1Q).
const (
	etherMin = 60 // shortest frame without its check sequence; shorter ones are padded
	vidMask  = 0x0fff
)

// An Op is the operation of a Packet.
type Op uint8

// The operations; their numbers are ARP's (RFC 826).
const (
	Request Op = 1 // who has TargetIP? A neighbour solicitation
	Reply   Op = 2 // SenderIP is at SenderMAC. A neighbour advertisement
)

// String is the operation in lower case.
func (o Op) String() string {
	switch o {
	case Request:
		return "request"
	case Reply:
		return "reply"
	}
	return "op?"
}

// A Packet has the common content of ARP and Neighbor Discovery, in ARP's terms.
// All of its IP addresses are of one family, which says what it is on the wire.
// The zero address of that family as SenderIP makes a request a probe (RFC 5227
// section 1.1, RFC 4862 section 5.4.2).
type Packet struct {
	Dst, Src frame.MAC // of the Ethernet header
	Op       Op

	// SenderMAC is where SenderIP is. In a solicitation they are the source
	// link-layer address and the source of the IPv6 packet; of an
	// advertisement, whose sender may speak from another address, the target
	// link-layer address and the target. Without such an option SenderMAC is
	// the Ethernet source.
	SenderMAC frame.MAC
	SenderIP  netip.Addr
	// TargetIP is the address asked for, or the one a reply is for. It is
	// SenderIP in an announcement, which is for all: in a gratuitous ARP and in
	// an advertisement without the solicited flag. TargetMAC is zero where it
	// is not known, and always with IPv6.
	TargetMAC frame.MAC
	TargetIP  netip.Addr
	// Weak says that SenderMAC must not take the place of another one: an
	// advertisement without the override flag, or no link-layer address option
	// (RFC 4861 sections 7.2.3 and 7.2.5).
	Weak bool
}

// An input is one packet as it came in.
type input struct {
	ifindex int32
	Packet
}

// mismatch reports whether the Ethernet source is not the sender's MAC address.
// A bridge that hides its stations, and a forger, make such frames; RFC 826
// looks at the ARP packet alone, and so does this package.
func (p *Packet) mismatch() bool { return p.Src != p.SenderMAC }

// Parse reads the Ethernet frame b. False means that it is not a sound packet of
// either protocol for this link. It does not keep b.
func Parse(b []byte) (Packet, bool) {
	p, r := parse(b)
	return p, r == undecided
}

// parse is Parse with the reason not to look at the frame any further; undecided
// if all is well. A tag with VLAN identifier 0 carries a priority only (IEEE
// 802.1Q section 6.9) and is skipped; a frame of another VLAN belongs to another
// interface.
func parse(b []byte) (p Packet, r reason) {
	if len(b) < frame.EtherLen {
		return p, short
	}
	p.Dst, p.Src = frame.MAC(b[0:6]), frame.MAC(b[6:12])
	typ, rest := binary.BigEndian.Uint16(b[12:]), b[frame.EtherLen:]
	if typ == frame.EtherTypeVLAN {
		if len(rest) < frame.TagLen {
			return p, short
		}
		if binary.BigEndian.Uint16(rest)&vidMask != 0 {
			return p, otherVLAN
		}
		typ, rest = binary.BigEndian.Uint16(rest[2:]), rest[frame.TagLen:]
	}
	switch typ {
	case frame.EtherTypeARP:
		r = p.parseARP(rest)
	case frame.EtherTypeIPv6:
		r = p.parseNDP(rest)
	default:
		r = notARP
	}
	// RFC 1812 section 3.3.2: a group address is not a host's hardware address.
	// An answer to one would be a broadcast.
	if r == undecided && !station(p.SenderMAC) {
		r = badSender
	}
	return p, r
}

// station reports whether m can be the address of one Ethernet station: not
// zero and not a group address, which broadcast is too.
func station(m frame.MAC) bool { return m != frame.MAC{} && m[0]&1 == 0 }

// Frame is the Ethernet frame that carries p, from its SenderMAC, padded to the
// shortest length Ethernet allows. A packet that its protocol cannot express is
// a caller's bug and panics.
func (p *Packet) Frame() []byte {
	if p.SenderIP.Is4() {
		return ethernet(p.Dst, p.SenderMAC, frame.EtherTypeARP, p.marshalARP())
	}
	return ethernet(p.Dst, p.SenderMAC, frame.EtherTypeIPv6, p.message().Packet())
}

// ethernet puts a header before body, and padding behind it.
func ethernet(dst, src frame.MAC, typ uint16, body []byte) []byte {
	b := make([]byte, max(frame.EtherLen+len(body), etherMin))
	copy(b[0:6], dst[:])
	copy(b[6:12], src[:])
	binary.BigEndian.PutUint16(b[12:], typ)
	copy(b[frame.EtherLen:], body)
	return b
}

// resolvable reports whether a can be the address of one host on a link. An
// IPv4-mapped address is of neither family, and a zone is not part of what goes
// over the wire.
func resolvable(a netip.Addr) bool {
	return a.IsValid() && !a.Is4In6() && a.Zone() == "" && !a.IsUnspecified() && !a.IsMulticast() && !a.IsLoopback()
}

// unspecified is the sender address of a probe for a.
func unspecified(a netip.Addr) netip.Addr {
	if a.Is4() {
		return netip.IPv4Unspecified()
	}
	return netip.IPv6Unspecified()
}

// askedAt is the Ethernet address that requests for a are sent to, and
// announcedAt the one that announcements of a are sent to.
func askedAt(a netip.Addr) frame.MAC {
	if a.Is4() {
		return broadcast
	}
	return solicited(a)
}

func announcedAt(a netip.Addr) frame.MAC {
	if a.Is4() {
		return broadcast
	}
	return allNodes()
}
