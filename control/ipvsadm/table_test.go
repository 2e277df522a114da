package ipvsadm_test

import (
	"cmp"
	"context"
	"iter"
	"net/netip"
	"slices"
	"strings"

	"lvsdr/control/api"
)

// A table is a director that forwards nothing and refuses what a kernel refuses:
// it takes servers of all forwarding methods, so that the text of every listing
// can be compared with recordings.
type table struct {
	services []api.Service
	timeouts api.Timeouts
	daemons  map[string]api.Daemon // by role
}

func newTable() *table {
	return &table{timeouts: api.Timeouts{TCP: 900, TCPFin: 120, UDP: 300}, daemons: map[string]api.Daemon{}}
}

func (t *table) Edit(_ context.Context, edits []api.Edit) ([]error, error) {
	refused := make([]error, len(edits))
	for i := range edits {
		if r := t.edit(&edits[i]); r != nil {
			refused[i] = r
		}
	}
	return refused, nil
}

func (t *table) edit(e *api.Edit) *api.Refusal {
	at := slices.IndexFunc(t.services, func(s api.Service) bool { return s.ServiceKey == e.Service.ServiceKey })
	known := strings.Contains(" rr wrr lc wlc lblc lblcr dh sh sed nq fo ovf mh ", " "+e.Service.Scheduler+" ") && e.Service.Engine == ""
	switch e.Op {
	case api.AddServer, api.EditServer, api.DelServer:
		if at < 0 {
			return api.ErrNotDefined
		}
		return editServer(&t.services[at], e)
	case api.StartDaemon, api.StopDaemon:
		return t.editDaemon(e)
	case api.Flush:
		t.services = nil
	case api.SetTimeouts:
		for i, to := range []*int{&t.timeouts.TCP, &t.timeouts.TCPFin, &t.timeouts.UDP} {
			if n := []int{e.Timeouts.TCP, e.Timeouts.TCPFin, e.Timeouts.UDP}[i]; n != 0 {
				*to = n
			}
		}
	case api.AddService:
		switch {
		case at >= 0:
			return api.ErrServiceExists
		case !known:
			return api.ErrScheduler
		}
		t.services = append(t.services, api.Service{ServiceConfig: e.Service})
	default:
		switch all := e.Op == api.Zero && e.Service.ServiceKey == (api.ServiceKey{}); {
		case at < 0 && !all:
			return api.ErrNoService
		case e.Op == api.EditService && !known:
			return api.ErrScheduler
		case e.Op == api.EditService:
			t.services[at].ServiceConfig = e.Service
		case e.Op == api.DelService:
			t.services = slices.Delete(t.services, at, at+1)
		}
	}
	return nil
}

func editServer(s *api.Service, e *api.Edit) *api.Refusal {
	at := slices.IndexFunc(s.Servers, func(r api.Server) bool { return r.Address == e.Server.Address && r.Port == e.Server.Port })
	switch {
	case e.Op != api.DelServer && e.Server.Lower > e.Server.Upper:
		return api.ErrRange
	case e.Op == api.AddServer && at >= 0:
		return api.ErrServerExists
	case e.Op == api.AddServer && !host(e.Server.Address):
		return api.ErrAddress
	case e.Op != api.AddServer && at < 0:
		return api.ErrNoServer
	case e.Op == api.DelServer:
		s.Servers = slices.Delete(s.Servers, at, at+1)
		return nil
	}
	r := api.Server{ServerConfig: e.Server, Effective: e.Server.Weight}
	if e.Op == api.AddServer {
		s.Servers = slices.Insert(s.Servers, 0, r)
	} else {
		s.Servers[at] = r
	}
	return nil
}

// host reports whether a may be a server.
func host(a netip.Addr) bool {
	return !a.IsUnspecified() && !a.IsMulticast() && a != netip.AddrFrom4([4]byte{255, 255, 255, 255}) && (a.Is4() || !a.IsLinkLocalUnicast())
}

func (t *table) Services(_ context.Context, keys ...api.ServiceKey) iter.Seq2[api.Service, error] {
	return func(yield func(api.Service, error) bool) {
		found := 0
		for _, s := range t.services {
			if len(keys) > 0 && !slices.Contains(keys, s.ServiceKey) {
				continue
			}
			found++
			s.Servers = slices.Clone(s.Servers)
			if !yield(s, nil) {
				return
			}
		}
		if found < len(keys) {
			yield(api.Service{}, api.ErrNoService)
		}
	}
}

func (t *table) Conns(context.Context) iter.Seq2[api.Conn, error] {
	return func(func(api.Conn, error) bool) {}
}

// editDaemon knows the interface s0 alone, and says in full how IPVS starts a daemon for
// which only that is given.
func (t *table) editDaemon(e *api.Edit) *api.Refusal {
	d := e.Daemon
	_, runs := t.daemons[d.Role]
	switch {
	case e.Op == api.StopDaemon && !runs:
		return api.ErrNoDaemon
	case e.Op == api.StopDaemon:
		delete(t.daemons, d.Role)
		return nil
	case d.Interface != "s0":
		return api.ErrNoDevice
	case runs:
		return api.ErrDaemonRuns
	case !d.Group.IsValid():
		d.Group = netip.MustParseAddr("224.0.0.81")
	}
	if d.MaxLen == 0 {
		d.MaxLen = map[bool]int{true: 1472, false: 1452}[d.Group.Is4()]
	}
	d.Port, d.TTL = cmp.Or(d.Port, 8848), cmp.Or(d.TTL, 1)
	t.daemons[d.Role] = d
	return nil
}

func (t *table) Daemons(context.Context) (all []api.Daemon, _ error) {
	for _, role := range []string{api.SyncMaster, api.SyncBackup} {
		if d, ok := t.daemons[role]; ok {
			all = append(all, d)
		}
	}
	return all, nil
}

func (t *table) Timeouts(context.Context) (api.Timeouts, error) { return t.timeouts, nil }
