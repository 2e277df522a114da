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
	var parts []string
	var from, to, fromPort, toPort, ttl, transport string
	p := gopacket.NewPacket(f, layers.LayerTypeEthernet, gopacket.DecodeOptions{NoCopy: true})
	rest := -1 // bytes above the last header described
	for _, l := range p.Layers() {
		described := true
		switch l := l.(type) {
		case *layers.Ethernet:
			parts = append(parts, fmt.Sprintf("%v > %v", l.SrcMAC, l.DstMAC))
		case *layers.Dot1Q:
			parts = append(parts, fmt.Sprintf("vlan %d", l.VLANIdentifier))
		case *layers.ARP:
			parts = append(parts, fmt.Sprintf("ARP op %d from %v to %v", l.Operation,
				net.IP(l.SourceProtAddress), net.IP(l.DstProtAddress)))
		case *layers.IPv4:
			if from != "" { // a tunnel: the outer packet is the one described
				described = false
				break
			}
			from, to = l.SrcIP.String(), l.DstIP.String()
			ttl = fmt.Sprintf(" ttl %d", l.TTL)
			if l.Flags&layers.IPv4MoreFragments != 0 || l.FragOffset != 0 {
				ttl += fmt.Sprintf(" fragment at %d", int(l.FragOffset)*8)
			}
			transport = l.Protocol.String()
		case *layers.TCP:
			fromPort, toPort = fmt.Sprintf(":%d", l.SrcPort), fmt.Sprintf(":%d", l.DstPort)
			transport = fmt.Sprintf("TCP %s seq %d ack %d", flagLetters(l), l.Seq, l.Ack)
		case *layers.UDP:
			fromPort, toPort = fmt.Sprintf(":%d", l.SrcPort), fmt.Sprintf(":%d", l.DstPort)
			transport = "UDP"
		case *layers.SCTP:
			fromPort, toPort = fmt.Sprintf(":%d", l.SrcPort), fmt.Sprintf(":%d", l.DstPort)
			transport = "SCTP"
		case *layers.ICMPv4:
			transport = fmt.Sprintf("ICMP %v", l.TypeCode)
		default:
			described = false
		}
		if described {
			rest = len(l.LayerPayload())
		}
	}
	if from != "" {
		parts = append(parts, from+fromPort+" > "+to+toPort+ttl, transport)
	}
	if rest >= 0 {
		parts = append(parts, fmt.Sprintf("%d bytes", rest))
	}
	if e := p.ErrorLayer(); e != nil {
		parts = append(parts, "damaged: "+e.Error().Error())
	}
	return strings.Join(parts, ", ")
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
