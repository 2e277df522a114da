package netns

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// A Cable says how a host is connected: to a switch by Connect, or to another
// host by Lay.
type Cable struct {
	// Ifname is the interface's name in the host. Default eth0.
	Ifname string
	// MAC is its address. Default of Connect: MAC(KindOther, number of the port),
	// of Lay: the kernel's choice.
	MAC net.HardwareAddr
	// MTU in bytes, of both ends where one is a switch. Default 1500.
	MTU int
	// Addrs are its addresses, with the prefix length of the network.
	Addrs []netip.Prefix
}

// Lay lays a cable, a veth pair, between two hosts and returns when both ends
// are up. The cable goes with either of the hosts.
func Lay(ctx context.Context, a *Host, atA Cable, b *Host, atB Cable) error {
	for _, c := range []*Cable{&atA, &atB} {
		if c.Ifname == "" {
			c.Ifname = "eth0"
		}
		if c.MTU == 0 {
			c.MTU = 1500
		}
	}
	if err := lay(ctx, a, atA, b, atB); err != nil {
		return fmt.Errorf("lay a cable from %s of %s to %s of %s: %w", atA.Ifname, a.name, atB.Ifname, b.name, err)
	}
	return nil
}

func lay(ctx context.Context, a *Host, atA Cable, b *Host, atB Cable) error {
	if _, err := addVeth(a, atA, b, atB); err != nil {
		return err
	}
	if err := errors.Join(a.plugIn(atA), b.plugIn(atB)); err != nil {
		return err
	}
	return errors.Join(a.waitPlugged(ctx, atA), b.waitPlugged(ctx, atB))
}

// addVeth makes a veth pair with one end in a and the other in b.
func addVeth(a *Host, atA Cable, b *Host, atB Cable) (netlink.Link, error) {
	attrs := netlink.NewLinkAttrs()
	attrs.Name, attrs.HardwareAddr, attrs.MTU = atA.Ifname, atA.MAC, atA.MTU
	veth := netlink.NewVeth(attrs)
	veth.PeerName, veth.PeerHardwareAddr, veth.PeerMTU = atB.Ifname, atB.MAC, uint32(atB.MTU)

	// The descriptor must stay open until the kernel has looked at it.
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.ns == nil {
		return nil, fmt.Errorf("use host %s: %w", b.name, os.ErrClosed)
	}
	veth.PeerNamespace = netlink.NsFd(int(b.ns.Fd()))
	if err := a.nl.LinkAdd(veth); err != nil {
		return nil, fmt.Errorf("make cable: %w", err)
	}
	return veth, nil
}

// plugIn sets the host's end of a cable up, with its addresses.
func (h *Host) plugIn(c Cable) error {
	if h.own {
		if _, err := h.Keep(func() error { return h.unplug(c.Ifname) }); err != nil {
			return err
		}
	}
	for _, a := range c.Addrs {
		if err := h.AddAddr(c.Ifname, a); err != nil {
			return err
		}
	}
	return setUp(h.nl, c.Ifname)
}

// waitPlugged waits until the host's end of a cable carries frames and its
// addresses can be reached.
func (h *Host) waitPlugged(ctx context.Context, c Cable) error {
	if err := h.WaitUp(ctx, c.Ifname); err != nil {
		return err
	}
	for _, a := range c.Addrs {
		if err := h.WaitLocal(ctx, a.Addr()); err != nil {
			return err
		}
	}
	return nil
}

// unplug removes an interface, if it is still there.
func (h *Host) unplug(ifname string) error {
	link, err := h.nl.LinkByName(ifname)
	if errors.As(err, new(netlink.LinkNotFoundError)) {
		return nil
	}
	if err == nil {
		err = h.nl.LinkDel(link)
	}
	if err != nil && !errors.Is(err, unix.ENODEV) { // the other end may go at the same moment
		return fmt.Errorf("remove %s of %s: %w", ifname, h.name, err)
	}
	return nil
}
