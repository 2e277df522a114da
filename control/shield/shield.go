// Package shield keeps the host's own IP stack silent about the virtual
// addresses. The kernel gets its own copy of every frame the director
// captures; on a host that forwards (ip_forward=1, usual where containers run)
// it would send a second copy, an ICMP redirect or host unreachable.
//
// The shield is policy routing: for each VIP and each interface it is received
// on
//
//	ip rule add pref 75 iif IF to VIP lookup 0x6c770001
//	ip route add blackhole default table 0x6c770001
//
// so that the copy ends in the routing decision, silently, before any rule of
// netfilter's FORWARD or INPUT. What this host itself sends to the VIP is not
// touched. A VIP that is configured on this host cannot be shielded so, because
// the table of local addresses comes first: do not configure it.
//
// Where the kernel has nftables, the copy ends earlier still, and cheaper, in
// an ingress chain (IngressTable). The rules stay beside it: a firewall that is
// loaded anew may begin with a flush of everybody's tables.
package shield

import (
	"errors"
	"fmt"
	"maps"
	"net"
	"net/netip"
	"os"
	"slices"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// Table is the routing table of the blackhole. It and all rules that lead to
// it belong to the shield. Priority is the rules' priority.
const (
	Table    = 0x6c770001
	Priority = 75
	// protocol marks rules and routes as the director's.
	protocol = 118
)

// A Guard is a VIP on the interface it is received on.
type Guard struct {
	VIP       netip.Addr
	Interface string
}

// A Shield is the guards installed in one network namespace. There must be
// only one. Its methods need CAP_NET_ADMIN; without it their errors wrap
// os.ErrPermission.
type Shield struct {
	handle *netlink.Handle
	guards map[Guard]bool
	early  error // why there are no ingress chains
}

// New opens a netlink socket in the calling thread's network namespace and
// removes what a shield that could not clean up has left there.
func New() (*Shield, error) {
	h, err := netlink.NewHandle(unix.NETLINK_ROUTE)
	if err != nil {
		return nil, fmt.Errorf("shield: open a netlink socket: %w", err)
	}
	s := &Shield{handle: h, guards: map[Guard]bool{}}
	if err := s.clean(); err != nil {
		h.Close()
		return nil, err
	}
	return s, nil
}

// Early is why the kernel's copies are not dropped at ingress but by routing
// alone; nil: they are.
func (s *Shield) Early() error { return s.early }

// Set installs exactly guards. What was there and stays is not interrupted.
func (s *Shield) Set(guards []Guard) error {
	want := map[Guard]bool{}
	for _, g := range guards {
		want[g] = true
	}
	s.early = setIngress(slices.Collect(maps.Keys(want)))
	if len(want) > 0 {
		for _, family := range families(guards) {
			if err := s.handle.RouteReplace(blackhole(family)); err != nil {
				return explain("install the blackhole route", err)
			}
		}
	}
	var failed error
	for g := range want {
		if !s.guards[g] {
			if err := s.handle.RuleAdd(g.rule()); err != nil && !errors.Is(err, unix.EEXIST) {
				failed = errors.Join(failed, explain(fmt.Sprintf("guard %s on %s", g.VIP, g.Interface), err))
				continue
			}
			s.guards[g] = true
		}
	}
	for g := range s.guards {
		if want[g] {
			continue
		}
		if err := s.handle.RuleDel(g.rule()); err != nil && !errors.Is(err, unix.ENOENT) {
			failed = errors.Join(failed, explain(fmt.Sprintf("unguard %s on %s", g.VIP, g.Interface), err))
			continue
		}
		delete(s.guards, g)
	}
	return failed
}

// Close removes the shield.
func (s *Shield) Close() error {
	defer s.handle.Close()
	return s.clean()
}

// families are the address families of guards.
func families(guards []Guard) []int {
	var all []int
	for _, g := range guards {
		if f := family(g.VIP); !slices.Contains(all, f) {
			all = append(all, f)
		}
	}
	return all
}

func family(a netip.Addr) int {
	if a.Is4() {
		return netlink.FAMILY_V4
	}
	return netlink.FAMILY_V6
}

// clean removes everything that is in the shield's tables or leads to them.
func (s *Shield) clean() error {
	clear(s.guards)
	s.early = setIngress(nil) // where that fails there is nothing to remove
	return errors.Join(s.cleanFamily(netlink.FAMILY_V4), s.cleanFamily(netlink.FAMILY_V6))
}

func (s *Shield) cleanFamily(family int) error {
	rules, err := s.handle.RuleListFiltered(family, &netlink.Rule{Table: Table}, netlink.RT_FILTER_TABLE)
	if errors.Is(err, unix.EAFNOSUPPORT) || errors.Is(err, unix.EOPNOTSUPP) {
		return nil // a host without IPv6
	}
	if err != nil {
		return explain("list rules", err)
	}
	for i := range rules {
		rules[i].Family = family
		if err := s.handle.RuleDel(&rules[i]); err != nil && !errors.Is(err, unix.ENOENT) {
			return explain("remove a rule", err)
		}
	}
	err = s.handle.RouteDel(blackhole(family))
	if err != nil && !errors.Is(err, unix.ESRCH) && !errors.Is(err, unix.ENOENT) && !errors.Is(err, unix.EAFNOSUPPORT) {
		return explain("remove the blackhole route", err)
	}
	return nil
}

func (g Guard) rule() *netlink.Rule {
	r := netlink.NewRule()
	r.Family = family(g.VIP)
	r.Priority, r.Table = Priority, Table
	r.IifName = g.Interface
	r.Dst = netlink.NewIPNet(g.VIP.AsSlice())
	r.Protocol = protocol
	return r
}

func blackhole(family int) *netlink.Route {
	r := &netlink.Route{Family: family, Table: Table, Type: unix.RTN_BLACKHOLE, Protocol: protocol,
		Dst: &net.IPNet{IP: net.IPv4zero.To4(), Mask: net.CIDRMask(0, 32)}}
	if family == netlink.FAMILY_V6 {
		r.Dst = &net.IPNet{IP: net.IPv6zero, Mask: net.CIDRMask(0, 128)}
	}
	return r
}

// explain names the privilege where one is missing.
func explain(what string, err error) error {
	if errors.Is(err, os.ErrPermission) {
		return fmt.Errorf("shield: %s: %w (needs CAP_NET_ADMIN in this network namespace)", what, err)
	}
	return fmt.Errorf("shield: %s: %w", what, err)
}
