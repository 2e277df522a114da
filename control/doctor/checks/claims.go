package checks

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"lvsdr/control/doctor/findings"
	"lvsdr/control/doctor/wire"
	"lvsdr/dataplane/frame"
)

// neighbours asks where the real servers are, compares with what the director
// goes by, and gives the MAC addresses.
func (n *network) neighbours(ctx context.Context) (map[netip.Addr]frame.MAC, []findings.Finding) {
	type result struct {
		mac   frame.MAC
		found []findings.Finding
	}
	servers := n.reachable()
	macs := map[netip.Addr]frame.MAC{}
	var found []findings.Finding
	for i, r := range each(servers, func(rs netip.Addr) result {
		mac, found := n.neighbour(ctx, rs)
		return result{mac, found}
	}) {
		if r.mac != (frame.MAC{}) {
			macs[servers[i]] = r.mac
		}
		found = append(found, r.found...)
	}
	return macs, found
}

// neighbour asks where a real server is.
func (n *network) neighbour(ctx context.Context, rs netip.Addr) (frame.MAC, []findings.Finding) {
	at := n.servers[rs]
	claims, err := n.Owners(ctx, at.link, rs)
	switch {
	case err != nil:
		return frame.MAC{}, notTested(about(rs), err)
	case len(claims) == 0:
		return frame.MAC{}, []findings.Finding{{Name: findings.RSSilent, Severity: findings.Error, About: about(rs),
			Text:     "no host answers for the real server's address: it is down, or on another network",
			Evidence: []string{fmt.Sprintf("asked who has %s on %s, as %s: no answer", rs, at.link.Name, at.source)},
			Remedy:   "on the real server: ip addr; ip link"}}
	case len(claims) > 1:
		return frame.MAC{}, []findings.Finding{{Name: findings.RSAddressTwice, Severity: findings.Error, About: about(rs),
			Text: "several hosts have the real server's address", Evidence: evidence(claims),
			Remedy: "give one of them another address"}}
	}
	mac := claims[0].MAC
	if used := n.used[rs]; used != "" && used != mac.String() {
		return mac, []findings.Finding{{Name: findings.RSMACChanged, Severity: findings.Error, About: about(rs),
			Text:     "the director sends to a MAC address that the real server no longer has",
			Evidence: []string{claims[0].String(), "lvsdr status: " + used},
			Remedy:   fmt.Sprintf("on the real server: arping -U -I IFACE -c 3 %s; the director learns it by itself within a minute", rs)}}
	}
	return mac, nil
}

// evidence shows claims.
func evidence(claims []wire.Claim) []string {
	var all []string
	for _, c := range claims {
		all = append(all, c.String())
	}
	return all
}

// claims asks who has the VIPs. This host does not hear its own question,
// so every answer is one too many.
func (n *network) claims(ctx context.Context) []findings.Finding {
	placed := slices.DeleteFunc(n.VIPs(), func(vip netip.Addr) bool { return n.vips[vip].link == nil })
	return eachFinding(placed, func(vip netip.Addr) []findings.Finding {
		claims, err := n.Owners(ctx, n.vips[vip].link, vip)
		if err != nil {
			return notTested(vip.String(), err)
		}
		var found []findings.Finding
		for _, c := range claims {
			found = append(found, n.claim(ctx, vip, c))
		}
		return found
	})
}

// claim judges another host's claim to a VIP. Passively it goes by the MAC address
// alone.
func (n *network) claim(ctx context.Context, vip netip.Addr, c wire.Claim) findings.Finding {
	if rs, ok := n.serverAt(c.MAC); ok {
		return serverClaims(rs, vip, c)
	}
	f := findings.Finding{Name: findings.TwoDirectors, Severity: findings.Error, About: vip.String(), Evidence: []string{c.String()},
		Text:   fmt.Sprintf("another host, at %s, answers for the VIP: another director, or one that has it as an address", c.MAC),
		Remedy: "stop one of the two: ip neigh | grep " + c.MAC.String() + " shows the other one's addresses"}
	a, ok := n.throughOther(ctx, vip, c.MAC)
	switch {
	case !ok || a.Outcome != wire.Accepted:
	case a.From != c.MAC:
		f.Text = fmt.Sprintf("another director, at %s, serves the VIP: a real server answers what is sent to it for the VIP", c.MAC)
		f.Evidence = append(f.Evidence, a.Evidence)
	default:
		f.Name = findings.VIPTaken
		f.Text = fmt.Sprintf("a host at %s, which is no real server of the configuration, has the VIP and answers it itself", c.MAC)
		f.Evidence = append(f.Evidence, a.Evidence)
		f.Remedy = "take the VIP from that host: ip neigh | grep " + c.MAC.String() + " shows its addresses"
	}
	if strings.HasPrefix(c.MAC.String(), "00:00:5e:00:0") {
		f.Text += "; the MAC address is one of VRRP"
	}
	return f
}

// serverClaims is the finding about a real server that claims a VIP.
func serverClaims(rs, vip netip.Addr, c wire.Claim) findings.Finding {
	f := findings.Finding{Name: findings.RSAnswersARP, Severity: findings.Error, About: about(rs), Evidence: []string{c.String()},
		Text: fmt.Sprintf("the real server answers ARP for VIP %s, so that clients send past the director", vip),
		Remedy: "on the real server: sysctl -w net.ipv4.conf.all.arp_ignore=1 net.ipv4.conf.all.arp_announce=2, " +
			"and configure the VIP as /32 on lo only"}
	if vip.Is6() {
		f.Text = fmt.Sprintf("the real server answers neighbour solicitations for VIP %s, so that clients send past the director", vip)
		f.Remedy = fmt.Sprintf("on the real server: ip addr del %s/128 dev IFACE; ip addr add %s/128 dev lo", vip, vip)
	}
	return f
}

// throughOther sends a SYN for a VIP to another host.
func (n *network) throughOther(ctx context.Context, vip netip.Addr, mac frame.MAC) (wire.Answer, bool) {
	at := n.vips[vip]
	if n.passive || !at.source.IsValid() {
		return wire.Answer{}, false
	}
	for _, p := range n.Config.Points() {
		if p.Addr == vip && p.Port != 0 && p.Protocol == frame.ProtoTCP {
			a, err := n.Connect(ctx, wire.Probe{Link: at.link, MAC: mac, Source: at.source, Dst: vip}, p.Port)
			return a, err == nil
		}
	}
	return wire.Answer{}, false
}
