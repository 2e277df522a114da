package site

import (
	"cmp"
	"maps"
	"net/netip"
	"slices"

	"lvsdr/control/keepalived"
	"lvsdr/control/vrrp"
)

// VRRP decides for some virtual addresses whether they are here. One that is named by
// no instance is always here; one that several name is here if one of them is master.
// An address that is elsewhere is not active, whatever Activate says:
//
//	Activate ──▶ ready ──┐
//	                     ├──▶ active
//	Role ───▶ not away ──┘
//
// Such an address is not announced, its packets are not taken, and this host's kernel
// is left alone: it may be a real server of the master.

// routers are the VRRP instances of a file, by the virtual addresses that they name. nil:
// none names any.
type routers struct {
	byAddr map[netip.Addr][]*keepalived.Instance
	byName map[string][]netip.Addr
}

// newRouters indexes the instances of a file.
func newRouters(all []*keepalived.Instance) *routers {
	if len(all) == 0 {
		return nil
	}
	r := &routers{byAddr: map[netip.Addr][]*keepalived.Instance{}, byName: map[string][]netip.Addr{}}
	for _, v := range all {
		r.byName[v.Name] = nil
		for _, a := range slices.Concat(v.Addresses, v.Excluded) {
			addr := a.Prefix.Addr()
			if !slices.Contains(r.byAddr[addr], v) {
				r.byAddr[addr] = append(r.byAddr[addr], v)
				r.byName[v.Name] = append(r.byName[v.Name], addr)
			}
		}
	}
	return r
}

// of are the instances that name a virtual address.
func (r *routers) of(addr netip.Addr) []*keepalived.Instance {
	if r == nil {
		return nil
	}
	return r.byAddr[addr]
}

// has reports whether there is an instance with this name.
func (r *routers) has(name string) bool {
	if r == nil {
		return false
	}
	_, ok := r.byName[name]
	return ok
}

// interfaceOf is where an instance has a virtual address, by the name of the interface; empty: no instance
// names the address.
func (r *routers) interfaceOf(addr netip.Addr) string {
	for _, v := range r.of(addr) {
		for _, a := range slices.Concat(v.Addresses, v.Excluded) {
			if a.Prefix.Addr() == addr {
				return cmp.Or(a.Interface, v.Interface)
			}
		}
	}
	return ""
}

// Role says what a VRRP instance is from now on. Without one it is not master.
type Role struct {
	Instance string
	Role     vrrp.Role
}

func (e Role) apply(s *State) ([]Notice, error) {
	if !s.plan.routers.has(e.Instance) {
		return nil, nil // it was under way when the instance was taken away
	}
	was, master := s.roles[e.Instance] == vrrp.Master, e.Role == vrrp.Master
	roles := maps.Clone(s.roles)
	if roles == nil {
		roles = map[string]vrrp.Role{}
	}
	roles[e.Instance] = e.Role
	s.roles = roles
	if was == master {
		return nil, nil
	}
	for _, addr := range s.plan.routers.byName[e.Instance] {
		s.settleAway(addr)
	}
	return nil, nil
}

// RoleOf is the role of a VRRP instance.
func (s *State) RoleOf(instance string) vrrp.Role { return s.roles[instance] }

// settleAway notes whether a virtual address is elsewhere now.
func (s *State) settleAway(addr netip.Addr) {
	if v, ok := s.vips.Get(addr); ok && v.away != s.away(addr) {
		v.away = !v.away
		s.vips = s.vips.Put(addr, v)
	}
}

// away reports whether VRRP has a virtual address elsewhere.
func (s *State) away(addr netip.Addr) bool {
	of := s.plan.routers.of(addr)
	return len(of) > 0 && s.master(of) == nil
}

// master is the first of these instances that is master; nil: none is.
func (s *State) master(of []*keepalived.Instance) *keepalived.Instance {
	for _, v := range of {
		if s.roles[v.Name] == vrrp.Master {
			return v
		}
	}
	return nil
}

// Router is the instance by which a virtual address is here, or the first that names it;
// nil: VRRP does not decide about it.
func (s *State) Router(addr netip.Addr) *keepalived.Instance {
	of := s.plan.routers.of(addr)
	if v := s.master(of); v != nil || len(of) == 0 {
		return v
	}
	return of[0]
}

// settleRouters follows a file whose instances may name other addresses than old's. An
// instance that is not in it has no role any more.
func (s *State) settleRouters(old *State) {
	if s.plan.routers == nil && old.plan.routers == nil {
		return
	}
	roles := map[string]vrrp.Role{}
	for name, role := range s.roles {
		if s.plan.routers.has(name) {
			roles[name] = role
		}
	}
	s.roles = roles
	for addr := range s.vips.All() {
		s.settleAway(addr)
	}
}

// suspended reports whether the checks of p are not made because none of its services'
// addresses is here (ha_suspend).
func (s *State) suspended(p *probed) bool {
	for _, i := range p.of {
		f := s.plan.services[i]
		v, _ := s.vips.Get(f.config.Key.Addr.IP())
		if !f.source.HASuspend || !v.away {
			return false
		}
	}
	return true
}

// Virtual reports whether a virtual service has the address.
func (s *State) Virtual(addr netip.Addr) bool {
	_, ok := s.vips.Get(addr)
	return ok
}
