package site

import (
	"maps"
	"net/netip"
	"reflect"
	"slices"

	"lvsdr/control/site/tree"
)

// A Changes says what there is to do about the difference of two States. The
// actors' flags may be set without need; where one is not set, nothing changed.
type Changes struct {
	Edits []Edit // of the director's table
	Hops  []Hop  // those that are others; without a MAC address: to be forgotten

	Own, Guards, Answers, NICs, Targets, VIPs, Checks, Local, Timeouts, Sync, Fetching, Problems bool
	// Routing is whether routes and rules of VRRP may be others, or gone.
	Routing bool
}

// Compare says what there is to do when new comes after old.
func Compare(old, new *State) Changes {
	vips, places := !old.vips.Same(new.vips), !old.places.Same(new.places) || !old.strangers.Same(new.strangers)
	plan, layout := old.plan != new.plan, old.layout != new.layout
	links := !maps.Equal(old.links, new.links)
	routers := old.plan.routers != new.plan.routers || !maps.Equal(old.roles, new.roles)
	checks := plan && (vips || places || !sameChecks(old.plan, new.plan))
	return Changes{
		Edits: Diff(old.table, new.table), Hops: hops(old, new),
		Own: vips, Guards: vips, Answers: !old.answers.Same(new.answers), VIPs: vips || links || routers, NICs: vips || places || !old.answers.Same(new.answers) || old.minded() != new.minded(), Targets: places || links,
		Checks: checks || !plan && checksMoved(old, new), Local: vips || places || layout,
		Timeouts: old.timeouts != new.timeouts, Sync: syncChanged(old, new), Fetching: old.fetching != new.fetching, Routing: routers || old.host != new.host || plan && staticsDiffer(old, new),
		Problems: links || vips || places || plan || layout || old.panicked != new.panicked || len(old.refused) != len(new.refused),
	}
}

// staticsDiffer reports whether the addresses, routes and rules of every role are others.
func staticsDiffer(old, new *State) bool {
	a, b := &old.plan.config.VRRP, &new.plan.config.VRRP
	return !reflect.DeepEqual(a.StaticAddresses, b.StaticAddresses) || !reflect.DeepEqual(a.StaticRoutes, b.StaticRoutes) || !reflect.DeepEqual(a.StaticRules, b.StaticRules)
}

// hops are the real servers that new reaches otherwise than old.
func hops(old, new *State) []Hop {
	changed := map[netip.Addr]bool{}
	for addr := range tree.Diff(old.places, new.places) {
		changed[addr] = true
	}
	for addr := range tree.Diff(old.strangers, new.strangers) {
		changed[addr] = true
	}
	for addr := range tree.Diff(old.macs, new.macs) {
		changed[addr] = true
	}
	var all []Hop
	for addr := range changed {
		if h := new.hop(addr); h != old.hop(addr) {
			all = append(all, h)
		}
	}
	slices.SortFunc(all, func(a, b Hop) int { return a.Addr.Compare(b.Addr) })
	return all
}

// sameChecks reports whether two plans have the same checks, as far as they do not
// depend on the places of addresses.
func sameChecks(a, b *plan) bool {
	x, y := &a.config.Global, &b.config.Global
	return x.DRCheck == y.DRCheck && x.LogAllFailures == y.LogAllFailures &&
		slices.EqualFunc(a.probed, b.probed, func(p, q *probed) bool {
			return p == q && a.outline == b.outline || p.name == q.name && p.addr == q.addr && sameWay(p.source.Method, q.source.Method) && slices.EqualFunc(p.checks, q.checks, sameCheck) &&
				slices.EqualFunc(p.of, q.of, func(i, k int) bool {
					return a.services[i].config.Key == b.services[k].config.Key && a.services[i].source.HASuspend == b.services[k].source.HASuspend
				})
		})
}

// sameCheck reports whether two checks do the same, wherever they are in the file.
func sameCheck(a, b fileCheck) bool {
	return a.id == b.id && a.source.Equal(b.source)
}

// checksMoved reports whether the checks of one plan may be others because
// addresses are elsewhere.
func checksMoved(old, new *State) bool {
	for addr := range tree.Diff(old.places, new.places) {
		if _, inFile := new.plan.servers[addr]; inFile {
			return true
		}
	}
	for addr, c := range tree.Diff(old.vips, new.vips) {
		if new.plan.inFile(addr) && (c.Old.provesDR() != c.New.provesDR() || c.Old.away != c.New.away) {
			return true
		}
	}
	return false
}
