package checks

import (
	"fmt"
	"net/netip"

	"lvsdr/control/doctor/facts"
	"lvsdr/control/doctor/findings"
)

// vipPlaces finds the interface of each VIP.
func (d *Director) vipPlaces() (map[netip.Addr]place, []findings.Finding) {
	places := map[netip.Addr]place{}
	var found []findings.Finding
	said := d.interfaces()
	for _, vip := range d.VIPs() {
		if owner, prefix := d.Host.Owner(vip); owner != nil {
			places[vip] = place{owner, owner.Source(vip)}
			found = append(found, findings.Finding{Name: findings.VIPOnDirector, Severity: findings.Error, About: vip.String(),
				Text: "the VIP is configured on the director's host, whose kernel answers its packets too: " +
					"clients get a reset beside the real server's answer",
				Evidence: []string{fmt.Sprintf("%s on %s", prefix, owner.Name), d.forwarding(vip)},
				Remedy:   fmt.Sprintf("ip addr del %s dev %s", prefix, owner.Name)})
			continue
		}
		link, fault := d.vipLink(vip, said[vip])
		if fault != nil {
			found = append(found, findings.Finding{Name: findings.VIPNotOnLink, Severity: findings.Error, About: vip.String(),
				Text: fault.text, Evidence: []string{fault.evidence}, Remedy: fault.remedy})
			continue
		}
		places[vip] = place{link, link.Source(vip)}
	}
	return places, found
}

// interfaces are the interfaces of the VIPs as the running director names them.
func (d *Director) interfaces() map[netip.Addr]string {
	names := map[netip.Addr]string{}
	if d.Status == nil {
		return names
	}
	for _, s := range d.Status.Services {
		names[s.Address] = s.Interface
	}
	return names
}

// A fault is why an address has no interface.
type fault struct{ text, evidence, remedy string }

// vipLink finds where a VIP is received: on its own network, or where the
// running director (said) or the operator says.
func (d *Director) vipLink(vip netip.Addr, said string) (*facts.Link, *fault) {
	const name = "name the interface towards the clients: lvsdr run -i IFACE, or default_interface in global_defs; " +
		"or give this host an address in the network of "
	if said == "" {
		said = d.Interface
	}
	r := d.Host.Routes[vip]
	link := d.Host.Link(r.Ifindex)
	switch {
	case said != "":
		if link = d.Host.Named(said); link == nil {
			return nil, &fault{"the interface that is to receive the VIP does not exist", "no interface " + said, name + vip.String()}
		}
	case r.Err != nil:
		return nil, &fault{"this host has no interface in the network of the VIP", fmt.Sprintf("ip route get %s: %v", vip, r.Err), name + vip.String()}
	case r.Gateway.IsValid():
		return nil, &fault{"the VIP is not on a network of this host", fmt.Sprintf("ip route get %s: via %s", vip, r.Gateway), name + vip.String()}
	}
	if link == nil || !link.Ethernet() {
		return nil, &fault{"the VIP is not on an Ethernet interface, and Direct Routing rewrites MAC addresses",
			fmt.Sprintf("ip route get %s: interface %d", vip, r.Ifindex), name + vip.String()}
	}
	if !link.Up {
		return nil, &fault{"the interface of the VIP is down", "ip link show " + link.Name, fmt.Sprintf("ip link set %s up", link.Name)}
	}
	return link, nil
}

// serverPlaces finds the interface of each real server.
func (d *Director) serverPlaces() (map[netip.Addr]place, []findings.Finding) {
	places := map[netip.Addr]place{}
	var found []findings.Finding
	for _, rs := range d.RealServers() {
		if d.Host.Routes[rs].Local {
			continue // its frames go by no network
		}
		if f := d.behind(rs); f != nil {
			found = append(found, *f)
			continue
		}
		link, fault := d.serverLink(rs)
		if fault != nil {
			found = append(found, findings.Finding{Name: findings.RSNotOnLink, Severity: findings.Error, About: about(rs),
				Text: fault.text, Evidence: []string{fault.evidence}, Remedy: fault.remedy})
			continue
		}
		places[rs] = place{link, link.Source(rs)}
	}
	return places, found
}

// serverLink finds the interface on whose network a real server is.
func (d *Director) serverLink(rs netip.Addr) (*facts.Link, *fault) {
	r := d.Host.Routes[rs]
	link := d.Host.Link(r.Ifindex)
	give := fmt.Sprintf("put it on a common network, or, if it is on one without an address of this host: ip route add %s/%d dev IFACE", rs, rs.BitLen())
	switch {
	case r.Err != nil:
		return nil, &fault{"this host has no route to the real server", fmt.Sprintf("ip route get %s: %v", rs, r.Err), give}
	case r.Gateway.IsValid():
		return nil, &fault{"the real server is behind a router, which Direct Routing cannot cross",
			fmt.Sprintf("ip route get %s: via %s", rs, r.Gateway), give}
	case link == nil || !link.Ethernet():
		return nil, &fault{"the real server is not on an Ethernet interface", fmt.Sprintf("ip route get %s: interface %d", rs, r.Ifindex), give}
	case !link.Up:
		return nil, &fault{"the interface of the real server is down", "ip link show " + link.Name, fmt.Sprintf("ip link set %s up", link.Name)}
	}
	return link, nil
}
