package routing

import (
	"errors"
	"fmt"
	"net"
	"net/netip"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"lvsdr/control/keepalived"
)

// kernel is the Kernel of this host.
type kernel struct{}

var _ Kernel = kernel{}

// AddRoute is part of Kernel.
func (kernel) AddRoute(r *keepalived.Route) error {
	x, err := routeOf(r)
	if err != nil {
		return err
	}
	switch r.Place {
	case keepalived.Alone:
		err = netlink.RouteAdd(x)
	case keepalived.Behind:
		err = netlink.RouteAppend(x)
	default:
		err = netlink.RouteAddEcmp(x) // which has neither flag, and puts it before others
	}
	return unless(err, unix.EEXIST)
}

// RemoveRoute is part of Kernel. A route goes with its interface.
func (kernel) RemoveRoute(r *keepalived.Route) error {
	x, err := routeOf(r)
	if errors.As(err, &netlink.LinkNotFoundError{}) {
		return nil
	}
	if err != nil {
		return err
	}
	return unless(netlink.RouteDel(x), unix.ESRCH, unix.ENODEV)
}

// AddRule is part of Kernel.
func (kernel) AddRule(r *keepalived.Rule) error {
	const most = 255 // the library leaves the word out for tables above it
	if r.Suppresses && r.Table > most {
		return fmt.Errorf("suppress_prefixlength with table %d: %w", r.Table, errors.ErrUnsupported)
	}
	return unless(netlink.RuleAdd(ruleOf(r)), unix.EEXIST)
}

// RemoveRule is part of Kernel.
func (kernel) RemoveRule(r *keepalived.Rule) error {
	return unless(netlink.RuleDel(ruleOf(r)), unix.ENOENT, unix.EAFNOSUPPORT)
}

// unless is err, or nil where it is one of those.
func unless(err error, those ...error) error {
	for _, e := range those {
		if errors.Is(err, e) {
			return nil
		}
	}
	return err
}

// routeOf is r as the library has it.
func routeOf(r *keepalived.Route) (*netlink.Route, error) {
	x := &netlink.Route{Dst: ipNet(r.Destination), Table: int(r.Table), Priority: int(r.Metric), Scope: netlink.Scope(r.Scope), Tos: int(r.TOS),
		Protocol: netlink.RouteProtocol(r.Protocol), Type: int(r.Kind), MTU: int(r.MTU), MTULock: r.MTULock, AdvMSS: int(r.AdvMSS), Family: familyOf(r.Destination.Addr().Is6())}
	if r.Source.IsValid() {
		x.Src = r.Source.AsSlice()
	}
	for _, o := range r.Options {
		if field := optionOf(x, o.Word); field != nil {
			*field = int(o.Value)
		}
	}
	var err error
	if x.LinkIndex, err = linkIndex(r.Interface); err != nil {
		return nil, err
	}
	if len(r.Hops) == 1 {
		h := r.Hops[0]
		x.Gw, x.Flags = gateway(h.Via), flagsOf(h)
		if h.Interface != "" {
			x.LinkIndex, err = linkIndex(h.Interface)
		}
		return x, err
	}
	for _, h := range r.Hops {
		hop := &netlink.NexthopInfo{Gw: gateway(h.Via), Hops: int(h.Weight) - 1, Flags: flagsOf(h)}
		if hop.LinkIndex, err = linkIndex(h.Interface); err != nil {
			return nil, err
		}
		x.MultiPath = append(x.MultiPath, hop)
	}
	return x, nil
}

// optionOf is the number of x with this word; nil: it has none.
func optionOf(x *netlink.Route, word string) *int {
	return map[string]*int{
		"hoplimit": &x.Hoplimit, "window": &x.Window, "cwnd": &x.Cwnd, "ssthresh": &x.Ssthresh, "reordering": &x.Reordering,
		"initcwnd": &x.InitCwnd, "initrwnd": &x.InitRwnd, "quickack": &x.QuickACK, "fastopen_no_cookie": &x.FastOpenNoCookie,
	}[word]
}

// linkIndex is that of the interface; 0 where there is no name.
func linkIndex(name string) (int, error) {
	if name == "" {
		return 0, nil
	}
	l, err := netlink.LinkByName(name)
	if err != nil {
		return 0, fmt.Errorf("find interface %s: %w", name, err)
	}
	return l.Attrs().Index, nil
}

func gateway(a netip.Addr) net.IP {
	if !a.IsValid() {
		return nil
	}
	return a.AsSlice()
}

func flagsOf(h keepalived.Hop) int {
	if h.OnLink {
		return int(netlink.FLAG_ONLINK)
	}
	return 0
}

func familyOf(is6 bool) int {
	if is6 {
		return unix.AF_INET6
	}
	return unix.AF_INET
}

func ipNet(p netip.Prefix) *net.IPNet {
	return &net.IPNet{IP: p.Addr().AsSlice(), Mask: net.CIDRMask(p.Bits(), p.Addr().BitLen())}
}

// keepalivedProto is RTPROT_KEEPALIVED of <linux/rtnetlink.h>: rules have it as those of keepalived.
const keepalivedProto = 18

// ruleOf is r as the library has it.
func ruleOf(r *keepalived.Rule) *netlink.Rule {
	x := netlink.NewRule()
	x.Family, x.Priority, x.Protocol, x.Invert = familyOf(r.IPv6), int(r.Priority), keepalivedProto, r.Not
	x.Tos, x.IifName, x.OifName = uint(r.TOS), r.In, r.Out
	if r.From.IsValid() {
		x.Src = ipNet(r.From)
	}
	if r.To.IsValid() {
		x.Dst = ipNet(r.To)
	}
	if r.Mask != 0 {
		x.Mark, x.Mask = r.Mark, &r.Mask
	}
	if r.Suppresses {
		x.SuppressPrefixlen = int(r.SuppressLength)
	}
	switch r.Action {
	case keepalived.ToTable:
		x.Table = int(r.Table)
	case keepalived.ToGoto:
		x.Goto = int(r.Goto)
	default:
		x.Type = uint8(r.Action)
	}
	return x
}
