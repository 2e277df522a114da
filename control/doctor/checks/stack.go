package checks

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"lvsdr/control/api"
	"lvsdr/control/doctor/findings"
	"lvsdr/control/policyroute"
	"lvsdr/control/shield"
)

// stack looks at what the host's own stack makes of packets for the VIPs.
func (s *site) stack() []findings.Finding {
	var found []findings.Finding
	for _, vip := range s.VIPs() {
		at, ok := s.vips[vip]
		if !ok {
			continue
		}
		if s.Status != nil {
			found = append(found, s.shielded(vip, at)...)
		}
		if owner, _ := s.Host.Owner(vip); owner == nil {
			found = append(found, s.localClients(vip, at))
		}
	}
	for _, p := range s.Config.Points() {
		l, listens := s.Host.Listens(p.Protocol.String(), netip.AddrPortFrom(p.Addr, p.Port))
		f := findings.Finding{Name: findings.NoListener, About: p.Service.Name(),
			Text:     "no process listens on the VIP's port on this host, and none has to: the director takes frames, not connections",
			Evidence: []string{"no such socket in /proc/net/" + p.Protocol.String()}}
		if listens {
			f.Text = "a process of this host listens on the service's port; clients of the VIP do not reach it, and it does no harm"
			f.Evidence = []string{strings.TrimSuffix(fmt.Sprintf("%s: %s", l.At, l.Process), ": ")}
		}
		found = append(found, f)
	}
	return found
}

// shielded looks for what keeps the kernel silent about a VIP.
func (s *site) shielded(vip netip.Addr, at place) []findings.Finding {
	if slices.Contains(s.Host.Guards, shield.Guard{VIP: vip, Interface: at.link.Name}) {
		return nil
	}
	return []findings.Finding{{Name: findings.NoShield, Severity: findings.Error, About: vip.String(),
		Text: "the rules that keep this host's kernel silent about the VIP are missing: they were removed while the director ran",
		Evidence: []string{fmt.Sprintf("%s is neither in set %s-ipv4 or %[2]s-ipv6 of nft table netdev %s nor in a table of ip rule %d iif %[2]s",
			vip, at.link.Name, shield.Table, policyroute.ShieldPref), s.forwarding(vip)},
		Remedy: "reload the director's configuration, which restores them: kill -HUP " + fmt.Sprint(s.Status.PID)}}
}

// localClients says how a client of a VIP on this host is served.
func (s *site) localClients(vip netip.Addr, at place) findings.Finding {
	f := findings.Finding{Name: findings.LocalClients, About: vip.String(),
		Text:     "a rule leads what processes on this host send to the VIP to the director, so that they are served too",
		Evidence: []string{fmt.Sprintf("ip rule: iif lo to %s", vip)}}
	switch led := slices.Contains(s.Host.Led, vip); {
	case !led && s.Status != nil && s.Status.Local == api.LocalServed:
		f.Severity = findings.Warning
		f.Text = "the director says that processes on this host that use the VIP are served, but the rule or route that leads them to it is missing: another program removed it"
		f.Evidence = []string{fmt.Sprintf("lvsdr status: clients on this host: %s; ip rule: no iif lo with a route to %s", s.Status.Local, vip)}
		f.Remedy = fmt.Sprintf("reload the director's configuration, which restores them: kill -HUP %d", s.Status.PID)
	case !led:
		f.Text = "what a process on this host sends to the VIP does not come in by an interface, where a director receives; test from another host"
		f.Evidence = []string{fmt.Sprintf("ip rule: no iif lo to %s; ip route get %s: by %s", vip, vip, at.link.Name)}
	}
	return f
}
