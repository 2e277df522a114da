package checks

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"lvsdr/control/doctor/facts"
	"lvsdr/control/doctor/findings"
	"lvsdr/control/realserver"
)

// A RealServer holds all that is known of a real server, on that host.
type RealServer struct {
	Host *facts.Host
	VIPs []netip.Addr
	Port uint16 // of the service; 0: any
	// Tunnel is how the director's packets come in; without a kind: as they are.
	Tunnel realserver.Tunnel
	// Director is the director's address on this host's network, for NAT, with which
	// this host does not need the VIP; invalid: the method is not NAT.
	Director netip.Addr
}

// Examine makes the checks of a real server. An error is that of ctx.
func (r *RealServer) Examine(ctx context.Context, tell Progress) (*findings.Report, error) {
	e := begin(ctx, "real server", tell)
	if r.Director.IsValid() {
		e.add("default route", r.gateway())
		e.add("firewall", r.firewall())
		return e.end()
	}
	if r.Tunnel.Kind != "" {
		e.add("tunnel", r.tunnel())
	}
	e.add("VIP on the loopback", r.loopback())
	e.add("ARP settings", r.arpSettings())
	e.add("listener", r.listener())
	e.add("reverse path filter", r.rpFilter())
	e.add("routes and MTU", r.routes())
	e.add("firewall", r.firewall())
	e.add("clients on this host", r.ownClients())
	return e.end()
}

// loopback looks for each VIP where a real server should have it: on lo, with
// /32 or /128.
func (r *RealServer) loopback() []findings.Finding {
	var found []findings.Finding
	for _, vip := range r.VIPs {
		host := netip.PrefixFrom(vip, vip.BitLen())
		link, prefix := r.Host.Owner(vip)
		f := findings.Finding{Severity: findings.Error, About: vip.String(), Remedy: fmt.Sprintf("ip addr add %s dev lo", host)}
		switch {
		case link == nil:
			f.Name = findings.RSWithoutVIP
			f.Text = "this host does not have the VIP and drops what the director sends it"
			f.Evidence = []string{"ip addr: " + vip.String() + " is on no interface"}
		case prefix != host:
			f.Name = findings.BadVIPPrefix
			f.Text = "the VIP's prefix covers other addresses, so this host takes packets to all of them as its own, or sends them astray"
			f.Evidence = []string{fmt.Sprintf("ip addr: %s on %s", prefix, link.Name)}
			f.Remedy = fmt.Sprintf("ip addr del %s dev %s && ip addr add %s dev lo", prefix, link.Name, host)
		case link.Loopback || link.NoARP && vip.Is4() && r.Host.Number("net.ipv4.conf.all.arp_ignore") > 0:
			continue
		case !link.Ethernet() && !link.NoARP:
			continue
		default:
			f.Name = findings.RSAnswersARP
			f.Text = "the VIP is on an interface to the network, where this host answers ARP for it"
			f.Evidence = []string{fmt.Sprintf("ip addr: %s on %s", prefix, link.Name)}
			f.Remedy = fmt.Sprintf("ip addr del %s dev %s && ip addr add %s dev lo", prefix, link.Name, host)
		}
		found = append(found, f)
	}
	return found
}

// arpSettings looks at arp_ignore and arp_announce, for which the kernel uses the
// greater of "all" and the interface's; lo's own have no effect.
func (r *RealServer) arpSettings() []findings.Finding {
	if !slices.ContainsFunc(r.VIPs, netip.Addr.Is4) {
		return nil // IPv6 answers for addresses of the interface alone
	}
	var found []findings.Finding
	for i := range r.Host.Links {
		l := &r.Host.Links[i]
		if !l.Ethernet() || !l.Up || l.NoARP {
			continue
		}
		settings := func(name string) []string {
			return []string{r.Host.Setting("net.ipv4.conf.all." + name), r.Host.Setting("net.ipv4.conf." + l.Name + "." + name)}
		}
		if r.Host.Greatest(l.Name, "arp_ignore") == 0 {
			found = append(found, findings.Finding{Name: findings.RSAnswersARP, Severity: findings.Error, About: l.Name,
				Text:     "this host answers ARP for the VIP on the interface, so that clients send to it past the director",
				Evidence: settings("arp_ignore"), Remedy: "sysctl -w net.ipv4.conf.all.arp_ignore=1"})
		}
		if r.Host.Greatest(l.Name, "arp_announce") < 2 {
			found = append(found, findings.Finding{Name: findings.RSAnnouncesVIP, Severity: findings.Warning, About: l.Name,
				Text:     "this host may use the VIP as the source of its ARP requests, and hosts that hear them send past the director",
				Evidence: settings("arp_announce"), Remedy: "sysctl -w net.ipv4.conf.all.arp_announce=2"})
		}
	}
	return found
}

// listener looks for a server on the port.
func (r *RealServer) listener() []findings.Finding {
	if r.Port == 0 {
		return []findings.Finding{{Name: findings.NotTested, About: "listener", Text: "no port was given, so the listener was not checked",
			Remedy: "give --port"}}
	}
	var found []findings.Finding
	for _, vip := range r.VIPs {
		at := netip.AddrPortFrom(vip, r.Port)
		if _, ok := r.Host.Listens("tcp", at); ok {
			continue
		}
		if _, ok := r.Host.Listens("udp", at); ok {
			continue
		}
		f := findings.Finding{Name: findings.RSWrongPort, Severity: findings.Error, About: at.String(),
			Text:     "nothing listens on the VIP's port, and this host refuses clients in the VIP's name",
			Evidence: r.listeners(), Remedy: fmt.Sprintf("let the server listen on %s or on all addresses; Direct Routing cannot change ports", at)}
		if slices.ContainsFunc(r.Host.Listeners, func(l facts.Listener) bool { return l.At.Port() == r.Port }) {
			f.Text = "the server listens on other addresses than the VIP, and this host refuses clients in the VIP's name"
		}
		found = append(found, f)
	}
	return found
}

// maxListeners bounds the sockets that are shown.
const maxListeners = 12

// listeners shows the TCP sockets that listen.
func (r *RealServer) listeners() []string {
	var all []string
	for _, l := range r.Host.Listeners {
		if l.Protocol == "tcp" && len(all) < maxListeners {
			all = append(all, strings.TrimSuffix(fmt.Sprintf("listening: %s %s", l.At, l.Process), " "))
		}
	}
	if len(all) == 0 {
		all = []string{"no TCP socket listens at all"}
	}
	return all
}

// rpFilter looks for interfaces that drop what would be answered by another
// one, on hosts that have more than one.
func (r *RealServer) rpFilter() []findings.Finding {
	if !slices.ContainsFunc(r.VIPs, netip.Addr.Is4) {
		return nil // the kernel filters so in IPv4 alone
	}
	var found []findings.Finding
	var wired []*facts.Link
	for i := range r.Host.Links {
		if l := &r.Host.Links[i]; l.Ethernet() && !l.NoARP && l.Up && slices.ContainsFunc(l.Addrs, func(p netip.Prefix) bool { return p.Addr().Is4() }) {
			wired = append(wired, l)
		}
	}
	for _, l := range wired {
		if len(wired) < 2 || r.Host.Greatest(l.Name, "rp_filter") != 1 {
			continue
		}
		found = append(found, findings.Finding{Name: findings.RPFilter, Severity: findings.Warning, About: l.Name,
			Text: "frames of clients that are answered by another interface are silently dropped when they come in by this one",
			Evidence: []string{r.Host.Setting("net.ipv4.conf.all.rp_filter"), r.Host.Setting("net.ipv4.conf." + l.Name + ".rp_filter"),
				fmt.Sprintf("%d interfaces with IPv4 addresses; ip route get CLIENT says by which an answer leaves", len(wired))},
			Remedy: fmt.Sprintf("sysctl -w net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.%s.rp_filter=0 (2 is enough)", l.Name)})
	}
	return found
}

// routes shows what matters of routes and MTU.
func (r *RealServer) routes() []findings.Finding {
	var found []findings.Finding
	if len(r.Host.Defaults) == 0 {
		found = append(found, findings.Finding{Name: findings.NoDefaultRoute, About: "routes",
			Text:     "there is no default route: only clients on this host's own networks get answers",
			Evidence: []string{"ip route show default: none"}, Remedy: "ip route add default via ROUTER, not the director"})
	}
	for i := range r.Host.Links {
		if l := &r.Host.Links[i]; l.Ethernet() && l.Up && len(l.Addrs) > 0 {
			found = append(found, findings.Finding{Name: findings.MTU, About: l.Name,
				Text:     fmt.Sprintf("the MTU is %d; it should be that of the director's interface and of every link to it and to the clients", l.MTU),
				Evidence: []string{fmt.Sprintf("ip link show %s: mtu %d", l.Name, l.MTU)}})
		}
	}
	return found
}

// firewall shows what can be seen of the packet filter.
func (r *RealServer) firewall() []findings.Finding {
	var found []findings.Finding
	fw := &r.Host.Firewall
	for _, vip := range r.VIPs {
		for _, d := range fw.Naming(vip) {
			found = append(found, findings.Finding{Name: findings.RSFirewall, Severity: findings.Error, About: vip.String(),
				Text:     "a rule of this host's firewall drops or rejects packets that have the VIP's address",
				Evidence: []string{"nft: " + d.Where}, Remedy: "nft -a list ruleset; nft delete rule ... handle N"})
		}
	}
	for _, b := range r.Host.Blocks {
		for _, vip := range r.VIPs {
			if b.To.Contains(vip) {
				found = append(found, findings.Finding{Name: findings.RSFirewall, Severity: findings.Error, About: vip.String(),
					Text:     "a policy rule of this host drops packets for the VIP before it sees that they are its own",
					Evidence: []string{b.Text}, Remedy: fmt.Sprintf("ip rule del pref %d", b.Priority)})
			}
		}
	}
	f := findings.Finding{Name: findings.Firewall, About: "packet filter", Text: fmt.Sprintf("the packet filter has %d rules; it must let in the VIP's port for any client", fw.Rules),
		Evidence: []string{fmt.Sprintf("nftables: %d rules", fw.Rules)}, Remedy: "nft list ruleset"}
	if len(fw.Legacy) > 0 {
		f.Evidence = append(f.Evidence, "iptables (legacy) is in use, its rules are not seen: "+strings.Join(fw.Legacy, ", "))
		f.Remedy = "nft list ruleset; iptables-legacy -S"
	}
	if fw.Err != nil {
		f.Text = "the packet filter cannot be seen from here; it must let in the VIP's port for any client"
		f.Evidence = []string{fw.Err.Error()}
	}
	if fw.Rules > 0 || len(fw.Legacy) > 0 || fw.Err != nil {
		found = append(found, f)
	}
	return found
}

// ownClients says what a client on this host meets.
func (r *RealServer) ownClients() []findings.Finding {
	port := "PORT"
	if r.Port != 0 {
		port = fmt.Sprint(r.Port)
	}
	var found []findings.Finding
	for _, vip := range r.VIPs {
		owner, _ := r.Host.Owner(vip)
		switch {
		case owner == nil:
		case slices.Contains(r.Host.Led, vip):
			found = append(found, findings.Finding{Name: findings.OwnClients, About: vip.String(),
				Text:     "clients on this host itself are led to the director, and need it",
				Evidence: []string{fmt.Sprintf("ip rule: iif lo to %s", vip)}})
		default:
			found = append(found, findings.Finding{Name: findings.OwnClients, About: vip.String(),
				Text:     "clients on this host itself reach its own server and not the director, because the VIP is an address of this host",
				Evidence: []string{fmt.Sprintf("ip route get %s: local", vip)},
				Remedy:   fmt.Sprintf("to balance them as well: lvsdr realserver start --vip %s --balance-local-clients %s", vip, port)})
		}
	}
	return found
}
