package director

import (
	"context"
	"errors"
	"fmt"
	"iter"

	"lvsdr/conntrack"
	"lvsdr/control/api"
	"lvsdr/dataplane"
)

// Interval is how often Tick is called, in nanoseconds of the director's clock:
// as often as the kernel sums up its counters.
const Interval = 2e9

// A Director is an api.Admin over an engine. Its methods may be called from
// several goroutines.
type Director struct {
	engine *dataplane.Director
	now    func() int64
	sums   estimator
}

var _ api.Admin = (*Director)(nil)

// New makes a Director over engine; now is the engine's clock, in monotonic
// nanoseconds.
func New(engine *dataplane.Director, now func() int64) *Director {
	return &Director{engine: engine, now: now}
}

// Tick sums up counters and estimates rates for listings; see Interval.
func (d *Director) Tick() { d.sums.tick(d.engine.Services()) }

// Edit carries out edits; see api.Admin. Its refusals are those of package api.
func (d *Director) Edit(_ context.Context, edits []api.Edit) ([]error, error) {
	refused := make([]error, len(edits))
	for i := range edits {
		refused[i] = Refusal(d.edit(&edits[i]))
	}
	return refused, nil
}

func (d *Director) edit(e *api.Edit) error {
	switch e.Op {
	case api.Flush:
		return d.flush()
	case api.SetTimeouts:
		return d.setTimeouts(e.Timeouts)
	case api.Zero:
		return d.zero(e.Service.ServiceKey)
	case api.AddService, api.EditService:
		c, err := ServiceConfig(&e.Service)
		switch {
		case err != nil:
			return err
		case e.Op == api.AddService:
			return d.engine.AddService(c)
		}
		return d.engine.EditService(c)
	}
	k, err := Key(e.Service.ServiceKey)
	if err != nil {
		return err
	}
	if e.Op == api.DelService {
		return d.engine.DelService(k, d.now())
	}
	return d.editServer(e, k)
}

func (d *Director) editServer(e *api.Edit, k dataplane.ServiceKey) error {
	c, err := ServerConfig(&e.Server)
	if err != nil {
		return err
	}
	switch e.Op {
	case api.AddServer:
		return d.engine.AddServer(k, c)
	case api.EditServer:
		return d.engine.EditServer(k, c)
	case api.DelServer:
		return d.engine.DelServer(k, c.Addr, c.Port, d.now())
	}
	return api.Unsupported("the edit " + string(e.Op))
}

func (d *Director) setTimeouts(t api.Timeouts) error {
	for _, n := range []int{t.TCP, t.TCPFin, t.UDP} {
		if n < 0 || n > maxSeconds {
			return fmt.Errorf("timeout %d: not 0 to %d seconds", n, maxSeconds)
		}
	}
	d.engine.SetTimeouts(t.TCP, t.TCPFin, t.UDP)
	return nil
}

// flush removes all services. One that went meanwhile is gone, too.
func (d *Director) flush() error {
	for _, s := range d.engine.Services() {
		if err := d.engine.DelService(s.Config.Key, d.now()); err != nil && !errors.Is(err, dataplane.ErrNoService) {
			return err
		}
	}
	return nil
}

// zero sets counters to zero, those of the engine and those summed up for
// listings.
func (d *Director) zero(key api.ServiceKey) error {
	if key == (api.ServiceKey{}) {
		d.engine.ZeroAll()
		d.sums.zero(nil)
		return nil
	}
	k, err := Key(key)
	if err == nil {
		err = d.engine.Zero(k)
	}
	if err == nil {
		d.sums.zero(&k)
	}
	return err
}

// Services are the services of keys, or all; see api.Admin.
func (d *Director) Services(_ context.Context, keys ...api.ServiceKey) iter.Seq2[api.Service, error] {
	return func(yield func(api.Service, error) bool) {
		wanted, err := all(keys)
		if err != nil {
			yield(api.Service{}, Refusal(err))
			return
		}
		found := 0
		for _, s := range d.engine.Services() {
			if wanted != nil && !wanted[s.Config.Key] {
				continue
			}
			found++
			if !yield(d.Service(&s), nil) {
				return
			}
		}
		if found < len(wanted) {
			yield(api.Service{}, api.ErrNoService)
		}
	}
}

// all is the set of keys; nil where there are none.
func all(keys []api.ServiceKey) (map[dataplane.ServiceKey]bool, error) {
	if len(keys) == 0 {
		return nil, nil
	}
	set := map[dataplane.ServiceKey]bool{}
	for _, key := range keys {
		k, err := Key(key)
		if err != nil {
			return nil, err
		}
		set[k] = true
	}
	return set, nil
}

// Service is s as it goes over the wire, with what Tick has summed up. Its
// owner and the results of its checks are not known here: it counts as configured as it is
// in force, and its servers as up and not checked.
func (d *Director) Service(s *dataplane.ServiceStatus) api.Service {
	out := WireService(s)
	out.Listed = d.sums.listed(counted{service: s.Config.Key})
	for i := range s.Servers {
		out.Servers[i].Listed = d.sums.listed(countedServer(s, &s.Servers[i]))
	}
	return out
}

// Conns are the connections and templates; see api.Admin.
func (d *Director) Conns(context.Context) iter.Seq2[api.Conn, error] {
	return func(yield func(api.Conn, error) bool) {
		for _, c := range d.engine.Conns(d.now()) {
			if !yield(WireConn(&c), nil) {
				return
			}
		}
	}
}

// Timeouts are those in force.
func (d *Director) Timeouts(context.Context) (api.Timeouts, error) {
	t := d.engine.Timeouts()
	return api.Timeouts{TCP: t.TCP[conntrack.Established], TCPFin: t.TCP[conntrack.FinWait], UDP: t.UDP}, nil
}
