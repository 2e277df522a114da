package inspect

import (
	"os"

	"lvsdr/control/api"
	"lvsdr/control/check"
	"lvsdr/control/director"
	"lvsdr/control/site"
	"lvsdr/dataplane"
	"lvsdr/dataplane/frame"
)

// Status is the state of everything.
func (i *Inspector) Status() *api.Status {
	v := i.View()
	st := &api.Status{Version: v.Version, PID: os.Getpid(), Time: i.Wall(i.Now()), Started: v.Started,
		ConfigTime: v.ConfigTime, ConfigErr: v.ConfigErr, Reloads: v.Reloads, Active: v.Active, Local: v.Local, Problems: v.Problems,
		Reasons: i.Engine.Counters().Map(), Verdicts: director.Verdicts(), Ports: map[string]api.PortStats{}, ARP: i.ARP()}
	st.Table.Entries, st.Table.Limit, st.Table.Evicted = i.Engine.TableUse()
	for name, s := range i.NICs.Stats() {
		st.Ports[name] = director.WirePorts(s)
	}
	for s := range v.State.Views() {
		now, _ := i.Engine.Service(s.Config.Key)
		st.Services = append(st.Services, i.service(&s, &now))
	}
	return st
}

// service joins what is configured of a service with what the engine has of it;
// the zero ServiceStatus: it has nothing.
func (i *Inspector) service(s *site.ServiceView, now *dataplane.ServiceStatus) api.Service {
	out := api.Service{ServiceConfig: director.WireServiceConfig(&s.Config), PersistenceDefault: s.PersistenceDefault,
		Owner: s.Owner.String(), Interface: s.Place.Link.Name, Traffic: director.WireTraffic(now.Traffic), Servers: make([]api.Server, 0, len(s.Servers))}
	now.Config = s.Config
	listed := i.Admin.Service(now)
	out.Listed = listed.Listed
	for j := range s.Servers {
		r := &s.Servers[j]
		sv := api.Server{ServerConfig: director.WireServerConfig(&r.Config), Effective: r.Effective, Up: r.Up,
			Check: checkText(r), Checks: i.checks(r.Checks), Interface: r.Place.Link.Name}
		if r.MAC != (frame.MAC{}) {
			sv.MAC = r.MAC.String()
		}
		if at := find(now.Servers, r.Config); at >= 0 {
			c, l := &now.Servers[at], &listed.Servers[at]
			sv.Active, sv.Inactive, sv.Persistent, sv.Overloaded = c.Active, c.Inactive, c.Persistent, c.Overloaded
			sv.Traffic, sv.Listed = l.Traffic, l.Listed
		}
		out.Servers = append(out.Servers, sv)
	}
	return out
}

// find is the index of the server that c names, or -1.
func find(all []dataplane.ServerStatus, c dataplane.ServerConfig) int {
	for i := range all {
		if all[i].Config.Addr == c.Addr && all[i].Config.Port == c.Port {
			return i
		}
	}
	return -1
}

// checkText returns the result of a server's checks, in a word or as the reason why it is
// down.
func checkText(r *site.ServerView) string {
	switch {
	case !r.Up:
		return r.Reason
	case len(r.Checks) == 0:
		return "none"
	}
	return "ok"
}

// checks are the health checks of these IDs.
func (i *Inspector) checks(ids []string) []api.Check {
	var all []api.Check
	for _, id := range ids {
		if c, ok := i.Check(id); ok {
			all = append(all, wireCheck(&c))
		}
	}
	return all
}

// wireCheck is a check as it goes over the wire.
func wireCheck(c *check.State) api.Check {
	return api.Check{Kind: c.Kind, Probe: c.Probe, Up: c.Up, Made: c.Made, Since: c.Since, Reason: c.LastError,
		Attempts: c.Attempts, Failures: c.Failures, Next: c.Next}
}
