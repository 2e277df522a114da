package build

import (
	"fmt"
	"net/netip"

	"github.com/google/gopacket/layers"

	"lvsdr/dataplane/frame"
)

// An ARP is an ARP packet in a frame (RFC 826). SenderIP and TargetIP are
// required.
type ARP struct {
	SrcMAC, DstMAC frame.MAC // of the frame
	VLAN           uint16    // as in IP
	Pad            bool

	Op                 uint16 // 1 request, 2 reply; 0: 1
	SenderMAC          frame.MAC
	SenderIP, TargetIP netip.Addr
	TargetMAC          frame.MAC
}

// Bytes is the frame.
func (a ARP) Bytes() []byte {
	if !a.SenderIP.Is4() || !a.TargetIP.Is4() {
		panic(fmt.Sprintf("build: %v, %v is not IPv4", a.SenderIP, a.TargetIP))
	}
	op := a.Op
	if op == 0 {
		op = layers.ARPRequest
	}
	e := ether{a.SrcMAC, a.DstMAC, a.VLAN, a.Pad}
	f := serialize(append(e.layers(layers.EthernetTypeARP), &layers.ARP{
		AddrType: layers.LinkTypeEthernet, Protocol: layers.EthernetTypeIPv4,
		HwAddressSize: 6, ProtAddressSize: 4, Operation: op,
		SourceHwAddress: a.SenderMAC[:], SourceProtAddress: a.SenderIP.AsSlice(),
		DstHwAddress: a.TargetMAC[:], DstProtAddress: a.TargetIP.AsSlice(),
	})...)
	return e.finish(f[:e.len()+frame.ARPLen])
}
