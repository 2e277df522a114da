package wire

import (
	"fmt"
	"net/netip"
	"strings"

	"lvsdr/control/doctor/facts"
	"lvsdr/dataplane/frame"
)

// A captured is a frame seen on a link.
type captured struct {
	link       *facts.Link
	outgoing   bool // sent by this host
	unfinished bool // its transport checksum is left to the hardware
	data       []byte
	header     frame.Header // of data
}

// describe shows a frame, as evidence.
func describe(s *captured) string {
	h := &s.header
	var b strings.Builder
	switch h.Proto {
	case frame.ProtoTCP:
		fmt.Fprintf(&b, "TCP %s %s > %s", flagNames(h.Flags), netip.AddrPortFrom(h.Src.IP(), h.SrcPort), netip.AddrPortFrom(h.Dst.IP(), h.DstPort))
	case frame.ProtoICMP, frame.ProtoICMPv6:
		fmt.Fprintf(&b, "ICMP type %d code %d %s > %s", h.ICMPType, h.ICMPCode, h.Src, h.Dst)
	default:
		fmt.Fprintf(&b, "IP protocol %d %s > %s", h.Proto, h.Src, h.Dst)
	}
	if h.IsFragment() {
		b.WriteString(", a fragment")
	}
	fmt.Fprintf(&b, ", %d bytes, from %s to %s on %s", int(h.End)-int(h.L3), frame.SrcMAC(s.data), frame.DstMAC(s.data), s.link.Name)
	return b.String()
}

// flagNames are the names of TCP flags.
func flagNames(flags uint8) string {
	var names []string
	for i, name := range []string{"FIN", "SYN", "RST", "PSH", "ACK", "URG"} {
		if flags&(1<<i) != 0 {
			names = append(names, name)
		}
	}
	return strings.Join(names, "+")
}
