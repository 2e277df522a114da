package ladder

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"

	"github.com/vishvananda/netlink"

	"lvsdr/bench/netlab"
	"lvsdr/bench/netns"
)

// farName is the director's interface towards the real server.
const farName = "eth1"

// wired builds a lab without a switch, two cables one after the other, so that
// the generator's CPU has nothing to do but to send:
//
//	client 192.168.1.50 ═══ eth0 director eth1 ═══ eth0 192.168.2.11 rs1
func wired(ctx context.Context) (*netlab.Lab, error) {
	return cables{client: netip.MustParseAddr("192.168.1.50"), near: netip.MustParsePrefix("192.168.1.10/24"), vip: netip.MustParseAddr("192.168.1.100"),
		far: netip.MustParsePrefix("192.168.2.10/24"), server: netip.MustParseAddr("192.168.2.11")}.build(ctx)
}

// wired6 is wired with IPv6.
func wired6(ctx context.Context) (*netlab.Lab, error) {
	return cables{client: netip.MustParseAddr("fd00:1::50"), near: netip.MustParsePrefix("fd00:1::10/64"), vip: netip.MustParseAddr("fd00:1::100"),
		far: netip.MustParsePrefix("fd00:2::10/64"), server: netip.MustParseAddr("fd00:2::11")}.build(ctx)
}

// cables are those addresses; near and far are the director's.
type cables struct {
	client, vip, server netip.Addr
	near, far           netip.Prefix
}

func (c cables) build(ctx context.Context) (*netlab.Lab, error) {
	if err := netns.Settle(); err != nil {
		return nil, err
	}
	l := &netlab.Lab{Spec: netlab.Spec{Net: c.near.Masked(), VIP: c.vip}}
	err := func() (err error) {
		if l.Director, err = node("director", netlab.RoleDirector, c.near.Addr()); err != nil {
			return err
		}
		client, err := node("client", netlab.RoleClient, c.client)
		if err != nil {
			return err
		}
		l.Clients = append(l.Clients, client)
		rs, err := node("rs1", netlab.RoleServer, c.server)
		if err != nil {
			return err
		}
		l.Servers = append(l.Servers, rs)
		if err := cable(ctx, client, l.Director, netlab.Ifname, c.near); err != nil {
			return err
		}
		if err := cable(ctx, rs, l.Director, farName, c.far); err != nil {
			return err
		}
		return netlab.SetUpServer(rs.Host, l.Spec.VIP)
	}()
	if err != nil {
		return nil, errors.Join(fmt.Errorf("build lab: %w", err), l.Close())
	}
	return l, nil
}

// node makes a host without cables.
func node(name string, role netlab.Role, addr netip.Addr) (*netlab.Node, error) {
	h, err := netns.NewHost(name, netns.HostConfig{IPv6: addr.Is6()})
	if err != nil {
		return nil, err
	}
	return &netlab.Node{Host: h, Role: role, MAC: netlab.MAC(role, 1), Addr: addr, Weight: 1}, nil
}

// cable connects eth0 of n to the interface ifname of the director, which gets
// the address and network at.
func cable(ctx context.Context, n, director *netlab.Node, ifname string, at netip.Prefix) error {
	var ns *os.File
	err := director.Do(func() (err error) {
		ns, err = os.Open("/proc/thread-self/ns/net")
		return err
	})
	if err != nil {
		return fmt.Errorf("open the director's namespace: %w", err)
	}
	defer ns.Close()
	mac := director.MAC
	if ifname == farName {
		mac = farMAC(director)
	}
	attrs := netlink.NewLinkAttrs()
	attrs.Name, attrs.HardwareAddr = netlab.Ifname, n.MAC
	veth := &netlink.Veth{LinkAttrs: attrs, PeerName: ifname, PeerHardwareAddr: mac, PeerNamespace: netlink.NsFd(int(ns.Fd()))}
	if err := n.Netlink().LinkAdd(veth); err != nil {
		return fmt.Errorf("connect %s: %w", n.Name(), err)
	}
	if err := raise(n, netlab.Ifname, netip.PrefixFrom(n.Addr, at.Bits())); err != nil {
		return err
	}
	if err := raise(director, ifname, at); err != nil {
		return err
	}
	return errors.Join(n.WaitUp(ctx, netlab.Ifname), director.WaitUp(ctx, ifname))
}

// raise gives an interface its address and switches it on.
func raise(n *netlab.Node, ifname string, addr netip.Prefix) error {
	l, err := n.Netlink().LinkByName(ifname)
	if err != nil {
		return fmt.Errorf("find %s on %s: %w", ifname, n.Name(), err)
	}
	if err := n.AddAddr(ifname, addr); err != nil {
		return err
	}
	if err := n.Netlink().LinkSetUp(l); err != nil {
		return fmt.Errorf("set %s up on %s: %w", ifname, n.Name(), err)
	}
	return nil
}
