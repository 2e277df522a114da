package build

import (
	"net/netip"

	"github.com/google/gopacket/layers"
)

// A UDP is a UDP datagram in a frame. Src and Dst are required.
type UDP struct {
	Src, Dst netip.AddrPort
	IP

	Payload []byte
	BadSum  bool // a wrong UDP checksum
	NoSum   bool // no UDP checksum: the field is 0
}

// Bytes is the frame.
func (d UDP) Bytes() []byte {
	const sumAt = 6
	p := packet{IP: d.IP, src: d.Src.Addr(), dst: d.Dst.Addr(), proto: layers.IPProtocolUDP, badSum: d.BadSum, sumAt: sumAt}
	f := p.bytes(&layers.UDP{SrcPort: layers.UDPPort(d.Src.Port()), DstPort: layers.UDPPort(d.Dst.Port())}, d.Payload)
	if d.NoSum {
		sum := p.ether().len() + p.headerLen() + sumAt
		f[sum], f[sum+1] = 0, 0
	}
	return f
}
