package netns

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// AddAddr gives an interface of the host one more address, usable at once if
// the interface is up.
func (h *Host) AddAddr(ifname string, p netip.Prefix) error {
	link, err := h.nl.LinkByName(ifname)
	if err != nil {
		return fmt.Errorf("find %s of %s: %w", ifname, h.name, err)
	}
	a := &netlink.Addr{IPNet: IPNet(p), Scope: unix.RT_SCOPE_UNIVERSE}
	if p.Addr().Is6() {
		a.Flags = unix.IFA_F_NODAD
	}
	if err := h.nl.AddrAdd(link, a); err != nil {
		return fmt.Errorf("add %s to %s of %s: %w", p, ifname, h.name, err)
	}
	if link.Attrs().Flags&net.FlagUp != 0 {
		return h.WaitLocal(context.Background(), p.Addr())
	}
	return nil
}

// SetNeighbour makes a permanent neighbour entry: addr is at mac on ifname.
func (h *Host) SetNeighbour(ifname string, addr netip.Addr, mac net.HardwareAddr) error {
	link, err := h.nl.LinkByName(ifname)
	if err != nil {
		return fmt.Errorf("find %s of %s: %w", ifname, h.name, err)
	}
	err = h.nl.NeighSet(&netlink.Neigh{
		LinkIndex: link.Attrs().Index, IP: addr.AsSlice(), HardwareAddr: mac, State: netlink.NUD_PERMANENT,
	})
	if err != nil {
		return fmt.Errorf("set neighbour %s at %s on %s of %s: %w", addr, mac, ifname, h.name, err)
	}
	return nil
}

// ForgetNeighbour takes the neighbour entry of addr away, if there is one.
func (h *Host) ForgetNeighbour(ifname string, addr netip.Addr) error {
	link, err := h.nl.LinkByName(ifname)
	if err != nil {
		return fmt.Errorf("find %s of %s: %w", ifname, h.name, err)
	}
	err = h.nl.NeighDel(&netlink.Neigh{LinkIndex: link.Attrs().Index, IP: addr.AsSlice()})
	if err != nil && !errors.Is(err, unix.ENOENT) {
		return fmt.Errorf("forget neighbour %s of %s: %w", addr, h.name, err)
	}
	return nil
}

// IPNet is p as the netlink library wants it, host part kept.
func IPNet(p netip.Prefix) *net.IPNet {
	return &net.IPNet{IP: p.Addr().AsSlice(), Mask: net.CIDRMask(p.Bits(), p.Addr().BitLen())}
}

// WaitLocal waits until addr has its local route. For IPv6 the kernel makes it
// in a work item after the address was added or its link came up; until then
// the address can be bound to, but not reached.
func (h *Host) WaitLocal(ctx context.Context, addr netip.Addr) error {
	if addr.Is4() {
		return nil
	}
	return h.poll(ctx, addr.String()+" to be reachable", func() (bool, error) {
		routes, err := h.nl.RouteGet(addr.AsSlice())
		local := slices.ContainsFunc(routes, func(r netlink.Route) bool { return r.Type == unix.RTN_LOCAL })
		return err == nil && local, nil // an error is "no route" so far
	})
}

// An IfAddr is an address of an interface.
type IfAddr struct {
	Ifname string
	Addr   netip.Prefix
}

// Addresses are those of the host, without those for the link only.
func (h *Host) Addresses() ([]IfAddr, error) {
	links, err := h.nl.LinkList()
	if err != nil {
		return nil, fmt.Errorf("list interfaces of %s: %w", h.name, err)
	}
	var all []IfAddr
	for _, link := range links {
		found, err := h.nl.AddrList(link, netlink.FAMILY_ALL)
		if err != nil {
			return nil, fmt.Errorf("list addresses of %s of %s: %w", link.Attrs().Name, h.name, err)
		}
		for _, f := range found {
			a, _ := netip.AddrFromSlice(f.IP)
			bits, _ := f.Mask.Size()
			if a = a.Unmap(); !a.IsLinkLocalUnicast() {
				all = append(all, IfAddr{link.Attrs().Name, netip.PrefixFrom(a, bits)})
			}
		}
	}
	return all, nil
}
