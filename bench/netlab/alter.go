package netlab

import (
	"context"
	"fmt"
	"net/netip"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"lvsdr/bench/netns"
)

// AddDirector adds another host like the lab's director to a lab that runs. It
// gets addresses of its own, in the places after the real servers, and is closed
// with the lab.
func (l *Lab) AddDirector(ctx context.Context, name string) (*Node, error) {
	place := l.freePlace()
	if place >= clientPlace {
		return nil, fmt.Errorf("add director %s: no place is left", name)
	}
	n := &Node{Role: RoleDirector}
	l.Others = append(l.Others, n)
	if err := l.attach(ctx, n, name, 1+len(l.Others), place, l.directorNetworks()...); err != nil {
		return nil, fmt.Errorf("add director %s: %w", name, err)
	}
	return n, nil
}

// freePlace is after the real servers and the directors that were added.
func (l *Lab) freePlace() int { return serverPlace + len(l.Servers) + len(l.Others) }

// Askers are the hosts that ask for the VIP's MAC address: the clients, or the router
// before them. They reach it by Ifname.
func (l *Lab) Askers() []*Node {
	if l.Spec.Routed {
		return []*Node{l.Router}
	}
	return l.Clients
}

// ForgetVIP makes the hosts that send to the VIP forget its MAC address: before
// the next packet for it they ask again.
func (l *Lab) ForgetVIP() error {
	for _, n := range l.Askers() {
		if err := n.ForgetNeighbour(Ifname, l.Spec.VIP); err != nil {
			return err
		}
	}
	return nil
}

// AddWayBack gives a node a second interface on its network, with an address of
// its own, by which from then on what it sends to the clients leaves.
func (l *Lab) AddWayBack(ctx context.Context, n *Node, ifname string) error {
	own := n.Ports[0]
	second := netip.PrefixFrom(nth(own.Addr.Masked(), l.freePlace()), own.Addr.Bits())
	if err := own.Switch.Connect(ctx, n.Host, netns.Cable{Ifname: ifname, MTU: l.Spec.MTU, Addrs: []netip.Prefix{second}}); err != nil {
		return err
	}
	link, err := n.Netlink().LinkByName(ifname)
	if err != nil {
		return fmt.Errorf("find %s of %s: %w", ifname, n.Name(), err)
	}
	for _, to := range l.Clients {
		r := &netlink.Route{LinkIndex: link.Attrs().Index, Dst: netns.IPNet(netip.PrefixFrom(to.Addr, to.Addr.BitLen()))}
		if !own.Addr.Contains(to.Addr) {
			r.Gw = l.Router.PortOn(own.Switch).Addr.Addr().AsSlice()
		}
		if err := n.Netlink().RouteReplace(r); err != nil {
			return fmt.Errorf("route %s by %s of %s: %w", to.Addr, ifname, n.Name(), err)
		}
	}
	return nil
}

// AddShortcut gives a node a second interface, on the network of the clients, with an
// address of its own.
func (l *Lab) AddShortcut(ctx context.Context, n *Node, ifname string) error {
	p := l.Clients[0].Ports[0]
	own := netip.PrefixFrom(nth(p.Addr.Masked(), l.freePlace()), p.Addr.Bits())
	return p.Switch.Connect(ctx, n.Host, netns.Cable{Ifname: ifname, MTU: l.Spec.MTU, Addrs: []netip.Prefix{own}})
}

// SetLinkMTU makes the switch's end of the cable of a node's Ifname carry frames
// of at most mtu bytes, without a word to the node.
func (l *Lab) SetLinkMTU(n *Node, mtu int) error {
	sw := n.Ports[0].Switch
	link, err := sw.Netlink().LinkByName(n.Name())
	if err == nil {
		err = sw.Netlink().LinkSetMTU(link, mtu)
	}
	if err != nil {
		return fmt.Errorf("set the MTU of the port of %s to %s: %w", sw.Name(), n.Name(), err)
	}
	return nil
}

// SuppressARP makes the switch answer ARP and neighbour solicitations for a
// node's address itself, with the MAC address that the node has now, and keep
// them from the node: ARP suppression, as in fabrics.
func (l *Lab) SuppressARP(n *Node) error {
	sw := n.Ports[0].Switch
	port, err := sw.Netlink().LinkByName(n.Name())
	if err != nil {
		return fmt.Errorf("find the port of %s to %s: %w", sw.Name(), n.Name(), err)
	}
	if n.Addr.Is6() { // for which the bridge has no neighbours so far
		if err := sw.Sysctl("net.ipv6.conf."+netns.BridgeName+".disable_ipv6", "0"); err != nil {
			return err
		}
	}
	if err := sw.SetNeighbour(netns.BridgeName, n.Addr, n.MAC); err != nil {
		return err
	}
	station := &netlink.Neigh{LinkIndex: port.Attrs().Index, Family: unix.AF_BRIDGE, Flags: netlink.NTF_MASTER,
		State: netlink.NUD_NOARP, HardwareAddr: n.MAC}
	if err := sw.Netlink().NeighSet(station); err != nil {
		return fmt.Errorf("make %s remember %s: %w", sw.Name(), n.MAC, err)
	}
	if err := sw.Netlink().LinkSetBrNeighSuppress(port, true); err != nil {
		return fmt.Errorf("suppress ARP for %s: %w", n.Name(), err)
	}
	return nil
}
