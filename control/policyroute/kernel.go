package policyroute

import (
	"errors"
	"fmt"
	"net/netip"
	"os"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// A Kernel is the rules and routes of one network namespace, by a netlink
// socket. It is not safe for concurrent use.
type Kernel struct{ nl *netlink.Handle }

// Open opens a netlink socket in the calling thread's network namespace.
func Open() (*Kernel, error) {
	h, err := netlink.NewHandle(unix.NETLINK_ROUTE)
	if err != nil {
		return nil, fmt.Errorf("open a netlink socket: %w", err)
	}
	return &Kernel{h}, nil
}

// Close closes the socket. What was set stays.
func (k *Kernel) Close() { k.nl.Close() }

// Rules lists all rules of a family, in the kernel's order. A kernel without the
// family has none.
func (k *Kernel) Rules(ipv6 bool) ([]Rule, error) {
	found, err := Dump(func() ([]netlink.Rule, error) { return k.nl.RuleList(family(ipv6)) })
	if errors.Is(err, unix.EOPNOTSUPP) {
		return nil, nil // a kernel without policy routing has no rules
	}
	if err != nil {
		return nil, Explain("list the routing rules", err)
	}
	all := make([]Rule, 0, len(found))
	for i := range found {
		all = append(all, ruleOf(&found[i], ipv6))
	}
	return all, nil
}

// Routes lists the routes of a family in the tables for which wanted is true.
func (k *Kernel) Routes(ipv6 bool, wanted func(table int) bool) ([]Route, error) {
	found, err := Dump(func() ([]Route, error) {
		var all []Route
		anyTable := &netlink.Route{Table: unix.RT_TABLE_UNSPEC}
		err := k.nl.RouteListFilteredIter(family(ipv6), anyTable, netlink.RT_FILTER_TABLE, func(n netlink.Route) bool {
			if wanted(n.Table) {
				all = append(all, routeOf(&n))
			}
			return true
		})
		return all, err
	})
	return found, Explain("list the routes", err)
}

// AddRule adds a rule. One that is there already is no error.
func (k *Kernel) AddRule(r Rule) error {
	return Explain("add the rule "+r.String(), ignore(k.nl.RuleAdd(r.netlink()), unix.EEXIST))
}

// DelRule removes a rule, whoever made it if its Protocol is 0. One that is gone
// is no error.
func (k *Kernel) DelRule(r Rule) error {
	return Explain("remove the rule "+r.String(), ignore(k.nl.RuleDel(r.netlink()), unix.ENOENT, unix.EAFNOSUPPORT))
}

// SetRoute makes r the route to its network with its metric in its table.
func (k *Kernel) SetRoute(r Route) error {
	return Explain("set the route "+r.String(), k.nl.RouteReplace(r.netlink()))
}

// DelRoute removes a route, whoever made it. One that is gone is no error.
func (k *Kernel) DelRoute(r Route) error {
	n := r.netlink()
	n.Protocol, n.Flags = 0, 0
	return Explain("remove the route "+r.String(), ignore(k.nl.RouteDel(n), unix.ESRCH, unix.ENOENT, unix.ENODEV, unix.EAFNOSUPPORT))
}

// A Hop is where the kernel sends a packet.
type Hop struct {
	Gateway netip.Addr // zero: none
	Local   bool       // to this host itself
}

// LookUp asks the kernel where it sends a packet of this host with a firewall
// mark; what ICMP redirects have told it counts.
func (k *Kernel) LookUp(to netip.Addr, mark uint32) (Hop, error) {
	found, err := k.nl.RouteGetWithOptions(to.AsSlice(), &netlink.RouteGetOptions{Mark: mark})
	if err == nil && len(found) == 0 {
		err = unix.ENETUNREACH
	}
	if err != nil {
		return Hop{}, Explain("look up the route to "+to.String(), err)
	}
	return Hop{Gateway: addr(found[0].Gw), Local: found[0].Type == unix.RTN_LOCAL}, nil
}

// Dump repeats a listing that a change in the kernel interrupted, ten times at
// most. A kernel without the family has nothing to list.
func Dump[T any](list func() ([]T, error)) ([]T, error) {
	all, err := list()
	for range 10 {
		if !errors.Is(err, netlink.ErrDumpInterrupted) {
			break
		}
		all, err = list()
	}
	if errors.Is(err, unix.EAFNOSUPPORT) {
		return nil, nil
	}
	return all, err
}

// ignore is err unless it is one of those that are expected.
func ignore(err error, expected ...unix.Errno) error {
	for _, e := range expected {
		if errors.Is(err, e) {
			return nil
		}
	}
	return err
}

// Explain says what was attempted, and what is missing where it is known; nil
// for nil.
func Explain(attempt string, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, os.ErrPermission):
		return fmt.Errorf("%s: %w (needs CAP_NET_ADMIN in this network namespace)", attempt, err)
	case errors.Is(err, errors.ErrUnsupported), errors.Is(err, unix.EAFNOSUPPORT):
		return fmt.Errorf("%s: %w (this kernel lacks it: policy routing, CONFIG_IP_MULTIPLE_TABLES, by ports since Linux 4.17; a pair of veth interfaces; IPv6)", attempt, err)
	}
	return fmt.Errorf("%s: %w", attempt, err)
}
