package drroute

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"sync"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"lvsdr/control/policyroute"
	"lvsdr/control/rtnl"
)

// A Router sends connections of this host to a virtual address through the
// real server of its choice. For each real server it installs
//
//	ip rule add pref 76 fwmark MARK iif lo lookup TABLE
//	ip route add VIP via RS dev IF onlink table TABLE    (for each VIP)
//	ip route add unreachable default table TABLE
//
// A socket with SO_MARK = MARK that connects to VIP then sends its frames to
// the MAC address of RS, which the kernel resolves by ARP or neighbour
// discovery as for any gateway. The other rules of the host do not take part:
// "iif lo" selects what this host itself sends, so a rule that blackholes
// received VIP traffic neither hits the checks nor is weakened by them; and
// the reverse path filter looks the VIP up without the mark, that is, where the
// VIP's network is, which is the interface the answer comes in by. (A VIP
// outside all networks of that interface needs rp_filter 0 or 2 there.) The
// unreachable route sees to it that a marked connection never leaves by the
// main table and is answered by somebody else, when the interface was down and
// the kernel has dropped the route.
//
// The VIP must not be an address of this host: the local table comes first.
// Mark says so.
//
// There should be one Router in a network namespace. Its methods may be called
// concurrently. It needs CAP_NET_ADMIN; without it Set, Mark and Cleanup
// return errors that wrap os.ErrPermission and name it.
type Router struct {
	mu      sync.Mutex // held across netlink calls: one writer at a time
	handle  *netlink.Handle
	lanes   lanes
	closing bool
}

// New opens a netlink socket in the network namespace of the calling
// thread. It changes nothing; Cleanup removes what a predecessor that was
// killed has left.
func New() (*Router, error) {
	h, err := netlink.NewHandle(unix.NETLINK_ROUTE)
	if err != nil {
		return nil, fmt.Errorf("open a netlink socket for DR checks: %w", err)
	}
	return &Router{handle: h, lanes: make(lanes)}, nil
}

// Set makes paths, in any order and with repetitions, the ones that are
// installed: new ones are added, missing ones removed, the others are not
// touched. What cannot be added is named in the error and tried again by Mark;
// only after os.ErrPermission there is no sense in that. A path that is not
// valid is left out.
func (r *Router) Set(paths []Path) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closing {
		return fmt.Errorf("set the routes of DR checks: %w", os.ErrClosed)
	}
	wanted := make(map[Path]bool, len(paths))
	var order []Path
	var errs []error
	for _, p := range paths {
		p = p.clean()
		if err := p.validate(); err != nil {
			errs = append(errs, err)
		} else if !wanted[p] {
			wanted[p] = true
			order = append(order, p)
		}
	}
	errs = append(errs, r.dropAllBut(wanted))
	for _, p := range order {
		if r.lanes.find(p) != nil {
			continue
		}
		e, err := r.lanes.add(p)
		if err == nil {
			err = r.install(e, p)
		}
		if errors.Is(err, os.ErrPermission) {
			return err // the same for all of them
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// Mark gives the firewall mark that sends a socket along p, which must be one
// of those given to Set. It asks the kernel where such a socket's packets would
// go, and installs again what has been lost: the kernel drops a route when its
// interface goes down, network managers remove rules they do not know, and an
// ICMP redirect bends a route. Where all is in place it changes nothing.
func (r *Router) Mark(p Path) (uint32, error) {
	p = p.clean()
	r.mu.Lock()
	defer r.mu.Unlock()
	e := r.lanes.find(p)
	if e == nil {
		return 0, fmt.Errorf("route of DR check %s: %w", p, os.ErrNotExist)
	}
	if err := r.install(e, p); err != nil {
		return 0, err
	}
	gw, err := r.gateway(p, e.mark())
	if err == nil && gw != p.RS {
		if err = r.renew(e, p); err == nil {
			gw, err = r.gateway(p, e.mark())
		}
	}
	if err == nil && gw != p.RS {
		err = fmt.Errorf("route of DR check %s: the kernel sends it to %s", p, gw)
	}
	return e.mark(), err
}

// Gateway asks the kernel whom it sends a marked packet along p to, which must be
// one of the paths given to Set: the real server, or somebody an ICMP redirect
// named.
func (r *Router) Gateway(p Path) (netip.Addr, error) {
	p = p.clean()
	r.mu.Lock()
	defer r.mu.Unlock()
	e := r.lanes.find(p)
	if e == nil {
		return netip.Addr{}, fmt.Errorf("route of DR check %s: %w", p, os.ErrNotExist)
	}
	return r.gateway(p, e.mark())
}

func (r *Router) gateway(p Path, mark uint32) (netip.Addr, error) {
	routes, err := r.handle.RouteGetWithOptions(p.VIP.AsSlice(), &netlink.RouteGetOptions{Mark: mark})
	if err == nil && len(routes) == 0 {
		err = os.ErrNotExist
	}
	if err != nil {
		return netip.Addr{}, explain("look up the route of DR check "+p.String(), err)
	}
	if routes[0].Type == unix.RTN_LOCAL {
		return netip.Addr{}, fmt.Errorf("route of DR check %s: the VIP is an address of this host", p)
	}
	gw, _ := netip.AddrFromSlice(routes[0].Gw)
	return gw.Unmap(), nil
}

// renew makes the route of p anew, with another metric: what the kernel has
// learnt about a route (ICMP redirects) hangs on a record that equal routes
// share and that goes only with the last of them.
func (r *Router) renew(e *lane, p Path) error {
	old := e.vips[p.VIP]
	e.vips[p.VIP] = old + 1
	if err := r.install(e, p); err != nil {
		return err
	}
	way := netlink.Route{Table: policyroute.DRCheckBase + e.n, Dst: prefix(p.VIP, p.VIP.BitLen()), Priority: old}
	err := rtnl.Ignore(r.handle.RouteDel(&way), unix.ESRCH)
	return explain("renew the route of DR check "+p.String(), err)
}

// Close removes everything, as Cleanup does, and closes the socket. Probes
// that use the Router should have ended, see Runner.Close.
func (r *Router) Close() error {
	err := r.Cleanup()
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.closing {
		r.closing = true
		r.handle.Close()
	}
	return err
}

// Cleanup removes all rules and routes in the range of numbers that belongs to
// Router, whoever installed them, and forgets all paths.
func (r *Router) Cleanup() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closing {
		return nil
	}
	clear(r.lanes)
	var errs []error
	for _, family := range []int{unix.AF_INET, unix.AF_INET6} {
		errs = append(errs, r.cleanRoutes(family), r.cleanRules(family))
	}
	return errors.Join(errs...)
}

// install sees that the rule and the routes for p are there. The rule comes
// last, so that a marked packet never finds a table without its unreachable
// route.
func (r *Router) install(e *lane, p Path) error {
	stop := netlink.Route{
		Table: policyroute.DRCheckBase + e.n, Protocol: policyroute.Protocol, Type: unix.RTN_UNREACHABLE,
		Dst: prefix(zeroLike(p.VIP), 0),
	}
	way := netlink.Route{
		Table: policyroute.DRCheckBase + e.n, Protocol: policyroute.Protocol, Dst: prefix(p.VIP, p.VIP.BitLen()),
		Gw: p.RS.AsSlice(), LinkIndex: p.Ifindex, Flags: int(netlink.FLAG_ONLINK),
		Priority: e.vips[p.VIP],
	}
	err := r.handle.RouteReplace(&stop)
	if err == nil {
		err = r.handle.RouteReplace(&way)
	}
	if err == nil {
		err = rtnl.Ignore(r.handle.RuleAdd(e.rule(p)), unix.EEXIST)
	}
	return explain("install the route of DR check "+p.String(), err)
}

// dropAllBut removes the paths that are not wanted, and the lanes that are
// empty then.
func (r *Router) dropAllBut(wanted map[Path]bool) error {
	var errs []error
	for k, e := range r.lanes {
		p := Path{RS: k.rs, Ifindex: k.ifindex}
		var metric int
		for p.VIP, metric = range e.vips {
			if wanted[p] {
				continue
			}
			way := netlink.Route{Table: policyroute.DRCheckBase + e.n, Dst: prefix(p.VIP, p.VIP.BitLen()), Priority: metric}
			err := rtnl.Ignore(r.handle.RouteDel(&way), unix.ESRCH)
			errs = append(errs, explain("remove the route of DR check "+p.String(), err))
			delete(e.vips, p.VIP)
		}
		if len(e.vips) > 0 {
			continue
		}
		rule := rtnl.Ignore(r.handle.RuleDel(e.rule(p)), unix.ENOENT)
		stop := netlink.Route{
			Table: policyroute.DRCheckBase + e.n, Type: unix.RTN_UNREACHABLE, Dst: prefix(zeroLike(p.RS), 0),
		}
		route := rtnl.Ignore(r.handle.RouteDel(&stop), unix.ESRCH)
		errs = append(errs, explain("remove the rule of DR checks of "+p.RS.String(), errors.Join(rule, route)))
		delete(r.lanes, k)
	}
	return errors.Join(errs...)
}

// rule is the rule of e, whose real server is p.RS.
func (e *lane) rule(p Path) *netlink.Rule {
	rule := netlink.NewRule()
	rule.Family = unix.AF_INET6
	if p.RS.Is4() {
		rule.Family = unix.AF_INET
	}
	all := uint32(0xffffffff)
	rule.Priority = policyroute.DRCheckPref
	rule.Mark = e.mark()
	rule.Mask = &all
	rule.IifName = "lo"
	rule.Table = policyroute.DRCheckBase + e.n
	rule.Protocol = policyroute.Protocol
	return rule
}

// cleanRules removes the rules that lead to tables of ours.
func (r *Router) cleanRules(family int) error {
	rules, err := rtnl.Dump(func() ([]netlink.Rule, error) { return r.handle.RuleList(family) })
	if err != nil {
		return explain("list the rules of DR checks", err)
	}
	var errs []error
	for _, rule := range rules {
		if ours(rule.Table) {
			errs = append(errs, explain("remove a rule of DR checks", rtnl.Ignore(r.handle.RuleDel(&rule), unix.ENOENT)))
		}
	}
	return errors.Join(errs...)
}

// cleanRoutes removes the routes in tables of ours. It looks through all
// tables, because there may be no rule any more that names them.
func (r *Router) cleanRoutes(family int) error {
	routes, err := rtnl.Dump(func() ([]netlink.Route, error) {
		var found []netlink.Route
		filter := &netlink.Route{Table: unix.RT_TABLE_UNSPEC}
		err := r.handle.RouteListFilteredIter(family, filter, netlink.RT_FILTER_TABLE, func(route netlink.Route) bool {
			if ours(route.Table) {
				found = append(found, route)
			}
			return true
		})
		return found, err
	})
	if err != nil {
		return explain("list the routes of DR checks", err)
	}
	var errs []error
	for _, route := range routes {
		bare := netlink.Route{Table: route.Table, Type: route.Type, Dst: route.Dst, Priority: route.Priority}
		errs = append(errs, explain("remove a route of DR checks", rtnl.Ignore(r.handle.RouteDel(&bare), unix.ESRCH)))
	}
	return errors.Join(errs...)
}

// explain says what was attempted, and what is missing where it is known.
func explain(what string, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, os.ErrPermission):
		return fmt.Errorf("%s: needs CAP_NET_ADMIN: %w", what, err)
	case errors.Is(err, errors.ErrUnsupported), errors.Is(err, unix.EAFNOSUPPORT):
		return fmt.Errorf("%s: this kernel has no policy routing (CONFIG_IP_MULTIPLE_TABLES): %w", what, err)
	}
	return fmt.Errorf("%s: %w", what, err)
}

// prefix is a/bits in the form netlink wants.
func prefix(a netip.Addr, bits int) *net.IPNet {
	return &net.IPNet{IP: a.AsSlice(), Mask: net.CIDRMask(bits, a.BitLen())}
}

// zeroLike is the unspecified address of a's family.
func zeroLike(a netip.Addr) netip.Addr {
	if a.Is4() {
		return netip.IPv4Unspecified()
	}
	return netip.IPv6Unspecified()
}
