package control

import (
	"context"
	"errors"

	"lvsdr/control/api"
	"lvsdr/control/director"
	"lvsdr/control/site"
)

// An admin is the director's administration: listings come out of the engine,
// edits are events for the loop like all others.
type admin struct {
	*director.Director
	loop *loop
}

var _ api.Admin = (*admin)(nil)

// An editRequest asks for edits of the table.
type editRequest struct {
	event site.Event
	edits []site.Edit    // of event, if it is one of edits
	reply chan<- []error // has room for one: an error for each edit, or one
}

var errStopping error = api.ErrUnavailable

// Edit implements api.Admin. Edits of the table that follow each other are one
// event, so that restoring a whole table is.
func (a *admin) Edit(ctx context.Context, edits []api.Edit) ([]error, error) {
	refused := make([]error, len(edits))
	var table []site.Edit
	var places []int // of table in edits
	flush := func() error {
		if len(table) == 0 {
			return nil
		}
		errs, err := a.loop.ask(ctx, editRequest{event: site.Admin{Edits: table}, edits: table})
		if err != nil {
			return err
		}
		for i, at := range places {
			refused[at] = director.Refusal(errs[i])
		}
		table, places = nil, nil
		return nil
	}
	for i := range edits {
		if e, ok, err := tableEdit(&edits[i]); err != nil {
			refused[i] = err
			continue
		} else if ok {
			table, places = append(table, e), append(places, i)
			continue
		}
		if err := flush(); err != nil {
			return nil, err
		}
		if err := a.other(ctx, &edits[i], &refused[i]); err != nil {
			return nil, err
		}
	}
	return refused, flush()
}

// other makes an edit that is not one of the table.
func (a *admin) other(ctx context.Context, e *api.Edit, refused *error) error {
	event, err := eventOf(e)
	if err != nil {
		*refused = err
		return nil
	}
	var errs []error
	if event != nil {
		errs, err = a.loop.ask(ctx, editRequest{event: event})
	} else {
		a.loop.gate.Lock()
		errs, err = a.Director.Edit(ctx, []api.Edit{*e})
		a.loop.gate.Unlock()
	}
	if err == nil {
		*refused = director.Refusal(errs[0])
	}
	return err
}

// eventOf is the event of an edit that is not one of the table; nil: it is no event, but
// for the engine alone.
func eventOf(e *api.Edit) (site.Event, error) {
	switch t := e.Timeouts; e.Op {
	case api.SetTimeouts:
		return site.TimeoutsSet{Timeouts: site.Timeouts{TCP: t.TCP, TCPFin: t.TCPFin, UDP: t.UDP}}, nil
	case api.StartDaemon:
		role, c, err := director.DaemonConfig(&e.Daemon)
		return site.DaemonStarted{Role: role, Config: c}, err
	case api.StopDaemon:
		role, _, err := director.DaemonConfig(&e.Daemon)
		return site.DaemonStopped{Role: role}, err
	}
	return nil, nil
}

// Daemons implements api.Admin: they are those of the State.
func (a *admin) Daemons(context.Context) ([]api.Daemon, error) {
	return director.WireDaemons(a.loop.view.Load().State.Daemons()), nil
}

// tableEdit is an edit of the table; false: e is another one.
func tableEdit(e *api.Edit) (out site.Edit, ok bool, err error) {
	switch e.Op {
	case api.Flush:
		return site.Edit{Op: site.Flush}, true, nil
	case api.AddService, api.EditService:
		out.Op = site.AddService
		if e.Op == api.EditService {
			out.Op = site.EditService
		}
		out.Service, err = director.ServiceConfig(&e.Service)
		return out, true, err
	case api.DelService:
		out.Op = site.DelService
	case api.AddServer:
		out.Op = site.AddServer
	case api.EditServer:
		out.Op = site.EditServer
	case api.DelServer:
		out.Op = site.DelServer
	case api.DrainServer:
		out.Op = site.Drain
	case api.UndrainServer:
		out.Op = site.Undrain
	default:
		return out, false, nil
	}
	if out.Service.Key, err = director.Key(e.Service.ServiceKey); err == nil && e.Op != api.DelService {
		out.Server, err = director.ServerConfig(&e.Server)
	}
	return out, true, err
}

// ask has the loop carry out a request, and waits for the outcome.
func (l *loop) ask(ctx context.Context, m editRequest) ([]error, error) {
	reply := make(chan []error, 1)
	m.reply = reply
	l.box.put(nil, m)
	select {
	case errs := <-reply:
		return errs, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-l.ended:
		return nil, errStopping
	}
}

// edit carries out a request. The outcome is told when the engine has followed:
// it may refuse what the table has room for.
func (l *loop) edit(m editRequest) (answer func()) {
	errs := make([]error, max(len(m.edits), 1))
	var refusals site.Refusals
	if err := l.apply(m.event); errors.As(err, &refusals) {
		copy(errs, refusals)
	} else if err != nil {
		for i := range errs {
			errs[i] = err
		}
	}
	return func() {
		for i := range m.edits {
			if errs[i] == nil {
				errs[i] = l.converge.refused[subjectOf(&m.edits[i])]
			}
		}
		l.tellEdits(m.edits, errs)
		m.reply <- errs
	}
}

// Reload implements api.Reloader.
func (l *loop) Reload(ctx context.Context) (*api.Reloaded, error) {
	reply := make(chan reloaded, 1)
	l.box.put(nil, reloadRequest{reply})
	select {
	case r := <-reply:
		return r.done, r.err
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-l.ended:
		return nil, errStopping
	}
}
