package build

import (
	"net/netip"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"

	"lvsdr/dataplane/frame"
)

// A Raw is an IP packet of any protocol in a frame. Src and Dst are required.
// With the protocol of TCP or another known one it makes segments too short or
// too odd for the other builders.
type Raw struct {
	Src, Dst netip.Addr
	IP

	Proto   frame.Proto
	Payload []byte
}

// Bytes is the frame.
func (r Raw) Bytes() []byte {
	p := packet{IP: r.IP, src: r.Src, dst: r.Dst, proto: layers.IPProtocol(r.Proto), sumAt: -1}
	return p.bytes(gopacket.Payload(nil), r.Payload)
}
