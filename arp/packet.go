package arp

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"strings"

	mdarp "github.com/mdlayher/arp"

	"lvsdr/dataplane/frame"
)

// Layout of an Ethernet header (IEEE 802.3) and the EtherTypes used.
const (
	etherLen    = 14
	vlanLen     = 4  // an IEEE 802.1Q tag
	etherMin    = 60 // shortest frame without its check sequence; shorter ones are padded
	typeARP     = 0x0806
	typeVLAN    = 0x8100
	typeIPv4    = 0x0800
	vidMask     = 0x0fff
	hwEthernet  = 1 // ARP hardware type (IANA)
	hwAddrLen   = 6
	ipv4AddrLen = 4
)

var broadcast = frame.MAC{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}

// An Input is one ARP frame as it came in.
type Input struct {
	Ifindex  int32
	Dst, Src frame.MAC // of the Ethernet header
	Sender   frame.MAC // the sender hardware address of the ARP packet
	Packet   mdarp.Packet
}

// Mismatch reports whether the Ethernet source is not the sender hardware
// address. A bridge that hides its stations, and a forger, make such frames;
// RFC 826 looks at the ARP packet alone, and so does this package.
func (in *Input) Mismatch() bool { return in.Src != in.Sender }

// Parse reads the Ethernet frame b that came in by the interface ifindex. The
// Reason is Undecided if all is well, else it says why the frame is not looked
// at any further. A tag with VLAN identifier 0 carries a priority only (IEEE
// 802.1Q section 6.9) and is skipped; a frame of another VLAN belongs to
// another interface. Parse does not keep b.
func Parse(b []byte, ifindex int32) (Input, Reason) {
	if len(b) < etherLen {
		return Input{}, Short
	}
	in := Input{Ifindex: ifindex, Dst: frame.MAC(b[0:6]), Src: frame.MAC(b[6:12])}
	typ, rest := binary.BigEndian.Uint16(b[12:]), b[etherLen:]
	if typ == typeVLAN {
		if len(rest) < vlanLen {
			return in, Short
		}
		if binary.BigEndian.Uint16(rest)&vidMask != 0 {
			return in, OtherVLAN
		}
		typ, rest = binary.BigEndian.Uint16(rest[2:]), rest[vlanLen:]
	}
	if typ != typeARP {
		return in, NotARP
	}
	return in, in.parseARP(rest)
}

// parseARP reads the ARP packet b into in and holds it against RFC 826.
func (in *Input) parseARP(b []byte) Reason {
	p := &in.Packet
	// The lengths are compared before anything is read by them: the library
	// believes any length the packet claims, and takes 16-byte addresses.
	if len(b) < 8 {
		return Short
	}
	if b[4] != hwAddrLen || b[5] != ipv4AddrLen {
		return BadLength
	}
	if p.UnmarshalBinary(b) != nil {
		return Short
	}
	if p.HardwareType != hwEthernet {
		return BadHardware
	}
	if p.ProtocolType != typeIPv4 {
		return BadProtocol
	}
	if p.Operation != mdarp.OperationRequest && p.Operation != mdarp.OperationReply {
		return BadOperation
	}
	// RFC 1812 section 3.3.2: a group address is nobody's hardware address.
	// An answer to one would be a broadcast.
	in.Sender = frame.MAC(p.SenderHardwareAddr)
	if !station(in.Sender) {
		return BadSender
	}
	return Undecided
}

// station reports whether m can be the address of one Ethernet station: not
// zero and not a group address, which broadcast is too.
func station(m frame.MAC) bool { return m != frame.MAC{} && m[0]&1 == 0 }

// newPacket makes an ARP packet; both addresses must be IPv4, which every
// caller has checked.
func newPacket(op mdarp.Operation, senderMAC frame.MAC, sender netip.Addr, targetMAC frame.MAC, target netip.Addr) *mdarp.Packet {
	p, err := mdarp.NewPacket(op, senderMAC[:], sender, targetMAC[:], target)
	if err != nil {
		panic(fmt.Sprintf("arp: make a packet for %v from %v: %v", target, sender, err))
	}
	return p
}

// marshal makes the Ethernet frame that carries p to dst, padded to the
// shortest length Ethernet allows.
func marshal(dst frame.MAC, p *mdarp.Packet) []byte {
	body, err := p.MarshalBinary()
	if err != nil {
		panic("arp: marshal: " + err.Error()) // the library promises none
	}
	b := make([]byte, etherMin)
	copy(b[0:6], dst[:])
	copy(b[6:12], p.SenderHardwareAddr)
	binary.BigEndian.PutUint16(b[12:], typeARP)
	copy(b[etherLen:], body)
	return b
}

// macText writes m as six hexadecimal pairs with colons.
func macText(m frame.MAC) string {
	return strings.ReplaceAll(fmt.Sprintf("% x", m[:]), " ", ":")
}
