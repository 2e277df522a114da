package arp

import (
	"net/netip"

	"lvsdr/arp/ndp"
	"lvsdr/dataplane/frame"
)

// solicited is where solicitations for a are sent.
func solicited(a netip.Addr) frame.MAC { return ndp.GroupMAC(ndp.Group(a)) }

// allNodes is where unsolicited advertisements are sent.
func allNodes() frame.MAC { return ndp.GroupMAC(netip.IPv6LinkLocalAllNodes()) }

// parseNDP reads the IPv6 packet b into p as RFC 4861 says.
func (p *Packet) parseNDP(b []byte) reason {
	m, f := ndp.Parse(b)
	switch f {
	case ndp.NoFault:
	case ndp.Short:
		return short
	case ndp.NotND:
		return notND
	case ndp.BadHopLimit:
		return badHopLimit
	case ndp.BadChecksum:
		return badChecksum
	case ndp.BadOption:
		return badOption
	default:
		return badMessage
	}
	p.SenderMAC, p.Weak = m.LinkAddr, false
	if m.LinkAddr == (frame.MAC{}) {
		// RFC 4861 section 7.2.4 wants us to ask for the address of a host that
		// asks without the option; its frame tells it as well.
		p.SenderMAC, p.Weak = p.Src, true
	}
	if m.Kind == ndp.Solicitation {
		p.Op, p.SenderIP, p.TargetIP = Request, m.Src, m.Target
		return undecided
	}
	p.Op, p.SenderIP, p.TargetIP = Reply, m.Target, m.Dst
	if !m.Solicited {
		p.TargetIP = m.Target
	}
	p.Weak = p.Weak || !m.Override
	return undecided
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
