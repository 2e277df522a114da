package routing

import (
	"errors"
	"fmt"
	"slices"

	"lvsdr/control/keepalived"
)

// A Set is some routes and rules.
type Set struct {
	Routes []keepalived.Route
	Rules  []keepalived.Rule
}

// A Wish says which routes and rules are to be there, and which are not.
type Wish struct{ Here, Elsewhere Set }

// Empty reports whether w says nothing of any route or rule.
func (w *Wish) Empty() bool {
	return len(w.Here.Routes)+len(w.Here.Rules)+len(w.Elsewhere.Routes)+len(w.Elsewhere.Rules) == 0
}

// A Kernel has the routes and rules of this host. Adding what is there and removing what is not are no errors.
type Kernel interface {
	AddRoute(*keepalived.Route) error
	RemoveRoute(*keepalived.Route) error
	AddRule(*keepalived.Rule) error
	RemoveRule(*keepalived.Rule) error
}

// A Routing has the routes and rules that one director has set. It is not safe for concurrent use.
type Routing struct {
	kernel Kernel
	set    []item          // in this order
	absent map[string]bool // what was removed, and not set since
}

// New makes a Routing on a kernel; nil: that of this host.
func New(k Kernel) *Routing {
	if k == nil {
		k = kernel{}
	}
	return &Routing{kernel: k, absent: map[string]bool{}}
}

// An item is a route or a rule.
type item struct {
	key     string // tells items apart
	text    string // for people, with its place in the file
	noTrack bool
	add     func(Kernel) error
	remove  func(Kernel) error
}

// items are those of s: the routes first, as rules lead to them.
func (s *Set) items() (all []item) {
	for k := range s.Routes {
		r := s.Routes[k]
		all = append(all, item{keyOfRoute(r), fmt.Sprintf("%v: route %v", r.Pos, r.Destination), r.NoTrack,
			func(k Kernel) error { return k.AddRoute(&r) }, func(k Kernel) error { return k.RemoveRoute(&r) }})
	}
	for k := range s.Rules {
		r := s.Rules[k]
		all = append(all, item{keyOfRule(r), fmt.Sprintf("%v: rule of preference %d", r.Pos, r.Priority), r.NoTrack,
			func(k Kernel) error { return k.AddRule(&r) }, func(k Kernel) error { return k.RemoveRule(&r) }})
	}
	return all
}

// keyOfRoute is all of r that the kernel has.
func keyOfRoute(r keepalived.Route) string {
	r.Pos, r.NoTrack = keepalived.Pos{}, false
	return fmt.Sprintf("route %+v", r)
}

// keyOfRule is likewise.
func keyOfRule(r keepalived.Rule) string {
	r.Pos, r.NoTrack = keepalived.Pos{}, false
	return fmt.Sprintf("rule %+v", r)
}

// Set makes w so. What goes goes first, rules before routes; what comes comes in the order of w. What is there already
// is set again, in case that somebody has removed it, except what is not tracked. An item that fails keeps no other from
// its place; the error tells of all.
func (r *Routing) Set(w Wish) error {
	here := w.Here.items()
	wanted := map[string]bool{}
	for _, x := range here {
		wanted[x.key] = true
	}
	gone := slices.Concat(w.Elsewhere.items(), r.set)
	was := map[string]bool{}
	for _, x := range r.set {
		was[x.key] = true
	}
	var errs []error
	var kept []item
	for _, x := range slices.Backward(gone) {
		if wanted[x.key] || r.absent[x.key] {
			continue
		}
		if err := x.remove(r.kernel); err != nil {
			errs = append(errs, fmt.Errorf("%s: remove it: %w", x.text, err))
			if was[x.key] {
				kept = append(kept, x) // to be removed by the next Set
			}
			continue
		}
		r.absent[x.key] = true
	}
	r.set = kept
	for _, x := range here {
		if was[x.key] && x.noTrack {
			r.set = append(r.set, x)
			continue
		}
		if err := x.add(r.kernel); err != nil {
			errs = append(errs, fmt.Errorf("%s: set it: %w", x.text, err))
			if was[x.key] {
				r.set = append(r.set, x) // it may be there still
			}
			continue
		}
		delete(r.absent, x.key)
		r.set = append(r.set, x)
	}
	return errors.Join(errs...)
}

// Close removes what was set.
func (r *Routing) Close() error { return r.Set(Wish{}) }
