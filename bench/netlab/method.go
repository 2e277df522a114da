package netlab

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"lvsdr/bench/netns"
	"lvsdr/control/realserver"
)

// A Method is how the director sends to the real servers.
type Method string

// The methods. They shape the lab.
const (
	// DR, the zero value: real servers have the VIP and share a network with the
	// director.
	DR Method = ""
	// NAT: real servers are in a network of their own, without the VIP; the director
	// is on it with eth1 and is their default gateway.
	NAT Method = "nat"
	// TUN: real servers have the VIP at the end of a tunnel and are in a network of
	// their own behind a router.
	TUN Method = "tun"
)

// methods are the names of all, as users give them.
func methods() []string { return []string{"dr", string(NAT), string(TUN)} }

// parseMethod is the method of that name.
func parseMethod(name string) (Method, error) {
	if !slices.Contains(methods(), name) {
		return "", fmt.Errorf("--method %q: there are %s", name, strings.Join(methods(), ", "))
	}
	if name == "dr" {
		return DR, nil
	}
	return Method(name), nil
}

// String is the method's name in full.
func (m Method) String() string {
	switch m {
	case NAT:
		return "NAT"
	case TUN:
		return "Tunneling"
	}
	return "Direct Routing"
}

// words are the method in keepalived.conf, with a tunnel of that kind.
func (m Method) words(tunnel string) string {
	switch m {
	case NAT:
		return "NAT"
	case TUN:
		switch tunnel {
		case realserver.KindGRE:
			return "TUN type gre"
		case realserver.KindGUE:
			return fmt.Sprintf("TUN type gue port %d", guePort)
		}
		return "TUN"
	}
	return "DR"
}

// guePort is the UDP port of the lab's GUE.
const guePort = 6080

// checkMethod finds what the method does not allow.
func (s Spec) checkMethod() error {
	switch {
	case s.Method == DR:
	case s.TwoArmed:
		return fmt.Errorf("two-armed is for Direct Routing; the method %s has the real servers in a network of their own", s.Method)
	case s.Method == NAT && s.Directors > 1:
		return errors.New("a pair of directors with NAT needs a second virtual address, as the real servers' gateway; the lab has none")
	}
	if t := cmp.Or(s.Tunnel, realserver.KindIPIP); !slices.Contains(realserver.Kinds(), t) {
		return fmt.Errorf("tunnel %q: there are %s", t, strings.Join(realserver.Kinds(), ", "))
	}
	return nil
}

// ownNetwork reports whether the real servers are in a network of their own.
func (s Spec) ownNetwork() bool { return s.TwoArmed || s.Method != DR }

// tunnel is the servers' end of it.
func (s Spec) tunnel() realserver.Tunnel {
	t := realserver.Tunnel{Kind: cmp.Or(s.Tunnel, realserver.KindIPIP)}
	if t.Kind == realserver.KindGUE {
		t.Port = guePort
	}
	return t
}

// gateway is the address by which n, a host with interfaces, reaches other networks;
// zero: by none.
func (l *Lab) gateway(n *Node) netip.Addr {
	to := l.Router
	if l.Spec.Method == NAT && n.Role == RoleServer {
		to = l.Director
	}
	if to == nil || to == n {
		return netip.Addr{}
	}
	p := to.PortOn(n.Ports[0].Switch)
	if p == nil {
		return netip.Addr{}
	}
	return p.Addr.Addr()
}

// setUpServer makes n a real server of the lab's method.
func (l *Lab) setUpServer(n *Node) error {
	switch l.Spec.Method {
	case NAT:
		return nil // it has its default route
	case TUN:
		end, err := SetUpTunnelServer(n.Host, l.Spec.VIP, l.Spec.tunnel())
		if n.Tunnel = TunnelIfname; end == nil {
			n.Tunnel = l.Spec.tunnel().DeviceName(l.Spec.VIP)
		}
		return err
	}
	return SetUpServer(n.Host, l.Spec.VIP)
}

// SetUpTunnelServer makes h a real server for vip that takes the director's packets
// out of a tunnel, by realserver.SetUp. Where this kernel has no such tunnel, or not for
// the root of a user namespace, a TunnelEnd does it, which is closed with h; else
// the end is nil.
func SetUpTunnelServer(h *netns.Host, vip netip.Addr, t realserver.Tunnel) (end *TunnelEnd, err error) {
	failed := func(err error) error { return fmt.Errorf("set up real server %s: %w", h.Name(), err) }
	if vip.Is4() {
		if err := h.Sysctl("net.ipv4.conf.all.rp_filter", "0"); err != nil {
			return nil, failed(err)
		}
	}
	o := realserver.Options{VIP: vip, Tunnels: []realserver.Tunnel{t}}
	err = h.Do(func() error { return realserver.SetUp(o) })
	if errors.Is(err, unix.EOPNOTSUPP) || errors.Is(err, unix.ENOENT) || errors.Is(err, unix.EPERM) {
		end, err = OpenTunnelEnd(h, vip, t)
	}
	if err == nil {
		err = h.WaitLocal(context.Background(), vip)
	}
	if err != nil {
		return nil, failed(err)
	}
	return end, nil
}

// routeBy gives n a default route.
func (n *Node) routeBy(gateway netip.Addr) error {
	all := netip.PrefixFrom(netip.IPv4Unspecified(), 0)
	if gateway.Is6() {
		all = netip.PrefixFrom(netip.IPv6Unspecified(), 0)
	}
	if err := n.Netlink().RouteReplace(&netlink.Route{Dst: netns.IPNet(all), Gw: gateway.AsSlice()}); err != nil {
		return fmt.Errorf("route everything by %s on %s: %w", gateway, n.Name(), err)
	}
	return nil
}
