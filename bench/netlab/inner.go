package netlab

import (
	"encoding/binary"
	"slices"
	"strings"

	"lvsdr/control/realserver"
	"lvsdr/dataplane/frame"
)

// The protocols of tunnels.
const (
	protoIPIP   = frame.Proto(4)
	protoIPv6in = frame.Proto(41)
	protoGRE    = frame.Proto(47)
)

// tunnel names the tunnel that p is in: IPIP, GRE or GUE; empty: in none. UDP to the
// lab's port is GUE.
func (p *Packet) tunnel() string {
	switch {
	case !p.ip() || p.Fault != frame.NoFault || p.FragOff != 0:
		return ""
	case p.Proto == protoIPIP || p.Proto == protoIPv6in:
		return "IPIP"
	case p.Proto == protoGRE:
		return "GRE"
	case p.Proto == frame.ProtoUDP && p.DstPort == guePort:
		return "GUE"
	}
	return ""
}

// Inner is the packet that p carries in a tunnel, in a frame with p's MAC addresses;
// false: it carries none.
func (p *Packet) Inner() (Packet, bool) {
	kind, start := strings.ToLower(p.tunnel()), int(p.L4)
	if kind == "" {
		return Packet{}, false
	}
	if kind == realserver.KindGUE {
		start += 8 // the UDP header
	}
	inner := innerPacket(kind, p.Data[min(start, int(p.End)):p.End])
	if len(inner) == 0 {
		return Packet{}, false
	}
	etherType, ok := etherTypes[inner[0]>>4]
	if !ok {
		return Packet{}, false
	}
	f := p.Frame
	f.Data = slices.Concat(p.Data[:12], binary.BigEndian.AppendUint16(nil, etherType), inner)
	return PacketOf(f), true
}
