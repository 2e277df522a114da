package checks

import (
	"context"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"time"

	"lvsdr/control/api"
	"lvsdr/control/doctor/facts"
	"lvsdr/control/doctor/findings"
	"lvsdr/control/doctor/wire"
	"lvsdr/control/keepalived"
	"lvsdr/dataplane/frame"
)

// A Director holds all that is known of a director's host before its network is
// asked.
type Director struct {
	Host   *facts.Host
	File   string // the configuration's name
	Config *keepalived.Config
	Diags  keepalived.Diagnostics
	Status *api.Status // of the running director; nil: none runs
	// Interface is where the VIPs are received; empty: where their network is.
	Interface string
}

// A Network asks the network of the host, and is met by *wire.Prober, which says
// more of each method. It is safe for concurrent use.
type Network interface {
	Owners(ctx context.Context, l *facts.Link, a netip.Addr) ([]wire.Claim, error)
	AsVIP(ctx context.Context, l *facts.Link, mac frame.MAC, rs, vip netip.Addr) (bool, error)
	Connect(ctx context.Context, p wire.Probe, port uint16) (wire.Answer, error)
	Ping(ctx context.Context, p wire.Probe, size int) (wire.Answer, error)
	Traffic() wire.Traffic
}

var _ Network = (*wire.Prober)(nil)

// Asking says what may be asked of the network.
type Asking struct {
	// Network asks; nil: nothing is sent, and nothing is heard.
	Network Network
	// Passive says that nothing may be sent.
	Passive bool
	// Listen is how long traffic is watched at the end of the examination.
	Listen time.Duration
}

// Examine makes the checks of a director's host. An error is that of ctx.
func (d *Director) Examine(ctx context.Context, a Asking, tell Progress) (*findings.Report, error) {
	e := begin(ctx, "director", tell)
	e.add("configuration", configuration(d.File, d.Diags))
	e.add("services and weights", services(d.Config))
	vips, found := d.vipPlaces()
	e.add("interfaces of the VIPs", found)
	servers, found := d.serverPlaces()
	e.add("networks of the real servers", found)
	s := &site{Director: d, vips: vips, servers: servers, used: usedMACs(d.Status)}
	e.add("the running director", s.running())
	e.add("the host's own IP stack", s.stack())
	if a.Network == nil {
		return e.end()
	}
	n := &network{site: s, Network: a.Network, passive: a.Passive}
	var answering map[netip.Addr]bool
	if !a.Passive {
		n.macs, found = n.neighbours(ctx)
		e.add("MAC addresses of the real servers", found)
		e.add("who answers for the VIPs", n.claims(ctx))
		answering, found = n.tryServers(ctx)
		e.add("real servers, on their own address and for the VIPs", found)
		e.add("packets as long as the MTU", n.sizes(ctx))
	}
	e.add("traffic", n.traffic(ctx, a.Listen, answering))
	return e.end()
}

// A site is a director's host with the places of its VIPs and real servers.
type site struct {
	*Director
	vips    map[netip.Addr]place // those that have an interface
	servers map[netip.Addr]place // those on a network of this host
	used    map[netip.Addr]string
}

// A place is an interface by which an address is reached, and this host's
// address there.
type place struct {
	link   *facts.Link
	source netip.Addr // invalid: none
}

// A network is a site whose network can be asked, with the MAC addresses that the
// real servers were found at; passively none are.
type network struct {
	*site
	Network
	passive bool
	macs    map[netip.Addr]frame.MAC
}

// usedMACs are the MAC addresses that the running director sends to, by real
// server.
func usedMACs(st *api.Status) map[netip.Addr]string {
	used := map[netip.Addr]string{}
	if st == nil {
		return used
	}
	for _, s := range st.Services {
		for _, r := range s.Servers {
			if r.MAC != "" {
				used[r.Address] = r.MAC
			}
		}
	}
	return used
}

// VIPs are those of the configuration, each once.
func (d *Director) VIPs() []netip.Addr {
	var all distinct
	for _, p := range d.Config.Points() {
		all.add(p.Addr)
	}
	return all.addrs
}

// RealServers are those of the configuration, each once.
func (d *Director) RealServers() []netip.Addr {
	var all distinct
	for _, vs := range d.Config.VirtualServers {
		for _, rs := range vs.RealServers {
			all.add(rs.Addr)
		}
	}
	return all.addrs
}

// distinct are addresses, each once, in the order in which they were added.
type distinct struct {
	addrs []netip.Addr
	known map[netip.Addr]bool
}

func (d *distinct) add(a netip.Addr) {
	if d.known == nil {
		d.known = map[netip.Addr]bool{}
	}
	if !d.known[a] {
		d.known[a] = true
		d.addrs = append(d.addrs, a)
	}
}

// Links are the Ethernet interfaces that are up and on which a VIP or a real
// server is, or may be.
func (d *Director) Links() []*facts.Link {
	concerned := map[string]bool{d.Interface: true}
	if d.Status != nil {
		for _, s := range d.Status.Services {
			concerned[s.Interface] = true
		}
	}
	for _, a := range append(d.VIPs(), d.RealServers()...) {
		if r := d.Host.Routes[a]; r.Err == nil {
			if l := d.Host.Link(r.Ifindex); l != nil {
				concerned[l.Name] = true
			}
		}
		if owner, _ := d.Host.Owner(a); owner != nil {
			concerned[owner.Name] = true
		}
	}
	var links []*facts.Link
	for i := range d.Host.Links {
		if l := &d.Host.Links[i]; l.Ethernet() && l.Up && concerned[l.Name] {
			links = append(links, l)
		}
	}
	return links
}

// links are the interfaces of VIPs and real servers, each once, by index.
func (s *site) links() []*facts.Link {
	links := map[int]*facts.Link{}
	for _, places := range []map[netip.Addr]place{s.vips, s.servers} {
		for _, at := range places {
			links[at.link.Index] = at.link
		}
	}
	var all []*facts.Link
	for _, i := range slices.Sorted(maps.Keys(links)) {
		all = append(all, links[i])
	}
	return all
}

// reachable are the real servers that are on link, in the configuration's order.
func (s *site) reachable() []netip.Addr {
	return slices.DeleteFunc(s.RealServers(), func(rs netip.Addr) bool { return s.servers[rs].link == nil })
}

// serverAt is the real server at a MAC address.
func (n *network) serverAt(mac frame.MAC) (netip.Addr, bool) {
	for _, rs := range n.RealServers() {
		if found, ok := n.macs[rs]; ok && found == mac || n.used[rs] == mac.String() {
			return rs, true
		}
	}
	return netip.Addr{}, false
}

// forwarding shows whether the kernel forwards packets of a's family.
func (d *Director) forwarding(a netip.Addr) string {
	if a.Is4() {
		return d.Host.Setting("net.ipv4.ip_forward")
	}
	return d.Host.Setting("net.ipv6.conf.all.forwarding")
}

// about names a real server in findings.
func about(rs netip.Addr) string { return fmt.Sprintf("real server %s", rs) }
