package drroute

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"sync"

	"lvsdr/control/policyroute"
)

// A Router installs the routes of paths. There should be one in a network
// namespace. Its methods may be called concurrently. It needs CAP_NET_ADMIN;
// without it Set, Mark and Close return errors that wrap os.ErrPermission and
// name it.
type Router struct {
	mu      sync.Mutex          // held across netlink calls: one writer at a time
	kernel  *policyroute.Kernel // nil: closed
	lanes   lanes
	readied [2]bool // the rules of past are there, for IPv4 and IPv6
}

// New opens a netlink socket in the network namespace of the calling thread. It
// changes nothing.
func New() (*Router, error) {
	k, err := policyroute.Open()
	if err != nil {
		return nil, fmt.Errorf("DR checks: %w", err)
	}
	return &Router{kernel: k, lanes: lanes{}}, nil
}

// Set makes paths, in any order and with repetitions, the ones that Mark knows.
// It removes what it had installed for others, and what a predecessor that was
// killed has left. A path that is not valid is left out and named in the error.
func (r *Router) Set(paths []Path) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.kernel == nil {
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
	r.lanes.retain(wanted)
	errs = append(errs, r.lanes.add(order)...)
	if err := r.kernel.Keep(policyroute.DRCheck(), r.lanes.policy()); err != nil {
		return errors.Join(append(errs, err)...)
	}
	r.readied = [2]bool{}
	for _, p := range order {
		if err := r.ready(p.RS.Is6()); err != nil {
			return errors.Join(append(errs, err)...) // the same for all of them
		}
	}
	return errors.Join(errs...)
}

// ready installs the rules that lead other packets past, once for each family.
func (r *Router) ready(ipv6 bool) error {
	done := &r.readied[0]
	if ipv6 {
		done = &r.readied[1]
	}
	if *done {
		return nil
	}
	for _, rule := range past(ipv6) {
		if err := r.kernel.AddRule(rule); err != nil {
			return fmt.Errorf("DR checks: %w", err)
		}
	}
	*done = true
	return nil
}

// Mark gives the firewall mark that sends a socket along p, which must be one
// of those given to Set. It asks the kernel where such a socket's packets would
// go, and installs what is missing or has been lost: the kernel drops a route
// when its interface goes down, network managers remove rules they do not know,
// and an ICMP redirect bends a route. Where all is in place it changes nothing.
func (r *Router) Mark(p Path) (uint32, error) {
	p = p.clean()
	r.mu.Lock()
	defer r.mu.Unlock()
	e, w := r.lanes.find(p)
	if e == nil || r.kernel == nil {
		return 0, fmt.Errorf("route of DR check %s: %w", p, os.ErrNotExist)
	}
	mark := uint32(e.mark())
	redirected := false
	if w.made {
		hop, err := r.kernel.LookUp(p.VIP, mark)
		if err == nil && hop.Gateway == p.RS {
			return mark, nil
		}
		redirected = err == nil && hop.Gateway.IsValid()
	}
	if err := r.install(e, w, p, redirected); err != nil {
		return 0, fmt.Errorf("install the route of DR check %s: %w", p, err)
	}
	hop, err := r.gateway(p, mark)
	if err == nil && hop != p.RS {
		err = fmt.Errorf("route of DR check %s: the kernel sends it to %s", p, hop)
	}
	return mark, err
}

// Gateway asks the kernel whom it sends a marked packet along p to, which must be
// one of the paths given to Set: the real server, or somebody an ICMP redirect
// named.
func (r *Router) Gateway(p Path) (netip.Addr, error) {
	p = p.clean()
	r.mu.Lock()
	defer r.mu.Unlock()
	e, _ := r.lanes.find(p)
	if e == nil || r.kernel == nil {
		return netip.Addr{}, fmt.Errorf("route of DR check %s: %w", p, os.ErrNotExist)
	}
	return r.gateway(p, uint32(e.mark()))
}

func (r *Router) gateway(p Path, mark uint32) (netip.Addr, error) {
	hop, err := r.kernel.LookUp(p.VIP, mark)
	switch {
	case err != nil:
		return netip.Addr{}, fmt.Errorf("route of DR check %s: %w", p, err)
	case hop.Local:
		return netip.Addr{}, fmt.Errorf("route of DR check %s: the VIP is an address of this host", p)
	}
	return hop.Gateway, nil
}

// install makes the rule and the routes for p. The rule comes last, so that a
// marked packet never finds a table without its unreachable route. A route that
// was redirected is made anew, with another metric: what the kernel has learnt
// about a route hangs on a record that equal routes share and that goes only
// with the last of them.
func (r *Router) install(e *lane, w *way, p Path, redirected bool) error {
	old := w.metric
	if redirected {
		w.metric++
	}
	err := r.kernel.SetRoute(e.stop())
	if err == nil {
		err = r.kernel.SetRoute(e.route(p, w.metric))
	}
	if err == nil {
		err = r.kernel.AddRule(e.rule())
	}
	if err == nil && redirected {
		err = r.kernel.DelRoute(e.route(p, old))
	}
	w.made = w.made || err == nil
	return err
}

// Close removes all rules and routes in the range of numbers that belongs to
// DR checks, whoever installed them, and closes the socket. Probes that use the
// Router should have ended.
func (r *Router) Close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.kernel == nil {
		return nil
	}
	err := r.kernel.Clean(policyroute.DRCheck())
	r.kernel.Close()
	r.kernel = nil
	return err
}
