package netlab

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// A Spec describes a Lab: clients, one director and real servers on one
// network, and a VIP of that network which only the real servers have. The
// zero value is one client, one director and three real servers on
// 192.168.1.0/24.
type Spec struct {
	// Net is the network, IPv4 (/24 or larger) or IPv6. Default
	// 192.168.1.0/24. Hosts get the
	// addresses at fixed places in it: the director the 10th, real servers
	// from the 11th, clients from the 50th, further client addresses from the
	// 201st on. In an IPv6 network the places are in hexadecimal what they are
	// here in decimal: ::10, ::11, ::50, ::201.
	Net netip.Prefix
	// VIP is the virtual address. Default the 100th of Net.
	VIP netip.Addr
	// Clients is how many clients there are, 1 to 50. Default 1.
	Clients int
	// ClientAddrs is how many further addresses each client has. Default 0.
	ClientAddrs int
	// Servers are the real servers, at most 39. Default three of weight 1.
	Servers []ServerSpec
	// MTU of every interface, in bytes. Default 1500.
	MTU int
}

// A ServerSpec describes one real server.
type ServerSpec struct {
	// Weight is for whoever configures the director; the lab itself does
	// nothing with it. It may be 0.
	Weight int
}

// Places of the hosts in the network.
const (
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

// Ifname is the name of the only cable interface of each Node.
const Ifname = "eth0"

// A Node is a host of a Lab.
type Node struct {
	*Host
	Role   Role
	MAC    net.HardwareAddr // of Ifname
	Addr   netip.Addr       // its own address
	Extra  []netip.Addr     // further addresses of a client
	Weight int              // of a real server, from its ServerSpec
	HTTP   *HTTPServer      // of a real server, after Lab.StartHTTP
}

// A Lab is a network built from a Spec. Its fields must not be changed.
type Lab struct {
	Spec     Spec // defaults filled in
	Switch   *Switch
	Clients  []*Node // client1, client2, ...
	Director *Node   // director; an ordinary host so far
	Servers  []*Node // rs1, rs2, ..., set up by SetUpServer
	Others   []*Node // hosts that AddHost added
}

// Build makes the network. It must be called Inside a world; it calls Settle.
// The lab is to be closed by the caller.
func Build(ctx context.Context, spec Spec) (*Lab, error) {
	spec, err := spec.complete()
	if err != nil {
		return nil, fmt.Errorf("build lab: %w", err)
	}
	if err := Settle(); err != nil {
		return nil, fmt.Errorf("build lab: %w", err)
	}
	lab := &Lab{Spec: spec}
	if err := lab.build(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("build lab: %w", err), lab.Close())
	}
	return lab, nil
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
	if s.Clients < 0 || s.Clients > maxClients || s.ClientAddrs < 0 || len(s.Servers) > maxServers {
		return s, fmt.Errorf("%d clients with %d further addresses and %d real servers: want 1 to %d, 0 or more, and at most %d",
			s.Clients, s.ClientAddrs, len(s.Servers), maxClients, maxServers)
	}
	if !s.Net.Contains(s.VIP) || s.VIP == s.Net.Addr() {
		return s, fmt.Errorf("VIP %s is not in %s: direct routing needs it on the clients' network", s.VIP, s.Net)
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
	return s, nil
}

// taken reports whether a host has the address at this place.
func (s Spec) taken(place int) bool {
	in := func(first, n int) bool { return place >= first && place < first+n }
	return in(directorPlace, 1) || in(serverPlace, len(s.Servers)) ||
		in(clientPlace, s.Clients) || in(extraPlace, s.Clients*s.ClientAddrs)
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
	if l.Switch, err = NewSwitch("switch"); err != nil {
		return err
	}
	extra := extraPlace
	for i := range l.Spec.Clients {
		n := &Node{Role: RoleClient, MAC: MAC(RoleClient, i+1), Addr: nth(l.Spec.Net, clientPlace+i)}
		for range l.Spec.ClientAddrs {
			n.Extra = append(n.Extra, nth(l.Spec.Net, extra))
			extra++
		}
		if err := l.attach(ctx, n, fmt.Sprintf("client%d", i+1)); err != nil {
			return err
		}
		l.Clients = append(l.Clients, n)
	}
	d := &Node{Role: RoleDirector, MAC: MAC(RoleDirector, 1), Addr: nth(l.Spec.Net, directorPlace)}
	if err := l.attach(ctx, d, "director"); err != nil {
		return err
	}
	l.Director = d
	for i, s := range l.Spec.Servers {
		n := &Node{Role: RoleServer, MAC: MAC(RoleServer, i+1), Addr: nth(l.Spec.Net, serverPlace+i), Weight: s.Weight}
		if err := l.attach(ctx, n, fmt.Sprintf("rs%d", i+1)); err != nil {
			return err
		}
		l.Servers = append(l.Servers, n)
		if err := SetUpServer(n.Host, l.Spec.VIP); err != nil {
			return err
		}
	}
	return nil
}

// attach makes the node's host and connects it. On error nothing of it is
// left.
func (l *Lab) attach(ctx context.Context, n *Node, name string) (err error) {
	n.Host, err = NewHost(name, HostConfig{IPv6: l.Spec.Net.Addr().Is6()})
	if err != nil {
		return err
	}
	c := Cable{Ifname: Ifname, MAC: n.MAC, MTU: l.Spec.MTU}
	for _, a := range append([]netip.Addr{n.Addr}, n.Extra...) {
		c.Addrs = append(c.Addrs, netip.PrefixFrom(a, l.Spec.Net.Bits()))
	}
	if err := l.Switch.Connect(ctx, n.Host, c); err != nil {
		return errors.Join(err, n.Close())
	}
	return nil
}

// AddHost adds a host to the network of the lab that runs: with RoleDirector,
// another director; it is closed with the lab. It gets an address and a MAC
// address of its own, in the places after the real servers.
func (l *Lab) AddHost(ctx context.Context, name string, role Role) (*Node, error) {
	place := serverPlace + len(l.Servers) + len(l.Others)
	if place >= clientPlace {
		return nil, fmt.Errorf("add host %s: no place is left", name)
	}
	n := &Node{Role: role, MAC: MAC(role, 2+len(l.Others)), Addr: nth(l.Spec.Net, place)}
	if err := l.attach(ctx, n, name); err != nil {
		return nil, fmt.Errorf("add host %s: %w", name, err)
	}
	l.Others = append(l.Others, n)
	return n, nil
}

// Nodes are all hosts but the switch: clients, director, real servers, others.
func (l *Lab) Nodes() []*Node {
	nodes := append([]*Node(nil), l.Clients...)
	if l.Director != nil {
		nodes = append(nodes, l.Director)
	}
	nodes = append(nodes, l.Servers...)
	return append(nodes, l.Others...)
}

// Close closes every host. A second Close does nothing.
func (l *Lab) Close() error {
	var errs []error
	for _, n := range l.Nodes() {
		errs = append(errs, n.Close())
	}
	if l.Switch != nil {
		errs = append(errs, l.Switch.Close())
	}
	return errors.Join(errs...)
}

// ForgetVIP makes those who send to the VIP, the clients, forget at which MAC
// address it is: the next packet for it begins with the question.
func (l *Lab) ForgetVIP() error {
	for _, n := range l.Clients {
		if err := n.forget(Ifname, l.Spec.VIP); err != nil {
			return err
		}
	}
	return nil
}

// Asker is who asks for the VIP's MAC address first: the first client.
func (l *Lab) Asker() *Node { return l.Clients[0] }

// AddDirector adds another host that can be a director.
func (l *Lab) AddDirector(ctx context.Context, name string) (*Node, error) {
	return l.AddHost(ctx, name, RoleDirector)
}

// AddWayBack gives a real server a second interface, with an address of its own
// in the same network, by which from then on its answers to the clients leave.
func (l *Lab) AddWayBack(ctx context.Context, n *Node, ifname string) error {
	place := serverPlace + len(l.Servers) + len(l.Others)
	c := Cable{Ifname: ifname, MTU: l.Spec.MTU, Addrs: []netip.Prefix{netip.PrefixFrom(nth(l.Spec.Net, place), l.Spec.Net.Bits())}}
	if err := l.Switch.Connect(ctx, n.Host, c); err != nil {
		return err
	}
	link, err := n.nl.LinkByName(ifname)
	if err != nil {
		return fmt.Errorf("find %s of %s: %w", ifname, n.name, err)
	}
	for _, to := range l.Clients {
		r := &netlink.Route{LinkIndex: link.Attrs().Index, Dst: ipNet(netip.PrefixFrom(to.Addr, to.Addr.BitLen()))}
		if err := n.nl.RouteReplace(r); err != nil {
			return fmt.Errorf("route %s by %s of %s: %w", to.Addr, ifname, n.name, err)
		}
	}
	return nil
}

// SetLinkMTU makes the switch's end of a node's cable carry frames of at most
// mtu bytes, without a word to the node.
func (l *Lab) SetLinkMTU(n *Node, mtu int) error {
	link, err := l.Switch.nl.LinkByName(n.name)
	if err == nil {
		err = l.Switch.nl.LinkSetMTU(link, mtu)
	}
	if err != nil {
		return fmt.Errorf("set the MTU of the switch's port to %s: %w", n.name, err)
	}
	return nil
}

// SuppressARP makes the switch answer ARP and neighbour solicitations for a
// node's address itself, with the MAC address that the node has now, and keep
// them from the node: ARP suppression, as in fabrics.
func (l *Lab) SuppressARP(n *Node) error {
	sw := l.Switch
	port, err := sw.nl.LinkByName(n.name)
	if err != nil {
		return fmt.Errorf("find the switch's port to %s: %w", n.name, err)
	}
	if err := sw.SetNeighbour(BridgeName, n.Addr, n.MAC); err != nil {
		return err
	}
	station := &netlink.Neigh{LinkIndex: port.Attrs().Index, Family: unix.AF_BRIDGE, Flags: netlink.NTF_MASTER,
		State: netlink.NUD_NOARP, HardwareAddr: n.MAC}
	if err := sw.nl.NeighSet(station); err != nil {
		return fmt.Errorf("make the switch remember %s: %w", n.MAC, err)
	}
	if err := sw.nl.LinkSetBrNeighSuppress(port, true); err != nil {
		return fmt.Errorf("suppress ARP for %s: %w", n.name, err)
	}
	return nil
}
