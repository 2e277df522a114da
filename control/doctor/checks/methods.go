package checks

import (
	"fmt"
	"net/netip"
	"slices"

	"lvsdr/conntrack"
	"lvsdr/control/doctor/facts"
	"lvsdr/control/doctor/findings"
)

// gateway looks, on a real server of NAT, whether answers go back through the director.
func (r *RealServer) gateway() []findings.Finding {
	var evidence []string
	for _, d := range r.Host.Defaults {
		if d.Gateway == r.Director {
			return nil
		}
		if d.Gateway.IsValid() && d.Gateway.Is4() == r.Director.Is4() {
			evidence = append(evidence, fmt.Sprintf("ip route show default: via %s", d.Gateway))
		}
	}
	if len(evidence) == 0 {
		evidence = []string{"ip route show default: none"}
	}
	return []findings.Finding{{Name: findings.NATGateway, Severity: findings.Error, About: r.Director.String(),
		Text: "answers do not go back through the director, which has to put the VIP in their source; " +
			"clients get them from an address that they did not ask, and drop them",
		Evidence: evidence, Remedy: fmt.Sprintf("ip route replace default via %s", r.Director)}}
}

// tunnel looks, on a real server of TUN, for the device that takes the director's packets
// out of the tunnel, and for the reverse path filter there.
func (r *RealServer) tunnel() []findings.Finding {
	var found []findings.Finding
	for _, vip := range r.VIPs {
		name := r.Tunnel.DeviceName(vip)
		l := r.Host.Named(name)
		start := fmt.Sprintf("lvsdr realserver start --vip %s --tun %s", vip, r.Tunnel.Kind)
		if r.Tunnel.Port != 0 {
			start += fmt.Sprintf(" --tun-port %d", r.Tunnel.Port)
		}
		if l == nil || !l.Up {
			is := "no interface " + name
			if l != nil {
				is = fmt.Sprintf("ip link show %s: down", name)
			}
			found = append(found, findings.Finding{Name: findings.TunnelMissing, Severity: findings.Error, About: vip.String(),
				Text:     fmt.Sprintf("nothing takes the director's packets out of the tunnel (%s); this host drops them", r.Tunnel.Kind),
				Evidence: []string{is}, Remedy: start})
			continue
		}
		if f := r.tunnelFilter(vip, l); f != nil {
			f.Remedy = start
			found = append(found, *f)
		}
	}
	return found
}

// tunnelFilter is the reverse path filter of the tunnel's device, where it drops clients'
// packets: the strict one, and on a device without an address the loose one too.
func (r *RealServer) tunnelFilter(vip netip.Addr, l *facts.Link) *findings.Finding {
	filter := r.Host.Greatest(l.Name, "rp_filter")
	bare := !slices.ContainsFunc(l.Addrs, func(p netip.Prefix) bool { return p.Addr().Is4() })
	if !vip.Is4() || filter == 0 || filter != 1 && !bare {
		return nil
	}
	f := &findings.Finding{Name: findings.RPFilter, Severity: findings.Error, About: l.Name,
		Text:     "clients' packets come out of the tunnel here and are answered by another interface; the reverse path filter drops them silently",
		Evidence: []string{r.Host.Setting("net.ipv4.conf.all.rp_filter"), r.Host.Setting("net.ipv4.conf." + l.Name + ".rp_filter")}}
	if bare {
		f.Evidence = append(f.Evidence, fmt.Sprintf("ip addr show %s: no IPv4 address, so only rp_filter=0 lets packets in", l.Name))
	}
	return f
}

// direct reports whether a service sends to a real server by Direct Routing.
func (d *Director) direct(rs netip.Addr) bool {
	for _, vs := range d.Config.VirtualServers {
		for _, s := range vs.RealServers {
			if s.Addr == rs && s.Method.Kind == conntrack.Direct {
				return true
			}
		}
	}
	return false
}

// behind says of a real server behind a router what this host can see of it; nil: a
// service sends to it by Direct Routing, which cannot cross a router.
func (d *Director) behind(rs netip.Addr) *findings.Finding {
	r := d.Host.Routes[rs]
	if !r.Gateway.IsValid() || d.direct(rs) {
		return nil
	}
	f := &findings.Finding{Name: findings.NotTested, About: about(rs), Text: "the real server is behind a router; from here only the director's own checks reach it",
		Evidence: []string{fmt.Sprintf("ip route get %s: via %s", rs, r.Gateway)}, Remedy: "on the real server: lvsdr doctor --rs --vip VIP --tun KIND, or --director ADDR for NAT"}
	if l := d.Host.Link(r.Ifindex); l != nil {
		f.Evidence = append(f.Evidence, fmt.Sprintf("ip link show %s: mtu %d; a tunnel takes 20 to 52 bytes of it, and clients' packets have to be so much smaller", l.Name, l.MTU))
	}
	return f
}
