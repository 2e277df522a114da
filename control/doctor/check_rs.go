package doctor

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// checkLoopback looks for each VIP where a real server should have it: on lo,
// alone in its prefix.
func checkLoopback(_ context.Context, x *Exam) []Finding {
	var found []Finding
	for _, vip := range x.VIPs {
		host := netip.PrefixFrom(vip, vip.BitLen())
		link, prefix := x.Host.owner(vip)
		f := Finding{Severity: Error, About: vip.String(), Remedy: fmt.Sprintf("ip addr add %s dev lo", host)}
		switch {
		case link == nil:
			f.Name = RSWithoutVIP
			f.Text = "this host does not have the VIP and drops what the director sends it"
			f.Evidence = []string{"ip addr: " + vip.String() + " is on no interface"}
		case prefix != host:
			f.Name = BadVIPPrefix
			f.Text = "the VIP has a prefix with other addresses, so this host takes packets to all of them for its own, or sends them astray"
			f.Evidence = []string{fmt.Sprintf("ip addr: %s on %s", prefix, link.Name)}
			f.Remedy = fmt.Sprintf("ip addr del %s dev %s && ip addr add %s dev lo", prefix, link.Name, host)
		case link.Loopback || link.NoARP && vip.Is4() && x.Host.number("net.ipv4.conf.all.arp_ignore") > 0:
			continue
		case !link.Ethernet() && !link.NoARP:
			continue
		default:
			f.Name = RSAnswersARP
			f.Text = "the VIP is on an interface to the network, for which this host answers who has it"
			f.Evidence = []string{fmt.Sprintf("ip addr: %s on %s", prefix, link.Name)}
			f.Remedy = fmt.Sprintf("ip addr del %s dev %s && ip addr add %s dev lo", prefix, link.Name, host)
		}
		found = append(found, f)
	}
	return found
}

// checkARPSettings looks at arp_ignore and arp_announce, where the kernel goes
// by the greater of "all" and of the interface; lo's own have no effect.
func checkARPSettings(_ context.Context, x *Exam) []Finding {
	if !slices.ContainsFunc(x.VIPs, netip.Addr.Is4) {
		return nil // IPv6 answers for addresses of the interface alone
	}
	var found []Finding
	for i := range x.Host.Links {
		l := &x.Host.Links[i]
		if !l.Ethernet() || !l.Up || l.NoARP {
			continue
		}
		settings := func(name string) []string {
			return []string{x.Host.setting("net.ipv4.conf.all." + name), x.Host.setting("net.ipv4.conf." + l.Name + "." + name)}
		}
		if x.Host.greatest(l.Name, "arp_ignore") == 0 {
			found = append(found, Finding{Name: RSAnswersARP, Severity: Error, About: l.Name,
				Text:     "this host answers ARP for the VIP on the interface, so that clients send to it past the director",
				Evidence: settings("arp_ignore"), Remedy: "sysctl -w net.ipv4.conf.all.arp_ignore=1"})
		}
		if x.Host.greatest(l.Name, "arp_announce") < 2 {
			found = append(found, Finding{Name: RSAnnouncesVIP, Severity: Warning, About: l.Name,
				Text:     "this host may use the VIP as the source of its ARP requests, and who hears them sends past the director",
				Evidence: settings("arp_announce"), Remedy: "sysctl -w net.ipv4.conf.all.arp_announce=2"})
		}
	}
	return found
}

// checkListener looks for a server on the port.
func checkListener(_ context.Context, x *Exam) []Finding {
	if x.Port == 0 {
		return []Finding{{Name: NotTested, About: "listener", Text: "no port was given, so it was not looked whether a server listens",
			Remedy: "give --port"}}
	}
	var found []Finding
	for _, vip := range x.VIPs {
		at := netip.AddrPortFrom(vip, x.Port)
		if _, ok := x.Host.listens("tcp", at); ok {
			continue
		}
		if _, ok := x.Host.listens("udp", at); ok {
			continue
		}
		f := Finding{Name: RSWrongPort, Severity: Error, About: at.String(),
			Text:     "nothing listens on the VIP's port, and this host refuses clients in the VIP's name",
			Evidence: x.listeners(), Remedy: fmt.Sprintf("let the server listen on %s or on all addresses; Direct Routing cannot change ports", at)}
		if slices.ContainsFunc(x.Host.Listeners, func(l Listener) bool { return l.At.Port() == x.Port }) {
			f.Text = "the server listens on other addresses than the VIP, and this host refuses clients in the VIP's name"
		}
		found = append(found, f)
	}
	return found
}

// maxListeners bounds the sockets that are shown.
const maxListeners = 12

// listeners shows the TCP sockets that listen.
func (x *Exam) listeners() []string {
	var all []string
	for _, l := range x.Host.Listeners {
		if l.Protocol == "tcp" && len(all) < maxListeners {
			all = append(all, strings.TrimSuffix(fmt.Sprintf("listening: %s %s", l.At, l.Process), " "))
		}
	}
	if len(all) == 0 {
		all = []string{"no TCP socket listens at all"}
	}
	return all
}

// checkRPFilter looks for interfaces that drop what would be answered by
// another one, on hosts that have another one.
func checkRPFilter(_ context.Context, x *Exam) []Finding {
	if !slices.ContainsFunc(x.VIPs, netip.Addr.Is4) {
		return nil // the kernel filters so in IPv4 alone
	}
	var found []Finding
	var wired []*Link
	for i := range x.Host.Links {
		if l := &x.Host.Links[i]; l.Ethernet() && l.Up && slices.ContainsFunc(l.Addrs, func(p netip.Prefix) bool { return p.Addr().Is4() }) {
			wired = append(wired, l)
		}
	}
	for _, l := range wired {
		if len(wired) < 2 || x.Host.greatest(l.Name, "rp_filter") != 1 {
			continue
		}
		found = append(found, Finding{Name: RPFilter, Severity: Warning, About: l.Name,
			Text: "frames of clients whose answers leave by another interface are dropped when they come in by this one, silently",
			Evidence: []string{x.Host.setting("net.ipv4.conf.all.rp_filter"), x.Host.setting("net.ipv4.conf." + l.Name + ".rp_filter"),
				fmt.Sprintf("%d interfaces with IPv4 addresses; ip route get CLIENT says by which an answer leaves", len(wired))},
			Remedy: fmt.Sprintf("sysctl -w net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.%s.rp_filter=0 (2 will do as well)", l.Name)})
	}
	return found
}

// checkRoutes shows what matters of routes and MTU.
func checkRoutes(_ context.Context, x *Exam) []Finding {
	var found []Finding
	if len(x.Host.Defaults) == 0 {
		found = append(found, Finding{Name: NoDefaultRoute, About: "routes",
			Text:     "there is no default route: only clients on this host's own networks get answers",
			Evidence: []string{"ip route show default: none"}, Remedy: "ip route add default via ROUTER, not the director"})
	}
	for i := range x.Host.Links {
		if l := &x.Host.Links[i]; l.Ethernet() && l.Up && len(l.Addrs) > 0 {
			found = append(found, Finding{Name: MTU, About: l.Name,
				Text:     fmt.Sprintf("the MTU is %d; it should be that of the director's interface and of every link to it and to the clients", l.MTU),
				Evidence: []string{fmt.Sprintf("ip link show %s: mtu %d", l.Name, l.MTU)}})
		}
	}
	return found
}

// checkFirewall shows what can be seen of the packet filter.
func checkFirewall(_ context.Context, x *Exam) []Finding {
	var found []Finding
	fw := &x.Host.Firewall
	for _, vip := range x.VIPs {
		for _, d := range fw.drops(vip) {
			found = append(found, Finding{Name: RSFirewall, Severity: Error, About: vip.String(),
				Text:     "a rule of this host's firewall drops or rejects packets that have the VIP's address",
				Evidence: []string{"nft: " + d.Where}, Remedy: "nft -a list ruleset; nft delete rule ... handle N"})
		}
	}
	for _, r := range x.Host.Blocks {
		for _, vip := range x.VIPs {
			if r.To.Contains(vip) {
				found = append(found, Finding{Name: RSFirewall, Severity: Error, About: vip.String(),
					Text:     "a policy rule of this host drops packets for the VIP before they are found to be its own",
					Evidence: []string{r.Text}, Remedy: fmt.Sprintf("ip rule del pref %d", r.Priority)})
			}
		}
	}
	f := Finding{Name: Firewall, About: "packet filter", Text: fmt.Sprintf("the packet filter has %d rules; it must let in the VIP's port for any client", fw.Rules),
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

// checkOwnClients says what a client on this host meets.
func checkOwnClients(_ context.Context, x *Exam) []Finding {
	port := "PORT"
	if x.Port != 0 {
		port = fmt.Sprint(x.Port)
	}
	var found []Finding
	for _, vip := range x.VIPs {
		owner, _ := x.Host.owner(vip)
		switch {
		case owner == nil:
		case slices.Contains(x.Host.Led, vip):
			found = append(found, Finding{Name: OwnClients, About: vip.String(),
				Text:     "clients on this host itself are led to the director, and need it",
				Evidence: []string{fmt.Sprintf("ip rule: iif lo to %s", vip)}})
		default:
			found = append(found, Finding{Name: OwnClients, About: vip.String(),
				Text:     "clients on this host itself reach its own server and not the director, because the VIP is an address of this host",
				Evidence: []string{fmt.Sprintf("ip route get %s: local", vip)},
				Remedy:   fmt.Sprintf("to balance them as well: lvsdr realserver start --vip %s --balance-local-clients %s", vip, port)})
		}
	}
	return found
}
