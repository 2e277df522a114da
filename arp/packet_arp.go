package arp

import (
	"fmt"

	mdarp "github.com/mdlayher/arp"

	"lvsdr/dataplane/frame"
)

// What ARP for IPv4 over Ethernet has in its header.
const (
	hwEthernet  = 1 // hardware type (IANA)
	hwAddrLen   = 6
	ipv4AddrLen = 4
)

var broadcast = frame.MAC{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}

// parseARP reads the ARP packet b into p as RFC 826 says.
func (p *Packet) parseARP(b []byte) reason {
	// The lengths are compared before anything is read by them: the library
	// believes any length the packet claims, and takes 16-byte addresses.
	if len(b) < 8 {
		return short
	}
	if b[4] != hwAddrLen || b[5] != ipv4AddrLen {
		return badLength
	}
	var a mdarp.Packet
	if a.UnmarshalBinary(b) != nil {
		return short
	}
	if a.HardwareType != hwEthernet {
		return badHardware
	}
	if a.ProtocolType != frame.EtherTypeIPv4 {
		return badProtocol
	}
	if a.Operation != mdarp.OperationRequest && a.Operation != mdarp.OperationReply {
		return badOperation
	}
	p.Op = Op(a.Operation)
	p.SenderMAC, p.SenderIP = frame.MAC(a.SenderHardwareAddr), a.SenderIP
	p.TargetMAC, p.TargetIP = frame.MAC(a.TargetHardwareAddr), a.TargetIP
	return undecided
}

// marshalARP is the ARP packet that says p; both addresses must be IPv4, which
// every caller has checked.
func (p *Packet) marshalARP() []byte {
	a, err := mdarp.NewPacket(mdarp.Operation(p.Op), p.SenderMAC[:], p.SenderIP, p.TargetMAC[:], p.TargetIP)
	if err != nil {
		panic(fmt.Sprintf("arp: make a packet for %v from %v: %v", p.TargetIP, p.SenderIP, err))
	}
	b, err := a.MarshalBinary()
	if err != nil {
		panic("arp: marshal: " + err.Error()) // the library promises none
	}
	return b
}
