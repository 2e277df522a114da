package doctor

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
)

// checkVIPPlaces finds the interface of each VIP.
func checkVIPPlaces(_ context.Context, x *Exam) []Finding {
	var found []Finding
	for _, vip := range x.directed() {
		at, f := x.vipPlace(vip)
		if at.Link != nil {
			at.Source = at.Link.source(vip)
			x.vips[vip] = at
		}
		found = append(found, f...)
	}
	return found
}

// directed are the VIPs of the configuration, each once.
func (x *Exam) directed() []netip.Addr {
	var all []netip.Addr
	for _, vs := range x.Config.VirtualServers {
		if !slices.Contains(all, vs.Addr) {
			all = append(all, vs.Addr)
		}
	}
	return all
}

// vipPlace finds where a VIP is received: on its own network, or where the
// running director or the operator says.
func (x *Exam) vipPlace(vip netip.Addr) (site, []Finding) {
	host, r := x.Host, x.Host.Routes[vip]
	if owner, prefix := host.owner(vip); owner != nil {
		return site{Link: owner}, []Finding{{Name: VIPOnDirector, Severity: Error, About: vip.String(),
			Text: "the VIP is configured on the director's host, whose kernel answers its packets too: " +
				"clients get a reset beside the real server's answer",
			Evidence: []string{fmt.Sprintf("%s on %s", prefix, owner.Name), x.forwarding(vip)},
			Remedy:   fmt.Sprintf("ip addr del %s dev %s", prefix, owner.Name)}}
	}
	name := x.Interface
	if s := x.Status; s != nil {
		for _, svc := range s.Services {
			if svc.Address == vip {
				name = svc.Interface
			}
		}
	}
	remedy := fmt.Sprintf("name the interface towards the clients: lvsdr run -i IFACE, or default_interface in global_defs; "+
		"or give this host an address in the network of %s", vip)
	bad := func(text, evidence, remedy string) (site, []Finding) {
		return site{}, []Finding{{Name: VIPNotOnLink, Severity: Error, About: vip.String(), Text: text,
			Evidence: []string{evidence}, Remedy: remedy}}
	}
	link := host.link(r.Ifindex)
	switch {
	case name != "":
		if link = host.named(name); link == nil {
			return bad("the interface that is to receive the VIP does not exist", "no interface "+name, remedy)
		}
	case r.Err != nil:
		return bad("this host has no interface in the network of the VIP", fmt.Sprintf("ip route get %s: %v", vip, r.Err), remedy)
	case r.Gateway.IsValid():
		return bad("the VIP is not on a network of this host", fmt.Sprintf("ip route get %s: via %s", vip, r.Gateway), remedy)
	}
	if link == nil || !link.Ethernet() {
		return bad("the VIP is not on an Ethernet interface, and Direct Routing rewrites MAC addresses",
			fmt.Sprintf("ip route get %s: interface %d", vip, r.Ifindex), remedy)
	}
	if !link.Up {
		return bad("the interface of the VIP is down", "ip link show "+link.Name, fmt.Sprintf("ip link set %s up", link.Name))
	}
	return site{Link: link}, nil
}

// checkServerPlaces finds the interface of each real server.
func checkServerPlaces(_ context.Context, x *Exam) []Finding {
	var found []Finding
	for _, rs := range x.realServers() {
		r := x.Host.Routes[rs]
		link := x.Host.link(r.Ifindex)
		bad := func(text, evidence, remedy string) {
			found = append(found, Finding{Name: RSNotOnLink, Severity: Error, About: "real server " + rs.String(), Text: text,
				Evidence: []string{evidence}, Remedy: remedy})
		}
		give := fmt.Sprintf("put it on a common network, or, if it is on one without an address of this host: ip route add %s/%d dev IFACE", rs, rs.BitLen())
		switch {
		case r.Local:
			bad("the real server is this host itself, which has no link to it", fmt.Sprintf("ip route get %s: local", rs),
				"give the address of another host")
		case r.Err != nil:
			bad("this host has no route to the real server", fmt.Sprintf("ip route get %s: %v", rs, r.Err), give)
		case r.Gateway.IsValid():
			bad("the real server is behind a router, which Direct Routing cannot cross",
				fmt.Sprintf("ip route get %s: via %s", rs, r.Gateway), give)
		case link == nil || !link.Ethernet():
			bad("the real server is not on an Ethernet interface", fmt.Sprintf("ip route get %s: interface %d", rs, r.Ifindex), give)
		case !link.Up:
			bad("the interface of the real server is down", "ip link show "+link.Name, fmt.Sprintf("ip link set %s up", link.Name))
		default:
			x.servers[rs] = &neighbor{site: site{Link: link, Source: link.source(rs)}}
		}
	}
	return found
}

// realServers are the real servers of the configuration, each once.
func (x *Exam) realServers() []netip.Addr {
	var all []netip.Addr
	for _, vs := range x.Config.VirtualServers {
		for _, rs := range vs.RealServers {
			if !slices.Contains(all, rs.Addr) {
				all = append(all, rs.Addr)
			}
		}
	}
	return all
}
