package checks

import (
	"context"
	"fmt"
	"net/netip"

	"lvsdr/control/doctor/findings"
	"lvsdr/control/doctor/wire"
	"lvsdr/dataplane/frame"
)

// sizes sends each real server a packet as long as the link takes.
func (n *network) sizes(ctx context.Context) []findings.Finding {
	return eachFinding(n.reachable(), func(rs netip.Addr) []findings.Finding {
		at, mac := n.servers[rs], n.macs[rs]
		if mac == (frame.MAC{}) || !at.source.IsValid() {
			return nil
		}
		p := wire.Probe{Link: at.link, MAC: mac, Source: at.source, Dst: rs}
		long, err := n.Ping(ctx, p, at.link.MTU)
		if err != nil {
			return notTested(about(rs), err)
		}
		if long.Outcome == wire.Echoed && long.Whole {
			return nil
		}
		short, err := n.Ping(ctx, p, 0)
		if err != nil {
			return notTested(about(rs), err)
		}
		if short.Outcome != wire.Echoed {
			return nil // it does not answer pings, or not at all
		}
		return []findings.Finding{smallMTU(p, long, short)}
	})
}

// smallMTU is the finding about a real server that answers a short ping and a long
// one in fragments or not at all.
func smallMTU(p wire.Probe, long, short wire.Answer) findings.Finding {
	mtu := p.Link.MTU
	f := findings.Finding{Name: findings.SmallMTU, Severity: findings.Error, About: about(p.Dst),
		Text: fmt.Sprintf("packets of %d bytes, this link's MTU, get lost on the way to the real server or back: "+
			"connections are established, and long answers hang", mtu),
		Evidence: []string{long.Evidence, short.Evidence},
		Remedy: fmt.Sprintf("find the link with the smaller MTU (ping -M do -s %d %s) and raise it, or on the real server: "+
			"ip link set IFACE mtu N", mtu-p.IPLen()-frame.ICMPLen, p.Dst)}
	if long.Outcome == wire.Echoed {
		f.Severity = findings.Warning
		f.Text = fmt.Sprintf("the real server answers a packet of %d bytes in fragments: the MTU of its interface is smaller", mtu)
		f.Remedy = fmt.Sprintf("on the real server: ip link set IFACE mtu %d", mtu)
	}
	return f
}
