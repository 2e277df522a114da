package arp

import (
	"net/netip"

	"lvsdr/arp/ndp"
	"lvsdr/dataplane/frame"
)

// solicited is where solicitations for a are sent.
func solicited(a netip.Addr) frame.MAC { return ndp.GroupMAC(ndp.Group(a)) }

// allNodes is where advertisements that nobody asked for are sent.
func allNodes() frame.MAC { return ndp.GroupMAC(netip.IPv6LinkLocalAllNodes()) }

// parseNDP reads the IPv6 packet b into in and holds it against RFC 4861.
func (in *Input) parseNDP(b []byte) Reason {
	m, f := ndp.Parse(b)
	switch f {
	case ndp.NoFault:
	case ndp.Short:
		return Short
	case ndp.NotND:
		return NotND
	case ndp.BadHopLimit:
		return BadHopLimit
	case ndp.BadChecksum:
		return BadChecksum
	case ndp.BadOption:
		return BadOption
	default:
		return BadMessage
	}
	in.SenderMAC, in.Weak = m.LinkAddr, false
	if m.LinkAddr == (frame.MAC{}) {
		// RFC 4861 section 7.2.4 would have us ask for the address of somebody
		// who asks without the option; his frame tells it as well.
		in.SenderMAC, in.Weak = in.Src, true
	}
	if m.Kind == ndp.Solicitation {
		in.Op, in.SenderIP, in.TargetIP = Request, m.Src, m.Target
		return Undecided
	}
	in.Op, in.SenderIP, in.TargetIP = Reply, m.Target, m.Dst
	if !m.Solicited {
		in.TargetIP = m.Target
	}
	in.Weak = in.Weak || !m.Override
	return Undecided
}

// message is the message that says p, whose addresses must be IPv6.
func (p *Packet) message() ndp.Message {
	if p.Op == Request {
		m := ndp.Message{Kind: ndp.Solicitation, Src: p.SenderIP, Dst: p.TargetIP, Target: p.TargetIP}
		if p.Dst == solicited(p.TargetIP) {
			m.Dst = ndp.Group(p.TargetIP)
		}
		if !p.SenderIP.IsUnspecified() { // RFC 4861 section 4.3: not in a probe
			m.LinkAddr = p.SenderMAC
		}
		return m
	}
	// A VIP speaks for itself. RFC 4861 section 7.2.4: the answer to a probe
	// goes to all and is not called solicited; section 7.2.6: nor is an
	// announcement. The override flag is for all who own the address.
	m := ndp.Message{
		Kind: ndp.Advertisement, Src: p.SenderIP, Dst: p.TargetIP, Target: p.SenderIP,
		Solicited: true, Override: !p.Weak, LinkAddr: p.SenderMAC,
	}
	if p.TargetIP.IsUnspecified() || p.TargetIP == p.SenderIP {
		m.Dst, m.Solicited = netip.IPv6LinkLocalAllNodes(), false
	}
	return m
}
