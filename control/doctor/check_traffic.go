package doctor

import (
	"context"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"time"

	"lvsdr/dataplane/frame"
)

// stuckConnections is how many connections to a real server must hang, and none
// go on, to be news.
const stuckConnections = 2

// checkTraffic listens until Listen is over and judges what came by.
func checkTraffic(ctx context.Context, x *Exam) []Finding {
	select {
	case <-ctx.Done():
		return nil
	case <-time.After(x.Listen):
	}
	t := x.Net.Traffic()
	var found []Finding
	for _, vip := range x.directed() {
		for _, c := range t.Askers[vip] {
			found = append(found, x.asker(vip, c))
		}
		if x.Passive { // else they were asked for
			for _, c := range t.Claims[vip] {
				found = append(found, x.claim(ctx, vip, c))
			}
		}
	}
	if t.BadSums > 0 {
		found = append(found, Finding{Name: ChecksumOffload, Severity: Error, About: "frames for the VIPs",
			Text: fmt.Sprintf("of %d frames for VIPs that left this host %d have a wrong transport checksum, and the real servers drop them: "+
				"a forwarder that loses the note of unfinished checksums (no PACKET_VNET_HDR)", t.Forwarded, t.BadSums),
			Evidence: append([]string{t.BadSum}, x.tapEvidence()...),
			Remedy:   "run lvsdr in its place; or switch the offload off where the frames come from: ethtool -K IFACE tx off"})
	}
	if t.BadSums == 0 && !slices.ContainsFunc(x.directed(), x.ownVIP) { // else it is clear why
		found = append(found, x.stuck(t)...)
	}
	if len(t.TooBig) > 0 {
		found = append(found, Finding{Name: TrafficSeen, About: "path MTU",
			Text:     "a router on the way to clients has a smaller MTU and says so to the VIP; the director passes it on to the real server",
			Evidence: t.TooBig})
	}
	if t.Forwarded == 0 {
		found = append(found, Finding{Name: TrafficSeen, About: "frames for the VIPs",
			Text:     "no client's frame was forwarded while this listened, so checksums and connections of clients were not judged",
			Evidence: []string{fmt.Sprintf("0 frames in %v or more", x.Listen)}, Remedy: "make a request from a client meanwhile, with a longer --timeout"})
	}
	return found
}

// tapEvidence names the other forwarders there may be.
func (x *Exam) tapEvidence() []string {
	var all []string
	for _, f := range x.foreign() {
		all = append(all, f.Text)
	}
	return all
}

// asker judges who asks for others in a VIP's name.
func (x *Exam) asker(vip netip.Addr, c Claim) Finding {
	who := "the host at " + c.MAC.String()
	if rs, ok := x.ownerOf(c.MAC); ok {
		who = "real server " + rs.String()
	}
	return Finding{Name: RSAnnouncesVIP, Severity: Warning, About: who,
		Text:     fmt.Sprintf("it uses VIP %s as the source of its ARP requests, and who hears them sends past the director", vip),
		Evidence: []string{c.Evidence}, Remedy: "on the real server: sysctl -w net.ipv4.conf.all.arp_announce=2"}
}

// ownVIP reports whether this host has the VIP, and so refuses its clients: a
// connection that does not begin is not the real server's fault.
func (x *Exam) ownVIP(vip netip.Addr) bool {
	owner, _ := x.Host.owner(vip)
	return owner != nil
}

// stuck finds real servers on which clients' connections do not begin.
func (x *Exam) stuck(t Traffic) []Finding {
	var found []Finding
	macs := slices.SortedFunc(maps.Keys(t.Towards), func(a, b frame.MAC) int { return slices.Compare(a[:], b[:]) })
	for _, mac := range macs {
		b := t.Towards[mac]
		if b.Stuck < stuckConnections || b.Going > 0 {
			continue
		}
		f := Finding{Name: ClientsStuck, Severity: Error, About: "the host at " + mac.String(),
			Text:     fmt.Sprintf("%d connections of clients to it do not begin: their SYNs are forwarded and repeated", b.Stuck),
			Evidence: []string{b.Syn, fmt.Sprintf("%d connections repeated their SYN, none went on", b.Stuck)},
			Remedy:   "see what the other findings say of it"}
		if rs, ok := x.ownerOf(mac); ok {
			f.About = "real server " + rs.String()
			f.Remedy = "on the real server: lvsdr doctor --rs"
			for _, vip := range x.directed() {
				f.Remedy += " --vip " + vip.String()
			}
			if x.servers[rs] != nil && x.servers[rs].answers.Load() {
				f.Name = RPFilter
				f.Text = fmt.Sprintf("the real server answers this host for the VIP but leaves %d connections of clients without an answer: "+
					"its reverse path filter drops them, or it has no way back to the clients, or a firewall between", b.Stuck)
				f.Remedy = "on the real server: sysctl -w net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.IFACE.rp_filter=0; ip route get CLIENT; " +
					"nstat -az TcpExtIPReversePathFilter"
			}
		}
		found = append(found, f)
	}
	return found
}
