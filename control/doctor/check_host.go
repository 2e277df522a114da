package doctor

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"lvsdr/control/policyroute"
	"lvsdr/control/shield"
)

// checkDirector asks the running director for its own view.
func checkDirector(_ context.Context, x *Exam) []Finding {
	st := x.Status
	if st == nil {
		return append(x.foreign(), Finding{Name: NotRunning, About: "lvsdr run", Text: "no director of ours is running on this host",
			Remedy: "lvsdr run -c " + x.File + "; or name its socket with --socket"})
	}
	var found []Finding
	problem := func(s Severity, text, evidence, remedy string) {
		found = append(found, Finding{Name: DirectorProblem, Severity: s, About: fmt.Sprintf("process %d", st.PID), Text: text,
			Evidence: []string{evidence}, Remedy: remedy})
	}
	if st.ConfigErr != "" {
		problem(Error, "the last reload was refused, and an older configuration is in force", st.ConfigErr,
			fmt.Sprintf("mend it, then: kill -HUP %d", st.PID))
	}
	if !st.Active {
		problem(Warning, "the director is silent: it does not announce its VIPs", "active: false", "lvsdr status")
	}
	for _, p := range st.Problems {
		problem(Error, "the director has left something out", p, fmt.Sprintf("mend it, then: kill -HUP %d", st.PID))
	}
	for _, s := range st.Services {
		for _, r := range s.Servers {
			if !r.Up {
				problem(Warning, fmt.Sprintf("the director's own checks say that real server %s of %s:%d is down", r.Address, s.Address, s.Port),
					r.Check, "see what the other findings say of it")
			}
		}
	}
	for name, p := range st.Ports {
		if p.Missed > 0 {
			problem(Warning, "the director was too slow for some frames on "+name, fmt.Sprintf("missed %d of %d frames", p.Missed, p.Received+p.Missed),
				"give it more CPU, or run with --workers")
		}
	}
	return found
}

// foreign finds who else might forward here.
func (x *Exam) foreign() []Finding {
	var found []Finding
	for _, t := range x.Host.Taps {
		link := x.Host.link(t.Ifindex)
		if link == nil || !slices.ContainsFunc(x.links(), func(l *Link) bool { return l == link }) {
			continue
		}
		who := "a process that cannot be named"
		if t.PID != 0 {
			who = fmt.Sprintf("process %d (%s)", t.PID, t.Process)
		}
		found = append(found, Finding{Name: ForeignForwarder, About: link.Name,
			Text:     who + " receives the frames of the interface by a packet socket; it is a capture, a DHCP client, or another forwarder",
			Evidence: []string{fmt.Sprintf("/proc/net/packet: interface %d", t.Ifindex)}})
	}
	return found
}

// links are the interfaces of VIPs and real servers, each once.
func (x *Exam) links() []*Link {
	var all []*Link
	add := func(l *Link) {
		if !slices.Contains(all, l) {
			all = append(all, l)
		}
	}
	for _, vip := range x.directed() {
		if at, ok := x.vips[vip]; ok {
			add(at.Link)
		}
	}
	for _, rs := range x.realServers() {
		if n, ok := x.servers[rs]; ok {
			add(n.Link)
		}
	}
	return all
}

// forwarding shows whether the kernel forwards packets of a's family.
func (x *Exam) forwarding(a netip.Addr) string {
	if a.Is4() {
		return x.Host.setting("net.ipv4.ip_forward")
	}
	return x.Host.setting("net.ipv6.conf.all.forwarding")
}

// checkStack looks at what the host's own stack makes of packets for the VIPs.
func checkStack(_ context.Context, x *Exam) []Finding {
	var found []Finding
	for _, vip := range x.directed() {
		at, ok := x.vips[vip]
		if !ok {
			continue
		}
		if x.Status != nil {
			found = append(found, x.shielded(vip, at)...)
		}
		if owner, _ := x.Host.owner(vip); owner == nil {
			found = append(found, x.localClients(vip, at))
		}
	}
	for _, vs := range x.Config.VirtualServers {
		l, listens := x.Host.listens(vs.Protocol.String(), netip.AddrPortFrom(vs.Addr, vs.Port))
		f := Finding{Name: NoListener, About: vs.Name(),
			Text:     "no process listens on the VIP's port on this host, and none has to: the director takes frames, not connections",
			Evidence: []string{"no such socket in /proc/net/" + vs.Protocol.String()}}
		if listens {
			f.Text = "a process of this host listens on the service's port; clients of the VIP do not come to it, nor does it disturb"
			f.Evidence = []string{strings.TrimSuffix(fmt.Sprintf("%s: %s", l.At, l.Process), ": ")}
		}
		found = append(found, f)
	}
	return found
}

// localClients says what a process on this host meets that is a client of a VIP.
func (x *Exam) localClients(vip netip.Addr, at site) Finding {
	f := Finding{Name: LocalClients, About: vip.String(),
		Text:     "a rule leads what processes on this host send to the VIP to the director, so that they are served too",
		Evidence: []string{fmt.Sprintf("ip rule: iif lo to %s", vip)}}
	if !slices.Contains(x.Host.Led, vip) {
		f.Text = "what a process on this host sends to the VIP does not come in by an interface, where a director receives; test from another host"
		f.Evidence = []string{fmt.Sprintf("ip rule: no iif lo to %s; ip route get %s: by %s", vip, vip, at.Link.Name)}
	}
	return f
}

// shielded looks whether the kernel is kept silent about a VIP.
func (x *Exam) shielded(vip netip.Addr, at site) []Finding {
	if slices.Contains(x.Host.Guards, Guard{vip, at.Link.Name}) {
		return nil
	}
	return []Finding{{Name: NoShield, Severity: Error, About: vip.String(),
		Text: "what keeps this host's kernel silent about the VIP is missing: somebody has removed it",
		Evidence: []string{fmt.Sprintf("%s is neither in set %s-ipv4 or %[2]s-ipv6 of nft table netdev %s nor in a table of ip rule %d iif %[2]s",
			vip, at.Link.Name, shield.Table, policyroute.ShieldPref), x.forwarding(vip)},
		Remedy: "reload the director's configuration, which restores it: kill -HUP PID"}}
}
