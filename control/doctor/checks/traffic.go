package checks

import (
	"context"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"time"

	"lvsdr/control/doctor/findings"
	"lvsdr/control/doctor/wire"
	"lvsdr/dataplane/frame"
)

// stuckConnections is how many connections to a real server must hang, and none
// be established, to be reported.
const stuckConnections = 2

// traffic listens for a while and judges what came by. The real servers of
// answering have answered this host for a VIP.
func (n *network) traffic(ctx context.Context, listen time.Duration, answering map[netip.Addr]bool) []findings.Finding {
	select {
	case <-ctx.Done():
		return nil
	case <-time.After(listen):
	}
	t := n.Traffic()
	found := n.heard(ctx, t)
	if t.BadSums > 0 {
		found = append(found, n.badSums(t))
	} else if !slices.ContainsFunc(n.VIPs(), n.isOwn) { // else the cause is known
		found = append(found, n.stuck(t, answering)...)
	}
	if len(t.TooBig) > 0 {
		found = append(found, findings.Finding{Name: findings.TrafficSeen, About: "path MTU",
			Text:     "a router on the way to clients has a smaller MTU and says so to the VIP; the director passes it on to the real server",
			Evidence: t.TooBig})
	}
	if t.Forwarded == 0 {
		found = append(found, findings.Finding{Name: findings.TrafficSeen, About: "frames for the VIPs",
			Text:     "no client's frame was forwarded while the doctor listened, so checksums and connections of clients were not judged",
			Evidence: []string{fmt.Sprintf("0 frames in %v or more", listen)}, Remedy: "make a request from a client meanwhile, with a longer --timeout"})
	}
	return found
}

// heard judges what other hosts have said about the VIPs.
func (n *network) heard(ctx context.Context, t wire.Traffic) []findings.Finding {
	var found []findings.Finding
	for _, vip := range n.VIPs() {
		for _, c := range t.Askers[vip] {
			found = append(found, n.asker(c))
		}
		if n.passive { // else they were asked for
			for _, c := range t.Claims[vip] {
				found = append(found, n.claim(ctx, vip, c))
			}
		}
	}
	return found
}

// asker judges a host that asks for others with a VIP as its source.
func (n *network) asker(c wire.Claim) findings.Finding {
	who := "the host at " + c.MAC.String()
	if rs, ok := n.serverAt(c.MAC); ok {
		who = about(rs)
	}
	return findings.Finding{Name: findings.RSAnnouncesVIP, Severity: findings.Warning, About: who,
		Text:     fmt.Sprintf("it uses VIP %s as the source of its ARP requests, and hosts that hear them send past the director", c.Addr),
		Evidence: []string{c.String()}, Remedy: "on the real server: sysctl -w net.ipv4.conf.all.arp_announce=2"}
}

// badSums is the finding about frames with wrong checksums that left this host.
func (n *network) badSums(t wire.Traffic) findings.Finding {
	f := findings.Finding{Name: findings.ChecksumOffload, Severity: findings.Error, About: "frames for the VIPs",
		Text: fmt.Sprintf("of %d frames for VIPs that left this host %d have a wrong transport checksum, and the real servers drop them: "+
			"a forwarder loses the note that a checksum is unfinished (no PACKET_VNET_HDR)", t.Forwarded, t.BadSums),
		Evidence: []string{t.BadSum},
		Remedy:   "run lvsdr in its place; or switch the offload off where the frames come from: ethtool -K IFACE tx off"}
	for _, other := range n.forwarders() {
		f.Evidence = append(f.Evidence, other.Text)
	}
	return f
}

// isOwn reports whether this host has the VIP, and so refuses its clients: a
// connection that is not established is not the real server's fault then.
func (d *Director) isOwn(vip netip.Addr) bool {
	owner, _ := d.Host.Owner(vip)
	return owner != nil
}

// stuck finds real servers on which clients' connections are not established.
func (n *network) stuck(t wire.Traffic, answering map[netip.Addr]bool) []findings.Finding {
	var found []findings.Finding
	macs := slices.SortedFunc(maps.Keys(t.Towards), func(a, b frame.MAC) int { return slices.Compare(a[:], b[:]) })
	for _, mac := range macs {
		if c := t.Towards[mac]; c.Stuck >= stuckConnections && c.Established == 0 {
			found = append(found, n.stuckAt(mac, c, answering))
		}
	}
	return found
}

// stuckAt is the finding about connections that were sent to a MAC address.
func (n *network) stuckAt(mac frame.MAC, c wire.Connections, answering map[netip.Addr]bool) findings.Finding {
	f := findings.Finding{Name: findings.ClientsStuck, Severity: findings.Error, About: "the host at " + mac.String(),
		Text:     fmt.Sprintf("%d connections of clients to it are not established: their SYNs are forwarded and repeated", c.Stuck),
		Evidence: []string{c.Syn, fmt.Sprintf("%d connections repeated their SYN, none went on", c.Stuck)},
		Remedy:   "see the other findings about it"}
	rs, ok := n.serverAt(mac)
	if !ok {
		return f
	}
	f.About = about(rs)
	if answering[rs] {
		f.Name = findings.RPFilter
		f.Text = fmt.Sprintf("the real server answers this host for the VIP but not %d connections of clients: "+
			"its reverse path filter drops them, or it has no route back to the clients, or a firewall in between", c.Stuck)
		f.Remedy = "on the real server: sysctl -w net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.IFACE.rp_filter=0; ip route get CLIENT; " +
			"nstat -az TcpExtIPReversePathFilter"
		return f
	}
	f.Remedy = "on the real server: lvsdr doctor --rs"
	for _, vip := range n.VIPs() {
		f.Remedy += " --vip " + vip.String()
	}
	return f
}
