package addresses

import (
	"errors"
	"net"
	"net/netip"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// kernel is the Kernel of this host.
type kernel struct{}

var _ Kernel = kernel{}

// Has is part of Kernel.
func (kernel) Has(link string) ([]netip.Prefix, error) {
	l, err := netlink.LinkByName(link)
	if errors.As(err, &netlink.LinkNotFoundError{}) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	list, err := netlink.AddrList(l, netlink.FAMILY_ALL)
	if err != nil {
		return nil, err
	}
	var all []netip.Prefix
	for _, x := range list {
		addr, ok := netip.AddrFromSlice(x.IP)
		bits, _ := x.Mask.Size()
		if ok {
			all = append(all, netip.PrefixFrom(addr.Unmap(), bits))
		}
	}
	return all, nil
}

// forever is the lifetime of an address without an end; INFINITY_LIFE_TIME of <linux/in6.h>.
const forever = 1<<32 - 1

// Add is part of Kernel.
func (kernel) Add(a Address) error {
	l, err := netlink.LinkByName(a.Link)
	if err != nil {
		return err
	}
	x := &netlink.Addr{IPNet: ipNet(a.Prefix), Label: a.Label, Scope: int(a.Scope)}
	if a.Peer.IsValid() {
		x.Peer = ipNet(netip.PrefixFrom(a.Peer, a.Prefix.Bits()))
	}
	x.Broadcast = net.IPv4zero // else the library makes one up
	if a.Broadcast.IsValid() {
		x.Broadcast = a.Broadcast.AsSlice()
	}
	for flag, on := range map[int]bool{unix.IFA_F_NODAD: a.NoDAD || a.Prefix.Addr().Is6() && !a.Home, unix.IFA_F_HOMEADDRESS: a.Home,
		unix.IFA_F_MANAGETEMPADDR: a.ManageTemp, unix.IFA_F_NOPREFIXROUTE: a.NoPrefixRoute} {
		if on {
			x.Flags |= flag
		}
	}
	if a.Deprecated {
		x.ValidLft, x.PreferedLft = forever, 0
	}
	return netlink.AddrReplace(l, x)
}

// Remove is part of Kernel.
func (kernel) Remove(link string, p netip.Prefix) error {
	l, err := netlink.LinkByName(link)
	if errors.As(err, &netlink.LinkNotFoundError{}) {
		return nil
	}
	if err != nil {
		return err
	}
	err = netlink.AddrDel(l, &netlink.Addr{IPNet: ipNet(p)})
	if errors.Is(err, unix.EADDRNOTAVAIL) {
		return nil // somebody else was faster
	}
	return err
}

func ipNet(p netip.Prefix) *net.IPNet {
	return &net.IPNet{IP: p.Addr().AsSlice(), Mask: net.CIDRMask(p.Bits(), p.Addr().BitLen())}
}
