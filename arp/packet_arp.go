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

// parseARP reads the ARP packet b into in and holds it against RFC 826.
func (in *Input) parseARP(b []byte) Reason {
	// The lengths are compared before anything is read by them: the library
	// believes any length the packet claims, and takes 16-byte addresses.
	if len(b) < 8 {
		return Short
	}
	if b[4] != hwAddrLen || b[5] != ipv4AddrLen {
		return BadLength
	}
	var p mdarp.Packet
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
	in.Op = Op(p.Operation)
	in.SenderMAC, in.SenderIP = frame.MAC(p.SenderHardwareAddr), p.SenderIP
	in.TargetMAC, in.TargetIP = frame.MAC(p.TargetHardwareAddr), p.TargetIP
	return Undecided
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
