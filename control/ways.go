package control

import (
	"lvsdr/control/keepalived"
	"lvsdr/control/routing"
	"lvsdr/control/site"
	"lvsdr/control/vrrp"
)

// routingOf says which routes and rules are to be there: those of masters, and those of the file in every role.
func routingOf(s *site.State) (w routing.Wish) {
	v := &s.Config().VRRP
	w.Here = routing.Set{Routes: v.StaticRoutes, Rules: v.StaticRules}
	for _, i := range v.Instances {
		to := &w.Elsewhere
		if s.RoleOf(i.Name) == vrrp.Master {
			to = &w.Here
		}
		to.Routes = append(to.Routes[:len(to.Routes):len(to.Routes)], i.Routes...)
		to.Rules = append(to.Rules[:len(to.Rules):len(to.Rules)], i.Rules...)
	}
	return w
}

// setRouting sets the routes and rules of VRRP. They are set again when the networks of the host have changed: somebody
// may have removed some.
func (c *converger) setRouting(s *site.State) {
	if c.actors.Routing == nil || !c.ways.ready(c.now()) {
		return
	}
	want := routingOf(s)
	if want.Empty() && !c.elections.routed {
		c.ways.done(nil, c.now())
		return
	}
	c.elections.routed = true
	c.ways.done(c.actors.Routing.Set(want), c.now())
}

// routeUp reports whether a route that an instance follows can be used: its interface is up, or one of its hops can be
// reached.
func routeUp(s *site.State, r *keepalived.Route) bool {
	if r.Interface != "" {
		return s.LinkUp(r.Interface)
	}
	for _, h := range r.Hops {
		if h.Interface != "" && s.LinkUp(h.Interface) || h.Interface == "" && s.Reaches(h.Via) {
			return true
		}
	}
	return false
}
