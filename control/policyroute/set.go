package policyroute

import (
	"errors"
	"fmt"
	"os"
	"slices"
)

// A Policy is the rules and routes of an Owner, in the order in which they are
// installed. Set makes their Protocol this program's.
type Policy struct {
	Rules  []Rule
	Routes []Route
}

// A change is a step of Set.
type change struct {
	set     []Route
	add     []Rule
	del     []Rule
	discard []Route
}

// diff returns the changes from have, all that an owner has, to want. A route that want has
// another one in the place of is replaced by it, not removed.
func diff(have, want Policy) change {
	c := change{}
	c.set, c.discard = diffRoutes(have.Routes, want.Routes)
	rules, there := map[Rule]bool{}, map[Rule]bool{}
	for _, r := range want.Rules {
		rules[r.Same()] = true
	}
	for _, r := range have.Rules {
		if same := r.Same(); !rules[same] || there[same] {
			c.del = append(c.del, r)
		} else {
			there[same] = true
		}
	}
	for _, r := range want.Rules {
		if !there[r.Same()] {
			r.Protocol = Protocol
			c.add = append(c.add, r)
			there[r.Same()] = true
		}
	}
	return c
}

// diffRoutes returns the routes of want that have does not have, and those of have
// at places where want has none.
func diffRoutes(have, want []Route) (set, discard []Route) {
	at := make(map[place]int, len(have)) // the first route at each place
	first := make([]int, len(have))      // that at the place of each route
	for i := range have {
		p := have[i].place()
		k, ok := at[p]
		if !ok {
			at[p], k = i, i
		}
		first[i] = k
	}
	wanted := make([]bool, len(have))
	for _, r := range want {
		k, ok := at[r.place()]
		if ok {
			wanted[k] = true
		}
		if !ok || !equal(have[k], r) {
			set = append(set, r)
		}
	}
	for i, r := range have {
		if !wanted[first[i]] {
			discard = append(discard, r)
		}
	}
	return set, discard
}

// Set makes want the rules and routes of o: it lists what there is, adds what is
// missing (routes before the rules that lead to them), and removes the rest
// (rules before their routes). What is as wanted is not touched. What
// cannot be done is named in the error; the rest is done all the same, except
// where a privilege is missing.
func (k *Kernel) Set(o Owner, want Policy) error {
	have, err := k.owned(o)
	if err != nil {
		return fmt.Errorf("%s: %w", o.Name, err)
	}
	return k.carryOut(o, diff(have, want))
}

// Keep removes the rules and routes of o that want does not have, and adds
// nothing.
func (k *Kernel) Keep(o Owner, want Policy) error {
	have, err := k.owned(o)
	if err != nil {
		return fmt.Errorf("%s: %w", o.Name, err)
	}
	c := diff(have, want)
	return k.carryOut(o, change{del: c.del, discard: c.discard})
}

// carryOut makes a change, until it fails for want of a privilege.
func (k *Kernel) carryOut(o Owner, c change) error {
	var errs []error
	try := func(err error) bool {
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", o.Name, err))
		}
		return !errors.Is(err, os.ErrPermission)
	}
	_ = each(c.set, k.SetRoute, try) && each(c.add, k.AddRule, try) && each(c.del, k.DelRule, try) && each(c.discard, k.DelRoute, try)
	return errors.Join(errs...)
}

// each does f for all, until try says that there is no sense in more.
func each[T any](all []T, f func(T) error, try func(error) bool) bool {
	return !slices.ContainsFunc(all, func(x T) bool { return !try(f(x)) })
}

// Clean removes all rules and routes of o.
func (k *Kernel) Clean(o Owner) error { return k.Set(o, Policy{}) }

// Missing names the rules and routes of want that are not there as they should
// be, in ip(8)'s words.
func (k *Kernel) Missing(o Owner, want Policy) ([]string, error) {
	have, err := k.owned(o)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", o.Name, err)
	}
	c := diff(have, want)
	var all []string
	for _, r := range c.add {
		all = append(all, "ip rule "+r.String())
	}
	for _, r := range c.set {
		all = append(all, "ip route "+r.String())
	}
	return all, nil
}

// owned is all that belongs to o. The kernel lists a table without a rule too:
// somebody may have removed that.
func (k *Kernel) owned(o Owner) (Policy, error) {
	var have Policy
	for _, ipv6 := range []bool{false, true} {
		rules, err := k.Rules(ipv6)
		if err != nil {
			return have, err
		}
		for _, r := range rules {
			if o.HasRule(r) {
				have.Rules = append(have.Rules, r)
			}
		}
		routes, err := k.Routes(ipv6, o.HasTable)
		if err != nil {
			return have, err
		}
		have.Routes = append(have.Routes, routes...)
	}
	return have, nil
}
