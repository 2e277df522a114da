package netlab

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"

	"lvsdr/bench/netns"
)

// A Spec describes a Lab: clients, one or two directors and real servers, and a VIP
// which only the real servers have. The zero value is one client, one director
// and three real servers on one network, 192.168.1.0/24.
type Spec struct {
	// Net is the network of the VIP and of the director, IPv4 (/24 or larger)
	// or IPv6. Default 192.168.1.0/24. Hosts get the addresses at fixed places
	// in their network: a router the 1st, the director the 10th, real servers
	// from the 11th, clients from the 50th, further client addresses from the
	// 201st on. In an IPv6 network the places are in hexadecimal what they are
	// here in decimal: ::10, ::11, ::50, ::201.
	Net netip.Prefix
	// TwoArmed puts the real servers into a network of their own, the first
	// one of the same size after Net. The director is on it with eth1. The real
	// servers answer by a router that is on both networks, not by the director.
	TwoArmed bool
	// Method is how the director sends to the real servers. With NAT and TUN these are
	// in a network of their own, the first one of the same size after Net, as
	// the methods say. Default DR.
	Method Method
	// Tunnel is the kind of TUN's: ipip, gre or gue. Default ipip.
	Tunnel string
	// Routed puts the clients into a network of their own, the second one after
	// Net, behind a router.
	Routed bool
	// VIP is the virtual address. Default the 100th of Net.
	VIP netip.Addr
	// Clients is how many clients there are, 1 to 50. Default 1.
	Clients int
	// ClientAddrs is how many further addresses each client has. Default 0.
	ClientAddrs int
	// Directors is how many directors there are, 1 or 2. The second has the first
	// place after the real servers. Default 1.
	Directors int
	// Servers are the real servers, at most 39, or 38 with two directors. Default
	// three of weight 1.
	Servers []ServerSpec
	// MTU of every interface, in bytes. Default 1500.
	MTU int
}

// A ServerSpec describes one real server.
type ServerSpec struct {
	// Weight is for the configuration of the director; the lab itself does
	// nothing with it. It may be 0.
	Weight int
}

// Places of the hosts in their network.
const (
	routerPlace   = 1
	directorPlace = 10
	serverPlace   = 11
	clientPlace   = 50
	vipPlace      = 100
	extraPlace    = 201
)

// Limits that keep the places apart.
const (
	maxClients = vipPlace - clientPlace
	maxServers = clientPlace - serverPlace
)

// Ifname is the name of the first cable interface of each Node, and of all but
// a router and a two-armed director the only one.
const Ifname = "eth0"

// A Port is a cable interface of a Node.
type Port struct {
	Ifname string
	MAC    net.HardwareAddr
	Addr   netip.Prefix  // its address, with the length of the network
	Switch *netns.Switch // where the cable leads
}

// A Node is a host of a Lab.
type Node struct {
	*netns.Host
	Role   Role
	Ports  []Port           // the first is Ifname
	MAC    net.HardwareAddr // of Ifname
	Addr   netip.Addr       // its own address, on Ifname
	Extra  []netip.Addr     // further addresses of a client
	Weight int              // of a real server, from its ServerSpec
	HTTP   *HTTPServer      // of a real server, after Lab.StartHTTP
	Tunnel string           // the interface by which a real server of TUN takes packets out of the tunnel
}

// A Lab is a network built from a Spec. Its fields must not be changed.
type Lab struct {
	Spec     Spec          // defaults filled in
	Switch   *netns.Switch // of the VIP's network
	Networks []Network     // all, in the order in which a client's packet crosses them
	Clients  []*Node       // client1, client2, ...
	Router   *Node         // between the networks; nil where there is one network
	Director *Node         // director; an ordinary host so far
	Servers  []*Node       // rs1, rs2, ..., set up by SetUpServer
	Others   []*Node       // directors that AddDirector added
}

// A Network is one of a Lab's.
type Network struct {
	Prefix netip.Prefix
	Switch *netns.Switch
}

// Build makes the network. It must be called Inside a world; it calls Settle.
// The lab is to be closed by the caller.
func Build(ctx context.Context, spec Spec) (*Lab, error) {
	spec, err := spec.complete()
	if err != nil {
		return nil, fmt.Errorf("build lab: %w", err)
	}
	if err := netns.Settle(); err != nil {
		return nil, fmt.Errorf("build lab: %w", err)
	}
	lab := &Lab{Spec: spec}
	if err := lab.build(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("build lab: %w", err), lab.Close())
	}
	return lab, nil
}

// Check finds what Build would refuse, in any process.
func (s Spec) Check() error {
	_, err := s.complete()
	return err
}

// complete fills in the defaults and checks that everything has its place.
func (s Spec) complete() (Spec, error) {
	if !s.Net.IsValid() {
		s.Net = netip.PrefixFrom(netip.AddrFrom4([4]byte{192, 168, 1, 0}), 24)
	}
	s.Net = s.Net.Masked()
	if !s.VIP.IsValid() {
		s.VIP = nth(s.Net, vipPlace)
	}
	if s.Clients == 0 {
		s.Clients = 1
	}
	if s.Servers == nil {
		s.Servers = []ServerSpec{{Weight: 1}, {Weight: 1}, {Weight: 1}}
	}
	if s.MTU == 0 {
		s.MTU = 1500
	}
	if s.Directors == 0 {
		s.Directors = 1
	}
	if err := s.checkMethod(); err != nil {
		return s, err
	}
	if s.Directors < 0 || s.Directors > 2 {
		return s, fmt.Errorf("%d directors: want 1 or 2", s.Directors)
	}
	if s.Clients < 0 || s.Clients > maxClients || s.ClientAddrs < 0 || len(s.Servers)+s.Directors-1 > maxServers {
		return s, fmt.Errorf("%d clients with %d further addresses and %d real servers: want 1 to %d, 0 or more, and at most %d",
			s.Clients, s.ClientAddrs, len(s.Servers), maxClients, maxServers+1-s.Directors)
	}
	if !s.Net.Contains(s.VIP) || s.VIP == s.Net.Addr() {
		return s, fmt.Errorf("VIP %s is not in %s: direct routing needs it on the director's network", s.VIP, s.Net)
	}
	last := extraPlace + s.Clients*s.ClientAddrs // one more than used: the broadcast address
	for place := 1; place <= last; place++ {
		a := nth(s.Net, place)
		if !s.Net.Contains(a) {
			return s, fmt.Errorf("%s has no room for %d addresses", s.Net, last)
		}
		if a == s.VIP && s.taken(place) {
			return s, fmt.Errorf("VIP %s is the address of a host", s.VIP)
		}
	}
	if (s.hasRouter() || s.ownNetwork()) && !following(s.Net, 2).IsValid() {
		return s, fmt.Errorf("after %s there is no room for two more networks", s.Net)
	}
	return s, nil
}

// hasRouter reports whether there is a router between networks.
func (s Spec) hasRouter() bool { return s.Routed || s.TwoArmed || s.Method == TUN }

// taken reports whether a host has the address at this place of Net.
func (s Spec) taken(place int) bool {
	in := func(first, n int) bool { return place >= first && place < first+n }
	return s.hasRouter() && place == routerPlace || in(directorPlace, 1) ||
		in(serverPlace+len(s.Servers), s.Directors-1) ||
		!s.ownNetwork() && in(serverPlace, len(s.Servers)) ||
		!s.Routed && (in(clientPlace, s.Clients) || in(extraPlace, s.Clients*s.ClientAddrs))
}

// following is the n-th network of the same size after p, or the zero Prefix
// outside the address family's range.
func following(p netip.Prefix, n int) netip.Prefix {
	b := p.Addr().AsSlice()
	for i := p.Bits() - 1; i >= 0 && n > 0; i-- {
		n += int(b[i/8] >> (7 - i%8) & 1)
		b[i/8] = b[i/8]&^(1<<(7-i%8)) | byte(n&1)<<(7-i%8)
		n >>= 1
	}
	if n > 0 {
		return netip.Prefix{}
	}
	a, _ := netip.AddrFromSlice(b)
	return netip.PrefixFrom(a, p.Bits())
}

// nth is the address at a place of the network, or the zero Addr outside the
// address family's range. In IPv6 the decimal digits of place are read as
// hexadecimal, so that addresses look alike in both families.
func nth(p netip.Prefix, place int) netip.Addr {
	if p.Addr().Is6() {
		hex := 0
		for digit, rest := 1, place; rest > 0; digit, rest = digit*16, rest/10 {
			hex += rest % 10 * digit
		}
		place = hex
	}
	b := p.Addr().AsSlice()
	for i := len(b) - 1; i >= 0 && place > 0; i-- {
		place += int(b[i])
		b[i] = byte(place)
		place >>= 8
	}
	if place > 0 {
		return netip.Addr{}
	}
	a, _ := netip.AddrFromSlice(b)
	return a
}

func (l *Lab) build(ctx context.Context) (err error) {
	clients, front, servers, err := l.buildNetworks()
	if err != nil {
		return err
	}
	if l.Spec.hasRouter() {
		if err := l.buildRouter(ctx, front); err != nil {
			return err
		}
	}
	extra := extraPlace
	for i := range l.Spec.Clients {
		n := &Node{Role: RoleClient}
		for range l.Spec.ClientAddrs {
			n.Extra = append(n.Extra, nth(clients.Prefix, extra))
			extra++
		}
		l.Clients = append(l.Clients, n)
		if err := l.attach(ctx, n, fmt.Sprintf("client%d", i+1), i+1, clientPlace+i, clients); err != nil {
			return err
		}
	}
	l.Director = &Node{Role: RoleDirector}
	if err := l.attach(ctx, l.Director, FirstDirector, 1, directorPlace, l.directorNetworks()...); err != nil {
		return err
	}
	for i, s := range l.Spec.Servers {
		n := &Node{Role: RoleServer, Weight: s.Weight}
		l.Servers = append(l.Servers, n)
		if err := l.attach(ctx, n, fmt.Sprintf("rs%d", i+1), i+1, serverPlace+i, servers); err != nil {
			return err
		}
		if err := l.setUpServer(n); err != nil {
			return err
		}
	}
	if l.Spec.Directors == 2 {
		return l.AddStandby(ctx)
	}
	return nil
}

// buildNetworks makes the switches.
func (l *Lab) buildNetworks() (clients, front, servers Network, err error) {
	add := func(name string, p netip.Prefix) (Network, error) {
		sw, err := netns.NewSwitch(name)
		n := Network{p, sw}
		if err == nil {
			l.Networks = append(l.Networks, n)
		}
		return n, err
	}
	if l.Spec.Routed {
		if clients, err = add("client-switch", following(l.Spec.Net, 2)); err != nil {
			return clients, front, servers, err
		}
	}
	if front, err = add("switch", l.Spec.Net); err != nil {
		return clients, front, servers, err
	}
	l.Switch = front.Switch
	if !l.Spec.Routed {
		clients = front
	}
	servers = front
	if l.Spec.ownNetwork() {
		servers, err = add("server-switch", following(l.Spec.Net, 1))
	}
	return clients, front, servers, err
}

// buildRouter makes a router that is on all networks, but for that of NAT's real
// servers, on front with Ifname.
func (l *Lab) buildRouter(ctx context.Context, front Network) error {
	nets := []Network{front}
	for _, n := range l.Networks {
		if servers := l.Networks[len(l.Networks)-1]; n != front && (n != servers || l.Spec.Method != NAT) {
			nets = append(nets, n)
		}
	}
	l.Router = &Node{Role: RoleRouter}
	if err := l.attach(ctx, l.Router, "router", 1, routerPlace, nets...); err != nil {
		return err
	}
	if l.Spec.Net.Addr().Is6() {
		return l.Router.Sysctl("net.ipv6.conf.all.forwarding", "1")
	}
	return l.Router.Sysctl("net.ipv4.ip_forward", "1")
}

// directorNetworks are those that a director is on.
func (l *Lab) directorNetworks() []Network {
	at := slices.IndexFunc(l.Networks, func(n Network) bool { return n.Switch == l.Switch })
	if l.Spec.Method == TUN {
		return l.Networks[at : at+1]
	}
	return l.Networks[at:]
}

// attach makes the host of n, the number-th of its role, and connects it to
// networks, at the same place of each, with a default route by its gateway where it
// has one.
func (l *Lab) attach(ctx context.Context, n *Node, name string, number, place int, networks ...Network) (err error) {
	n.Host, err = netns.NewHost(name, netns.HostConfig{IPv6: l.Spec.Net.Addr().Is6()})
	if err != nil {
		return err
	}
	for i, to := range networks {
		p := Port{
			Ifname: fmt.Sprintf("eth%d", i), Switch: to.Switch,
			MAC:  portMAC(n.Role, number, i),
			Addr: netip.PrefixFrom(nth(to.Prefix, place), to.Prefix.Bits()),
		}
		n.Ports = append(n.Ports, p)
		c := netns.Cable{Ifname: p.Ifname, MAC: p.MAC, MTU: l.Spec.MTU, Addrs: []netip.Prefix{p.Addr}}
		for _, a := range n.Extra {
			c.Addrs = append(c.Addrs, netip.PrefixFrom(a, to.Prefix.Bits()))
		}
		if err := to.Switch.Connect(ctx, n.Host, c); err != nil {
			return err
		}
	}
	n.MAC, n.Addr = n.Ports[0].MAC, n.Ports[0].Addr.Addr()
	if gateway := l.gateway(n); gateway.IsValid() {
		return n.routeBy(gateway)
	}
	return nil
}

// PortOn is the node's interface on a switch, nil if it has none.
func (n *Node) PortOn(sw *netns.Switch) *Port {
	for i := range n.Ports {
		if n.Ports[i].Switch == sw {
			return &n.Ports[i]
		}
	}
	return nil
}

// Nodes are all hosts but the switches: clients, router, directors, real servers.
func (l *Lab) Nodes() []*Node {
	nodes := slices.Clone(l.Clients)
	if l.Router != nil {
		nodes = append(nodes, l.Router)
	}
	if l.Director != nil {
		nodes = append(nodes, l.Director)
	}
	nodes = append(nodes, l.Others...)
	return append(nodes, l.Servers...)
}

// Close closes every host. A second Close does nothing.
func (l *Lab) Close() error {
	var errs []error
	for _, n := range l.Nodes() {
		if n.Host != nil { // else the lab did not get that far
			errs = append(errs, n.Close())
		}
	}
	for _, n := range l.Networks {
		errs = append(errs, n.Switch.Close())
	}
	return errors.Join(errs...)
}
