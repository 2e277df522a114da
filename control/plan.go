package control

import (
	"context"
	"fmt"
	"reflect"
	"slices"
	"time"

	"lvsdr/control/api"
	"lvsdr/control/director"
	"lvsdr/control/keepalived"
	"lvsdr/control/site"
	"lvsdr/dataplane"
	"lvsdr/dataplane/frame"
)

// A Reader reads a configuration with the director's own options out of other files
// than the host's.
type Reader func(name string, files keepalived.Files) (*keepalived.Config, keepalived.Diagnostics, error)

// A planner is the director's api.Planner: it plays a reload on a copy of the State.
type planner struct {
	loop *loop
	read Reader // nil: the director has no file
	// service has the connections of a service.
	service func(dataplane.ServiceKey) (dataplane.ServiceStatus, bool)
}

// A planRequest asks the loop for what a reload would start from.
type planRequest struct{ reply chan<- planStart } // has room for one

// A planStart is the state from which a reload would start now.
type planStart struct {
	state   *site.State
	host    site.Host
	now     time.Duration
	reloads reloads // found and servers of it
}

// planStart is l as it is.
func (l *loop) planStart() planStart {
	return planStart{l.state, l.snap, l.now(), reloads{found: l.reloads.found, servers: l.reloads.servers}}
}

// Plan implements api.Planner.
func (p *planner) Plan(ctx context.Context, q *api.PlanRequest) (*api.Plan, error) {
	if p.read == nil {
		return nil, errNoFile
	}
	recording := keepalived.Recording{Files: q.Files, Globs: q.Globs}
	cfg, found, err := p.read(q.Name, recording.Replay())
	if err != nil {
		return nil, err
	}
	reply := make(chan planStart, 1)
	p.loop.box.put(nil, planRequest{reply})
	select {
	case from := <-reply:
		return p.plan(from, cfg, found)
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-p.loop.ended:
		return nil, errStopping
	}
}

// plan lists the changes that cfg makes.
func (p *planner) plan(from planStart, cfg *keepalived.Config, found keepalived.Diagnostics) (*api.Plan, error) {
	if err := from.reloads.refuse(cfg, found); err != nil {
		return nil, fmt.Errorf("a reload would refuse the file: %w", err)
	}
	next, _, err := from.state.Apply(site.Loaded{Config: cfg, Host: from.host, At: from.now})
	if err != nil {
		return nil, err
	}
	out := &api.Plan{Changes: []api.PlannedChange{}, Problems: next.Problems()}
	edits := site.Diff(from.state.Table(), next.Table())
	whole := map[dataplane.ServiceKey]bool{}                  // services that are counted with all of their servers
	now := map[dataplane.ServiceKey]dataplane.ServiceStatus{} // of the services that are touched
	for i := range edits {
		k := edits[i].Service.Key
		if _, asked := now[k]; !asked {
			now[k], _ = p.service(k)
		}
		whole[k] = whole[k] || subjectOf(&edits[i]).server == frame.Addr{}
	}
	for i := range edits {
		c := change(&edits[i], now[edits[i].Service.Key].Servers, next)
		if c.Server == "" || !whole[edits[i].Service.Key] {
			out.Connections += c.Connections
		}
		if c.Ends {
			out.Ended += c.Connections
		}
		out.Changes = append(out.Changes, c)
	}
	out.Changes = append(out.Changes, settings(from.state.Config(), cfg, now)...)
	return out, nil
}

// change is an edit with the connections that it touches, of those that the service's servers
// have, where next comes after it.
func change(e *site.Edit, about []dataplane.ServerStatus, next *site.State) api.PlannedChange {
	s := subjectOf(e)
	c := api.PlannedChange{Op: string(planOp(e.Op)), Service: director.WireKey(s.service).String(), Text: describe(e)}
	if e.Op == site.AddService {
		return c
	}
	if s.server != (frame.Addr{}) {
		c.Server = api.HostPort(s.server.IP(), s.port)
		at := slices.IndexFunc(about, func(r dataplane.ServerStatus) bool { return r.Config.Addr == s.server && r.Config.Port == s.port })
		if at < 0 {
			return c
		}
		about = about[at : at+1]
	}
	for i := range about {
		c.Connections += about[i].Active + about[i].Inactive
		c.Templates += about[i].Persistent
	}
	c.Ends = e.Op == site.DelService || e.Op == site.DelServer && !has(next.Table().Service(s.service), s)
	return c
}

// has reports whether a service has the server of s; nil is no service.
func has(service *site.Service, s subject) bool {
	return service != nil && slices.ContainsFunc(service.Servers, func(r site.Server) bool { return r.Config.Addr == s.server && r.Config.Port == s.port })
}

// planOp is the word of an edit in a plan: that of the API.
func planOp(op site.Op) api.EditOp {
	switch op {
	case site.AddService:
		return api.AddService
	case site.EditService:
		return api.EditService
	case site.DelService:
		return api.DelService
	case site.AddServer:
		return api.AddServer
	case site.EditServer:
		return api.EditServer
	}
	return api.DelServer
}

// settings are the changes of services whose place in the table stays as it is: of
// checks, programs, quorum and the like, which touch no connection. The services that
// the table's changes have touched are left out.
func settings(old, new *keepalived.Config, touched map[dataplane.ServiceKey]dataplane.ServiceStatus) []api.PlannedChange {
	const op = "settings"
	var all []api.PlannedChange
	if !reflect.DeepEqual(old.Global, new.Global) {
		all = append(all, api.PlannedChange{Op: op, Text: "change global_defs"})
	}
	was := map[dataplane.ServiceKey]*keepalived.VirtualServer{}
	for _, vs := range old.VirtualServers {
		was[site.KeyOf(vs)] = vs
	}
	for _, vs := range new.VirtualServers {
		k := site.KeyOf(vs)
		_, isTouched := touched[k]
		if before := was[k]; isTouched || before != nil && vs.Equal(before) {
			continue
		}
		name := director.WireKey(k).String()
		all = append(all, api.PlannedChange{Op: op, Service: name, Text: "change checks or other settings of " + name})
	}
	return all
}
