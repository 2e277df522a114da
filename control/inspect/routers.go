package inspect

import (
	"lvsdr/control/api"
	"lvsdr/control/vrrp"
)

// routers are the VRRP instances of the file in force, in its order.
func (i *Inspector) routers(v *View) (all []api.Router) {
	instances := v.State.Config().VRRP.Instances
	if len(instances) == 0 {
		return nil
	}
	now := map[string]vrrp.State{}
	states, _ := i.Routers()
	for _, s := range states {
		now[s.Name] = s
	}
	for _, c := range instances {
		s := now[c.Name]
		r := api.Router{Name: c.Name, Interface: c.Interface, ID: c.ID, Group: c.SyncGroup, Role: s.Role.String(), Priority: s.Priority,
			Since: v.Roles[c.Name].Since, Faults: s.Faults, Became: s.Stats.Became, Sent: s.Stats.Sent, Received: s.Stats.Received[vrrp.Accepted], Addresses: []string{}}
		for _, a := range c.Addresses {
			r.Addresses = append(r.Addresses, a.Prefix.Addr().String())
		}
		if s.Source.IsValid() {
			r.Source = s.Source.String()
		}
		if s.Master.IsValid() {
			r.Master = s.Master.String()
		}
		for reason, n := range s.Stats.Received {
			if vrrp.Reason(reason) != vrrp.Accepted {
				r.Refused += n
			}
		}
		all = append(all, r)
	}
	return all
}
