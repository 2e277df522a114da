package inspect

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"

	"lvsdr/control/api"
	"lvsdr/control/check"
	"lvsdr/control/director"
	"lvsdr/control/keepalived"
	"lvsdr/control/localclient"
	"lvsdr/control/notify"
	"lvsdr/control/site"
	"lvsdr/dataplane"
	"lvsdr/dataplane/frame"
)

// Status is the state of everything.
func (i *Inspector) Status() *api.Status {
	v := i.View()
	st := &api.Status{Version: v.Version, PID: os.Getpid(), Time: i.Wall(i.Now()), Started: v.Started,
		ConfigTime: v.ConfigTime, ConfigErr: v.ConfigErr, Reloads: v.Reloads, Refused: v.Refused, Workers: v.Workers, Active: v.Active, Local: v.Local, Problems: v.Problems,
		Reasons: i.Engine.Counters().Map(), Verdicts: director.Verdicts(), Ports: map[string]api.PortStats{}, ARP: i.ARP(),
		Notify: notifications(i.Notified()), Routers: i.routers(v)}
	st.Table.Entries, st.Table.Limit, st.Table.Evicted = i.Engine.TableUse()
	st.Table.TakenOver = i.TakenOver()
	for name, s := range i.NICs.Stats() {
		st.Ports[name] = director.WirePorts(s)
	}
	left := i.removed()
	for s := range v.State.Views() {
		now, _ := i.Engine.Service(s.Config.Key)
		st.Services = append(st.Services, i.service(&s, &now, left[s.Config.Key]))
	}
	st.Problems = slices.Clone(st.Problems)
	if i.Offload != nil {
		if st.Offload = i.Offload(); st.Offload.Problem != "" {
			st.Problems = append(st.Problems, st.Offload.Problem)
		}
	}
	if i.TableProblem != "" {
		st.Problems = append(st.Problems, i.TableProblem)
	}
	st.Problems = append(st.Problems, notMade(st.Services, v.State.LinksDown())...)
	return st
}

// Service is a service of the status; nil: there is none.
func (i *Inspector) Service(k api.ServiceKey) *api.Service {
	key, err := director.Key(k)
	if err != nil {
		return nil
	}
	v, ok := i.View().State.View(key)
	if !ok {
		return nil
	}
	now, _ := i.Engine.Service(key)
	out := i.service(&v, &now, i.removed()[key])
	return &out
}

// notMade tells of real servers of which nothing is known, because this host
// cannot make their checks: a line for each reason, but for links that are down, which
// are problems already.
func notMade(services []api.Service, down map[int]string) []string {
	known := slices.Collect(maps.Values(down))
	servers := map[string]map[string]bool{} // by reason
	for i := range services {
		for _, s := range services[i].Servers {
			reason, ok := s.NotChecked()
			if !ok || slices.Contains(known, reason) {
				continue
			}
			if servers[reason] == nil {
				servers[reason] = map[string]bool{}
			}
			servers[reason][api.HostPort(s.Address, s.Port)] = true
		}
	}
	var lines []string
	for _, reason := range slices.Sorted(maps.Keys(servers)) {
		names := slices.Sorted(maps.Keys(servers[reason]))
		const most = 3
		more := ""
		if n := len(names) - most; n > 0 {
			names, more = names[:most], fmt.Sprintf(" and %d more", n)
		}
		lines = append(lines, fmt.Sprintf("%s%s: the health check cannot be made, and what was known before stays: %s", strings.Join(names, ", "), more, reason))
	}
	return lines
}

// removed are the servers that the engine has removed and that still have connections,
// by service.
func (i *Inspector) removed() map[dataplane.ServiceKey][]dataplane.ServerStatus {
	all := map[dataplane.ServiceKey][]dataplane.ServerStatus{}
	for _, r := range i.Engine.Removed() {
		all[r.Service] = append(all[r.Service], r.ServerStatus)
	}
	return all
}

// service joins what is configured of a service with what the engine has of it (the
// zero ServiceStatus: nothing), and the servers left in it that it has removed.
func (i *Inspector) service(s *site.ServiceView, now *dataplane.ServiceStatus, left []dataplane.ServerStatus) api.Service {
	out := api.Service{ServiceConfig: director.WireServiceConfig(&s.Config), PersistenceDefault: s.PersistenceDefault,
		Owner: s.Owner.String(), Interface: s.Place.Link.Name, Traffic: director.WireTraffic(now.Traffic), Servers: make([]api.Server, 0, len(s.Servers))}
	for _, m := range s.Marks {
		out.Marked = append(out.Marked, markedText(m))
	}
	now.Config = s.Config
	listed := i.Admin.Service(now)
	out.Listed = listed.Listed
	for j := range s.Servers {
		r := &s.Servers[j]
		sv := api.Server{ServerConfig: director.WireServerConfig(&r.Config), Effective: r.Effective, Up: r.Up,
			Checks: i.checks(r.Checks), Interface: r.Place.Link.Name, Problem: r.Problem, Drained: r.Drained}
		sv.Removed, sv.Standby = r.Up && !r.In && r.Problem == "" && s.Up, r.Up && !r.In && r.Problem == "" && !s.Up
		sv.Check = checkText(r, i.unmade(r.Checks))
		if r.MAC != (frame.MAC{}) {
			sv.MAC = r.MAC.String()
		}
		if at := find(now.Servers, r.Config); at >= 0 {
			c, l := &now.Servers[at], &listed.Servers[at]
			if r.Place.Local != "" && c.MAC != (frame.MAC{}) { // where the converger leads to
				sv.Interface, sv.MAC = localclient.DirectorEnd, c.MAC.String()
			}
			sv.Active, sv.Inactive, sv.Persistent, sv.Overloaded = c.Active, c.Inactive, c.Persistent, c.Overloaded
			sv.Traffic, sv.Listed, sv.RepeatedSYNs = l.Traffic, l.Listed, c.Repeated
		} else if at := find(left, r.Config); at >= 0 { // it is down
			sv.Active, sv.Inactive, sv.Persistent = left[at].Active, left[at].Inactive, left[at].Persistent
			sv.Traffic, sv.RepeatedSYNs = director.WireTraffic(left[at].Traffic), left[at].Repeated
			left = slices.Delete(slices.Clone(left), at, at+1)
		}
		out.Servers = append(out.Servers, sv)
	}
	for j := range left {
		sv := director.WireServer(&left[j])
		sv.Weight, sv.Effective, sv.Up, sv.Removed = 0, 0, true, true
		out.Servers = append(out.Servers, sv)
	}
	return out
}

// markedText is the packets of m, such as "tcp 192.0.2.1 80-90".
func markedText(m keepalived.Mark) string {
	return fmt.Sprintf("%v %v %s", m.Protocol, m.Addr, m.Ports())
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

// unmadeFor is how many attempts in a row must not have been made to be told of:
// one may want a descriptor for a moment.
const unmadeFor = 2

// unmade is why the first of these checks that cannot be made cannot; empty: all
// can.
func (i *Inspector) unmade(ids []string) string {
	for _, id := range ids {
		if c, ok := i.Check(id); ok && c.NotMade >= unmadeFor {
			reason := strings.TrimPrefix(c.LastError, check.ErrNotMade.Error()+": ")
			if _, cause, ok := strings.Cut(reason, ": "); ok && strings.HasPrefix(reason, "connect ") {
				return cause // the same for all servers
			}
			return reason
		}
	}
	return ""
}

// checkText returns the result of a server's checks, in a word or as the reason why it is
// down; unmade is why they cannot be made, and empty where they can.
func checkText(r *site.ServerView, unmade string) string {
	switch {
	case !r.Up:
		return r.Reason
	case unmade != "":
		return api.NotMade + unmade
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
		Attempts: c.Attempts, Failures: c.Failures, Took: c.Took.Seconds(), Next: c.Next}
}

// notifications are a Notifier's counters as they go over the wire.
func notifications(s notify.Stats) api.Notifications {
	return api.Notifications{Run: s.Run, Failed: s.Failed, Dropped: s.Dropped, Lines: s.Lines, LostLines: s.LostLine, Mails: s.Mails, LostMails: s.LostMail}
}
