package netlab

import (
	"net/netip"

	"lvsdr/arp"
	"lvsdr/dataplane/frame"
)

// A Packet is a captured frame with its headers read.
type Packet struct {
	Frame
	frame.Header
}

// PacketOf reads the headers of f.
func PacketOf(f Frame) Packet {
	p := Packet{Frame: f}
	frame.Parse(f.Data, &p.Header)
	return p
}

// From and To are the MAC addresses of the frame; zero where it is too short.
func (p *Packet) From() frame.MAC {
	if len(p.Data) < 12 {
		return frame.MAC{}
	}
	return frame.SrcMAC(p.Data)
}

// To is the MAC address that the frame is for; zero where it is too short.
func (p *Packet) To() frame.MAC {
	if len(p.Data) < 12 {
		return frame.MAC{}
	}
	return frame.DstMAC(p.Data)
}

// TCP reports whether p is a TCP segment that has exactly these of the flags
// SYN, ACK and RST.
func (p *Packet) TCP(flags uint8) bool {
	return p.Proto == frame.ProtoTCP && p.Fault == frame.NoFault && p.FragOff == 0 && p.Flags&(frame.SYN|frame.ACK|frame.RST) == flags
}

// IsFrom reports whether p is an IP packet from a.
func (p *Packet) IsFrom(a netip.Addr) bool { return p.ip() && p.Src == frame.AddrFrom(a) }

// IsTo reports whether p is an IP packet to a.
func (p *Packet) IsTo(a netip.Addr) bool { return p.ip() && p.Dst == frame.AddrFrom(a) }

func (p *Packet) ip() bool { return p.Kind == frame.IPv4 || p.Kind == frame.IPv6 }

// Claim returns the statement of an ARP or Neighbor Discovery packet about its
// sender: that addr is at mac. It is false for everything else, and for a probe,
// which says nothing.
func (p *Packet) Claim() (addr netip.Addr, mac frame.MAC, ok bool) {
	in, ok := arp.Parse(p.Data)
	if !ok || in.SenderIP.IsUnspecified() {
		return netip.Addr{}, frame.MAC{}, false
	}
	return in.SenderIP, in.SenderMAC, true
}

// Owner is the node one of whose interfaces has the MAC address; nil: none has.
func (l *Lab) Owner(mac frame.MAC) *Node {
	for _, n := range l.Nodes() {
		if frame.MAC(n.MAC) == mac {
			return n
		}
		for _, p := range n.Ports[1:] {
			if frame.MAC(p.MAC) == mac {
				return n
			}
		}
	}
	return nil
}
