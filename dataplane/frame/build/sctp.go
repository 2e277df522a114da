package build

import (
	"net/netip"

	"github.com/google/gopacket/layers"
)

// An SCTP is an SCTP packet in a frame. Src and Dst are required.
type SCTP struct {
	Src, Dst netip.AddrPort
	IP

	Tag     uint32 // verification tag
	Payload []byte // the chunks, as they are
	BadSum  bool   // a wrong CRC32c
}

// Bytes is the frame.
func (s SCTP) Bytes() []byte {
	p := packet{IP: s.IP, src: s.Src.Addr(), dst: s.Dst.Addr(), proto: layers.IPProtocolSCTP, badSum: s.BadSum, sumAt: 8}
	return p.bytes(&layers.SCTP{
		SrcPort:         layers.SCTPPort(s.Src.Port()),
		DstPort:         layers.SCTPPort(s.Dst.Port()),
		VerificationTag: s.Tag,
	}, s.Payload)
}
