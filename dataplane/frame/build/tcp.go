package build

import (
	"fmt"
	"net/netip"
	"strings"

	"github.com/google/gopacket/layers"
)

// A TCP is a TCP segment in a frame. Src and Dst are required.
type TCP struct {
	Src, Dst netip.AddrPort
	IP

	Flags      string // of SAFRPU (SYN, ACK, FIN, RST, PSH, URG), and E and C for the two of ECN
	Seq, Ack   uint32
	TCPOptions []byte // any bytes; zeroes fill up to a multiple of 4
	Payload    []byte
	BadSum     bool // a wrong TCP checksum
}

// Bytes is the frame.
func (s TCP) Bytes() []byte {
	t := &layers.TCP{
		SrcPort: layers.TCPPort(s.Src.Port()),
		DstPort: layers.TCPPort(s.Dst.Port()),
		Seq:     s.Seq,
		Ack:     s.Ack,
		Window:  64240,
		Padding: padTo4(s.TCPOptions), // gopacket's own options must be well-formed
		SYN:     strings.Contains(s.Flags, "S"),
		ACK:     strings.Contains(s.Flags, "A"),
		FIN:     strings.Contains(s.Flags, "F"),
		RST:     strings.Contains(s.Flags, "R"),
		PSH:     strings.Contains(s.Flags, "P"),
		URG:     strings.Contains(s.Flags, "U"),
		ECE:     strings.Contains(s.Flags, "E"),
		CWR:     strings.Contains(s.Flags, "C"),
	}
	if rest := strings.Trim(s.Flags, "SAFRPUEC"); rest != "" {
		panic(fmt.Sprintf("build: unknown TCP flag in %q", s.Flags))
	}
	p := packet{IP: s.IP, src: s.Src.Addr(), dst: s.Dst.Addr(), proto: layers.IPProtocolTCP, badSum: s.BadSum, sumAt: 16}
	return p.bytes(t, s.Payload)
}

// MSS is the TCP option that announces a maximum segment size (RFC 9293 section
// 3.2).
func MSS(n uint16) []byte { return []byte{2, 4, byte(n >> 8), byte(n)} }
