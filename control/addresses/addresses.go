package addresses

import (
	"cmp"
	"errors"
	"fmt"
	"net/netip"
	"slices"
)

// An Address is one address on one interface.
type Address struct {
	Link   string // the name of the interface
	Prefix netip.Prefix
	Peer   netip.Addr // of a point-to-point link; invalid: none
	Label  string
	Scope  uint8 // as rtnetlink has it
	// Broadcast is that of the network; invalid: none.
	Broadcast netip.Addr
	// The flags of ip-address(8) with these names.
	NoDAD, Home, ManageTemp, NoPrefixRoute bool
	// Deprecated is an address that new connections of this host do not use
	// (preferred_lft 0).
	Deprecated bool
}

// A place is an address on an interface: nothing else tells two Addresses apart.
type place struct {
	link   string
	prefix netip.Prefix
}

func (a *Address) place() place { return place{a.Link, a.Prefix} }

// compare orders places.
func (p place) compare(q place) int {
	return cmp.Or(cmp.Compare(p.link, q.link), p.prefix.Compare(q.prefix))
}

// A Wish says which addresses are to be there, and which are not.
type Wish struct {
	Here      []Address
	Elsewhere []Address
}

// A Kernel has the addresses of this host.
type Kernel interface {
	// Has lists the addresses of an interface; one that is not there has none.
	Has(link string) ([]netip.Prefix, error)
	Add(Address) error
	Remove(link string, p netip.Prefix) error
}

// Addresses are those of one director. They are not safe for concurrent use.
type Addresses struct {
	kernel Kernel
	made   map[place]bool // by this process
}

// New makes Addresses on a kernel; nil: that of this host.
func New(k Kernel) *Addresses {
	if k == nil {
		k = kernel{}
	}
	return &Addresses{kernel: k, made: map[place]bool{}}
}

// Set makes w so. What goes goes first, for an address may move to another interface. An
// address that fails keeps no other from its place; the error tells of all.
func (a *Addresses) Set(w Wish) error {
	var errs []error
	here := map[place]bool{}
	for i := range w.Here {
		here[w.Here[i].place()] = true
	}
	gone := map[place]bool{}
	for i := range w.Elsewhere {
		gone[w.Elsewhere[i].place()] = true
	}
	for p := range a.made {
		gone[p] = true
	}
	var all []place
	for p := range gone {
		if !here[p] {
			all = append(all, p)
		}
	}
	slices.SortFunc(all, place.compare)
	has := map[string][]netip.Prefix{}
	for _, p := range all {
		errs = append(errs, a.remove(has, p))
	}
	for i := range w.Here {
		errs = append(errs, a.add(has, &w.Here[i]))
	}
	return errors.Join(errs...)
}

// list are the addresses of an interface as they were before Set.
func (a *Addresses) list(has map[string][]netip.Prefix, link string) ([]netip.Prefix, error) {
	if all, ok := has[link]; ok {
		return all, nil
	}
	all, err := a.kernel.Has(link)
	if err != nil {
		return nil, fmt.Errorf("list the addresses of %s: %w", link, err)
	}
	has[link] = all
	return all, nil
}

// remove takes an address off, if it is there.
func (a *Addresses) remove(has map[string][]netip.Prefix, p place) error {
	all, err := a.list(has, p.link)
	if err == nil && slices.Contains(all, p.prefix) {
		err = a.kernel.Remove(p.link, p.prefix)
	}
	if err != nil {
		return fmt.Errorf("remove %v from %s: %w", p.prefix, p.link, err)
	}
	delete(a.made, p)
	return nil
}

// add puts an address on, if it is not there.
func (a *Addresses) add(has map[string][]netip.Prefix, w *Address) error {
	all, err := a.list(has, w.Link)
	if err == nil && !slices.Contains(all, w.Prefix) {
		err = a.kernel.Add(*w)
	}
	if err != nil {
		return fmt.Errorf("put %v on %s: %w", w.Prefix, w.Link, err)
	}
	a.made[w.place()] = true
	return nil
}

// Close takes off what was put on.
func (a *Addresses) Close() error { return a.Set(Wish{}) }
