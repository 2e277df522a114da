package site

import (
	"maps"
	"reflect"
	"slices"

	"lvsdr/control/keepalived"
)

// next is the plan of cfg, which comes after p's file. As long as that has the
// same outline it shares with p all services and probed servers whose settings are
// the same, wherever they stand in the file; they are the same pointers then.
func (p *plan) next(cfg *keepalived.Config) *plan {
	changed, ok := p.compare(cfg)
	if !ok || p.foreign {
		return newPlan(cfg)
	}
	n := &plan{outline: p.outline, config: cfg, sources: cfg.VirtualServers, services: p.services, probed: p.probed, watches: watches(cfg), routers: p.routers}
	if !sameRouters(&p.config.VRRP, &cfg.VRRP) {
		n.routers = newRouters(cfg.VRRP.Instances)
	}
	if len(changed) == 0 {
		return n
	}
	n.services, n.probed = slices.Clone(p.services), slices.Clone(p.probed)
	for _, i := range changed {
		n.replace(i)
	}
	return n
}

// compare is which services have other settings in cfg than in p, by index; ok is
// false where the outlines differ.
func (p *plan) compare(cfg *keepalived.Config) (changed []int, ok bool) {
	if len(p.services) != len(cfg.VirtualServers) || !p.marks.same(cfg.Global.Marks) {
		return nil, false
	}
	first := make(map[*keepalived.Check]int, len(p.probed)) // as in newPlan
	for i, f := range p.services {
		vs := cfg.VirtualServers[i]
		if !vs.Equal(f.source) {
			if !sameOutline(vs, f.source) {
				return nil, false
			}
			changed = append(changed, i)
		}
		for k, rs := range vs.RealServers {
			if len(rs.Checks) == 0 {
				continue
			}
			at, ok := first[rs.Checks[0]]
			if !ok {
				at = len(first)
				first[rs.Checks[0]] = at
			}
			if f.servers[k].probed != at {
				return nil, false // other services share their checks
			}
		}
	}
	return changed, true
}

// sameRouters reports whether a and b have the same virtual routers, which are announced in
// the same way.
func sameRouters(a, b *keepalived.VRRP) bool {
	return reflect.DeepEqual(a.Instances, b.Instances) && reflect.DeepEqual(a.GARPGroups, b.GARPGroups) &&
		a.Global.GARPInterval == b.Global.GARPInterval && a.Global.GNAInterval == b.Global.GNAInterval
}

// sameOutline reports whether a and b differ in nothing but settings.
func sameOutline(a, b *keepalived.VirtualServer) bool {
	return keyOf(a) == keyOf(b) && a.SorryServer.Addr == b.SorryServer.Addr && sameWay(a.SorryServer.Method, b.SorryServer.Method) &&
		slices.EqualFunc(a.RealServers, b.RealServers, func(r, s *keepalived.RealServer) bool {
			return r.Addr == s.Addr && r.Port == s.Port && r.MAC == s.MAC && sameWay(r.Method, s.Method) &&
				slices.EqualFunc(r.Checks, s.Checks, func(c, d *keepalived.Check) bool { return c.Kind == d.Kind })
		})
}

// sameWay reports whether both methods, or none, are Direct Routing, which cannot reach
// all places.
func sameWay(a, b keepalived.Forwarding) bool {
	return (a == keepalived.Forwarding{}) == (b == keepalived.Forwarding{})
}

// replace makes service number i what p's file says. p is not known elsewhere yet.
func (p *plan) replace(i int) {
	vs, old := p.sources[i], p.services[i]
	f := newFileService(vs)
	for k := range f.servers {
		at := old.servers[k].probed
		f.servers[k].probed = at
		if at != unchecked && p.probed[at].of[0] == i {
			p.probed[at] = p.probed[at].with(vs.RealServers[k], f.config.Key, f.servers[k].config)
		}
	}
	p.services[i] = f
}

// adjusts reports whether s, which has a new plan and host, differs from old in
// nothing but settings of its services and servers: no address is elsewhere.
func (s *State) adjusts(old *State) bool {
	return s.plan.outline == old.plan.outline && s.host == old.host && s.ifname() == old.ifname() && s.plan.routers == old.plan.routers && len(old.refused) == 0
}

// adjust does what Loaded does, where s adjusts old: it looks only at what is not
// as it was in old's plan, and at the weights that grow with the time.
func (s *State) adjust(old *State) (notices []Notice) {
	services, servers := map[int]bool{}, map[int]bool{}
	for i, f := range s.plan.services {
		if f != old.plan.services[i] {
			services[i] = true
		}
	}
	for i, p := range s.plan.probed {
		if p != old.plan.probed[i] {
			servers[i] = true
		}
	}
	for i := range s.growing.All() {
		servers[int(i)] = true
	}
	for _, i := range slices.Sorted(maps.Keys(servers)) {
		notices = append(notices, s.carryServer(i, old)...)
		for _, k := range s.plan.probed[i].of {
			services[k] = true
		}
	}
	for _, i := range slices.Sorted(maps.Keys(services)) {
		f := s.plan.services[i]
		before, _ := old.demands.Get(f.key())
		notices = append(notices, s.demandNow(f, before, byFile)...)
	}
	return notices
}
