package realserver

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// A host is the network namespace of the thread that made it, through netlink.
// Sysctls are those of the calling thread's namespace, which must be the same.
type host struct{ nl *netlink.Handle }

func openHost() (host, error) {
	nl, err := netlink.NewHandle(unix.NETLINK_ROUTE)
	if err != nil {
		return host{}, fmt.Errorf("open a netlink socket: %w", err)
	}
	return host{nl}, nil
}

func (h host) close() { h.nl.Close() }

// get is the value of an item.
func (h host) get(i Item) (string, error) {
	var there bool
	var err error
	switch {
	case i.Sysctl != "":
		return readSysctl(i.Sysctl)
	case i.Address.IsValid():
		there, err = h.hasAddress(i.Address)
	case i.Route.To.IsValid():
		there, err = h.hasRoute(i.Route)
	default:
		there, err = h.hasRule(i.Rule)
	}
	if err != nil {
		return "", fmt.Errorf("look for %s: %w", i, err)
	}
	if there {
		return Present, nil
	}
	return Absent, nil
}

// values are those of all items.
func (h host) values(items []Item) (map[Item]string, error) {
	found := map[Item]string{}
	for _, i := range items {
		v, err := h.get(i)
		if err != nil {
			return nil, err
		}
		found[i] = v
	}
	return found, nil
}

// set gives an item a value, and looks whether it has it.
func (h host) set(i Item, value string) error {
	var err error
	switch present := value == Present; {
	case i.Sysctl != "":
		err = os.WriteFile(sysctlFile(i.Sysctl), []byte(value), 0)
	case i.Address.IsValid():
		err = h.setAddress(i.Address, present)
	case i.Route.To.IsValid():
		err = h.setRoute(i.Route, present)
	default:
		err = h.setRule(i.Rule, present)
	}
	if err != nil {
		return explain(i, value, err)
	}
	if got, err := h.get(i); err != nil || got != value {
		return errors.Join(fmt.Errorf("set %s: the kernel took it, and yet it is %s, not %s", i, got, value), err)
	}
	return nil
}

func sysctlFile(path string) string { return filepath.Join("/proc/sys", path) }

func readSysctl(path string) (string, error) {
	b, err := os.ReadFile(sysctlFile(path))
	if err != nil {
		return "", fmt.Errorf("read %s: %w", sysctlName(path), err)
	}
	return strings.TrimSpace(string(b)), nil
}

// explain says what to do about a change that was refused.
func explain(i Item, value string, err error) error {
	what := fmt.Errorf("set %s to %s: %w", i, value, err)
	ipv6Off, _ := readSysctl("net/ipv6/conf/lo/disable_ipv6") // without IPv6 there is no such file
	switch {
	case i.Sysctl != "" && errors.Is(err, unix.EROFS):
		return fmt.Errorf("%w; /proc/sys is read-only in this container: set it from outside, with docker run --sysctl %s=%s, "+
			"or on the machine with nsenter --net --target PID sysctl -w %[2]s=%[3]s", what, i, value)
	case i.Address.Addr().Is6() && ipv6Off == "1":
		return fmt.Errorf("%w; IPv6 is switched off: sysctl -w net.ipv6.conf.lo.disable_ipv6=0", what)
	case errors.Is(err, os.ErrPermission):
		return fmt.Errorf("%w; %s", what, privilege)
	}
	return what
}

// privilege is what to do where the kernel says no.
const privilege = "it needs CAP_NET_ADMIN in this network namespace: run it as root (in a container: --cap-add NET_ADMIN)"

func ipNet(p netip.Prefix) *net.IPNet {
	return &net.IPNet{IP: p.Addr().AsSlice(), Mask: net.CIDRMask(p.Bits(), p.Addr().BitLen())}
}

func familyOf(ipv6 bool) int {
	if ipv6 {
		return netlink.FAMILY_V6
	}
	return netlink.FAMILY_V4
}

// addresses are all of a family on this host.
func (h host) addresses(ipv6 bool) ([]ifAddr, error) {
	links, err := h.nl.LinkList()
	if err != nil {
		return nil, fmt.Errorf("list the interfaces: %w", err)
	}
	names := map[int]string{}
	for _, l := range links {
		names[l.Attrs().Index] = l.Attrs().Name
	}
	found, err := h.nl.AddrList(nil, familyOf(ipv6))
	if err != nil {
		return nil, fmt.Errorf("list the addresses: %w", err)
	}
	var all []ifAddr
	for _, a := range found {
		ip, _ := netip.AddrFromSlice(a.IP)
		bits, _ := a.Mask.Size()
		all = append(all, ifAddr{names[a.LinkIndex], netip.PrefixFrom(ip.Unmap(), bits)})
	}
	return all, nil
}

func (h host) hasAddress(p netip.Prefix) (bool, error) {
	all, err := h.addresses(p.Addr().Is6())
	return slices.Contains(all, ifAddr{"lo", p}), err
}

// setAddress adds or removes an address of lo. With scope host it is nothing
// that the kernel would choose as a source; IPv6 does not look for duplicates,
// as there are some: every real server has it.
func (h host) setAddress(p netip.Prefix, present bool) error {
	lo, err := h.nl.LinkByName("lo")
	if err != nil {
		return err
	}
	a := &netlink.Addr{IPNet: ipNet(p), Scope: unix.RT_SCOPE_HOST}
	if p.Addr().Is6() {
		a.Flags = unix.IFA_F_NODAD
	}
	if present {
		return h.nl.AddrAdd(lo, a)
	}
	return h.nl.AddrDel(lo, a)
}

func (r Route) netlink(ifindex int) *netlink.Route {
	n := &netlink.Route{LinkIndex: ifindex, Dst: ipNet(r.To), Table: r.Table, Scope: netlink.SCOPE_LINK, Protocol: owner}
	if r.Source.IsValid() {
		n.Src = r.Source.AsSlice()
	}
	return n
}

func (h host) hasRoute(r Route) (bool, error) {
	link, err := h.nl.LinkByName(r.Interface)
	if errors.As(err, new(netlink.LinkNotFoundError)) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("interface %s: %w", r.Interface, err)
	}
	all, err := h.nl.RouteListFiltered(familyOf(r.To.Addr().Is6()), r.netlink(link.Attrs().Index), netlink.RT_FILTER_TABLE|netlink.RT_FILTER_DST|netlink.RT_FILTER_OIF)
	return slices.ContainsFunc(all, func(n netlink.Route) bool {
		src, _ := netip.AddrFromSlice(n.Src)
		return n.Gw == nil && (!r.Source.IsValid() || src.Unmap() == r.Source)
	}), err
}

func (h host) setRoute(r Route, present bool) error {
	link, err := h.nl.LinkByName(r.Interface)
	if err != nil {
		return fmt.Errorf("interface %s: %w", r.Interface, err)
	}
	if present {
		return h.nl.RouteReplace(r.netlink(link.Attrs().Index))
	}
	n := r.netlink(link.Attrs().Index)
	n.Protocol = 0 // whoever made it
	return h.nl.RouteDel(n)
}

func (r Rule) netlink() *netlink.Rule {
	n := netlink.NewRule()
	n.Family, n.Priority, n.Table = familyOf(r.IPv6), r.Priority, r.Table
	if r.To.IsValid() {
		n.IifName, n.Dst = "lo", netlink.NewIPNet(r.To.AsSlice())
		n.Dport, n.IPProto = netlink.NewRulePortRange(r.Port.Number, r.Port.Number), int(r.Port.Protocol)
	}
	return n
}

// hasRule compares everything but the owner: who made it does not matter.
func (h host) hasRule(r Rule) (bool, error) {
	all, err := h.nl.RuleList(familyOf(r.IPv6))
	want := selector(r.netlink())
	return slices.ContainsFunc(all, func(n netlink.Rule) bool { return selector(&n) == want }), err
}

// selector is all of a rule but its owner, to be compared.
func selector(n *netlink.Rule) string {
	c := *n
	c.Protocol, c.Type = 0, 0 // the library does not read the type
	ports := [2]netlink.RulePortRange{}
	for i, p := range []*netlink.RulePortRange{n.Sport, n.Dport} {
		if p != nil {
			ports[i] = *p
		}
	}
	mark := uint32(0)
	if n.Mask != nil {
		mark = *n.Mask
	}
	c.Sport, c.Dport, c.Mask, c.UIDRange, c.Src, c.Dst = nil, nil, nil, nil, nil, nil
	return fmt.Sprintf("%+v", []any{c.Family, c.Priority, c.Table, c.IifName, c.OifName, c.Mark, mark, c.Tos, c.TunID, c.Goto, c.Invert, c.IPProto,
		c.SuppressPrefixlen, c.SuppressIfgroup, ports, n.UIDRange != nil, n.Src.String(), n.Dst.String()})
}

func (h host) setRule(r Rule, present bool) error {
	n := r.netlink()
	if !present {
		return h.nl.RuleDel(n)
	}
	n.Protocol = r.Owner
	return h.nl.RuleAdd(n)
}

// facts are what the wants for a VIP of this family depend on.
func (h host) facts(ipv6 bool) (f facts, err error) {
	if !ipv6 {
		if f.rpFilterAll, err = readSysctl("net/ipv4/conf/all/rp_filter"); err != nil {
			return f, err
		}
		if f.acceptLocalAll, err = readSysctl("net/ipv4/conf/all/accept_local"); err != nil {
			return f, err
		}
	}
	rules, err := h.nl.RuleList(familyOf(ipv6))
	if err != nil {
		return f, fmt.Errorf("list the routing rules: %w", err)
	}
	for _, n := range rules {
		r := Rule{IPv6: ipv6, Priority: n.Priority, Table: unix.RT_TABLE_LOCAL, Owner: n.Protocol}
		if selector(&n) == selector(r.netlink()) {
			f.localRules = append(f.localRules, r)
		}
	}
	return f, nil
}
