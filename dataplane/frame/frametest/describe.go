package frametest

import (
	"fmt"
	"net"
	"strings"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
)

// Describe is one line about f for the message of a failed test:
//
//	02:00:00:00:00:01 > 02:00:00:00:00:02, 192.0.2.1:4000 > 198.51.100.1:80 ttl 64, TCP S seq 1 ack 0, 3 bytes
//
// What gopacket cannot decode ends the line with its complaint.
func Describe(f []byte) string {
	var d description
	p := gopacket.NewPacket(f, layers.LayerTypeEthernet, gopacket.DecodeOptions{NoCopy: true})
	rest := -1 // bytes above the last header described
	for _, l := range p.Layers() {
		if d.link(l) || d.network(l) || d.transport(l) {
			rest = len(l.LayerPayload())
		}
	}
	parts := d.parts
	if d.from != "" {
		parts = append(parts, d.from+" > "+d.to+d.ttl, d.what)
	}
	if rest >= 0 {
		parts = append(parts, fmt.Sprintf("%d bytes", rest))
	}
	if e := p.ErrorLayer(); e != nil {
		parts = append(parts, "damaged: "+e.Error().Error())
	}
	return strings.Join(parts, ", ")
}

// A description holds the fields of a frame known after some of its layers. Its
// methods add a layer, and report whether it was one of theirs.
type description struct {
	parts    []string // of Ethernet
	from, to string
	ttl      string
	what     string // the protocol
}

func (d *description) link(l gopacket.Layer) bool {
	switch l := l.(type) {
	case *layers.Ethernet:
		d.parts = append(d.parts, fmt.Sprintf("%v > %v", l.SrcMAC, l.DstMAC))
	case *layers.Dot1Q:
		d.parts = append(d.parts, fmt.Sprintf("vlan %d", l.VLANIdentifier))
	case *layers.ARP:
		d.parts = append(d.parts, fmt.Sprintf("ARP op %d from %v to %v", l.Operation,
			net.IP(l.SourceProtAddress), net.IP(l.DstProtAddress)))
	default:
		return false
	}
	return true
}

func (d *description) network(l gopacket.Layer) bool {
	switch l := l.(type) {
	case *layers.IPv4:
		if d.from != "" { // a tunnel: the outer packet is the one described
			return false
		}
		d.ip(l.SrcIP, l.DstIP, l.TTL, l.Protocol)
		d.fragment(l.Flags&layers.IPv4MoreFragments != 0, l.FragOffset)
	case *layers.IPv6:
		if d.from != "" {
			return false
		}
		d.ip(l.SrcIP, l.DstIP, l.HopLimit, l.NextHeader)
	case *layers.IPv6HopByHop:
		d.what = l.NextHeader.String()
	case *layers.IPv6Destination:
		d.what = l.NextHeader.String()
	case *layers.IPv6Routing:
		d.what = l.NextHeader.String()
	case *layers.IPv6Fragment:
		d.what = l.NextHeader.String()
		d.fragment(l.MoreFragments, l.FragmentOffset)
	default:
		return false
	}
	return true
}

func (d *description) ip(src, dst net.IP, ttl uint8, next layers.IPProtocol) {
	d.from, d.to = src.String(), dst.String()
	d.ttl = fmt.Sprintf(" ttl %d", ttl)
	d.what = next.String()
}

func (d *description) fragment(more bool, units uint16) {
	if more || units != 0 {
		d.ttl += fmt.Sprintf(" fragment at %d", int(units)*8)
	}
}

func (d *description) transport(l gopacket.Layer) bool {
	switch l := l.(type) {
	case *layers.TCP:
		d.ports(uint16(l.SrcPort), uint16(l.DstPort))
		d.what = fmt.Sprintf("TCP %s seq %d ack %d", flagLetters(l), l.Seq, l.Ack)
	case *layers.UDP:
		d.ports(uint16(l.SrcPort), uint16(l.DstPort))
		d.what = "UDP"
	case *layers.SCTP:
		d.ports(uint16(l.SrcPort), uint16(l.DstPort))
		d.what = "SCTP"
	case *layers.ICMPv4:
		d.what = fmt.Sprintf("ICMP %v", l.TypeCode)
	case *layers.ICMPv6:
		d.what = fmt.Sprintf("ICMPv6 %v", l.TypeCode)
	default:
		return false
	}
	return true
}

// ports adds the ports to the addresses, those of IPv6 in brackets.
func (d *description) ports(src, dst uint16) {
	d.from = net.JoinHostPort(d.from, fmt.Sprint(src))
	d.to = net.JoinHostPort(d.to, fmt.Sprint(dst))
}

// flagLetters are the flags of t in the letters of TCP.Flags.
func flagLetters(t *layers.TCP) string {
	var s strings.Builder
	for _, b := range []struct {
		set    bool
		letter byte
	}{
		{t.SYN, 'S'}, {t.ACK, 'A'}, {t.FIN, 'F'}, {t.RST, 'R'}, {t.PSH, 'P'}, {t.URG, 'U'}, {t.ECE, 'E'}, {t.CWR, 'C'},
	} {
		if b.set {
			s.WriteByte(b.letter)
		}
	}
	if s.Len() == 0 {
		return "no flags"
	}
	return s.String()
}
