package director

import (
	"context"
	"fmt"
	"iter"
	"sync/atomic"

	"lvsdr/conntrack"
	"lvsdr/control/api"
	"lvsdr/control/connsync/daemon"
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

	// Devices is the MTU of an interface, for daemons of connection sync that are
	// started; 0: there is none of this name. nil: there are no interfaces.
	Devices func(name string) (mtu int)
	daemons atomic.Pointer[daemon.Set]
}

var _ api.Admin = (*Director)(nil)

// New makes a Director over engine; now is the engine's clock, in monotonic
// nanoseconds.
func New(engine *dataplane.Director, now func() int64) *Director {
	return &Director{engine: engine, now: now}
}

// Tick sums up counters and estimates rates for listings; see Interval.
func (d *Director) Tick() { d.sums.tick(d.engine.EachService()) }

// Edit carries out edits; see api.Admin. Its refusals are those of package api.
// Edits of services and servers that follow each other are published together.
func (d *Director) Edit(_ context.Context, edits []api.Edit) ([]error, error) {
	refused := make([]error, 0, len(edits))
	for len(refused) < len(edits) {
		rest := edits[len(refused):]
		if edit := d.direct(&rest[0]); edit != nil {
			refused = append(refused, Refusal(edit()))
			continue
		}
		d.engine.Edit(d.now(), func(tx *dataplane.Tx) {
			for i := range rest {
				if d.direct(&rest[i]) != nil {
					return
				}
				refused = append(refused, Refusal(d.edit(tx, &rest[i])))
			}
		})
	}
	return refused, nil
}

// direct is an edit that is no part of a transaction; nil: it is one.
func (d *Director) direct(e *api.Edit) func() error {
	switch e.Op {
	case api.Flush:
		return d.flush
	case api.SetTimeouts:
		return func() error { return d.setTimeouts(e.Timeouts) }
	case api.StartDaemon, api.StopDaemon:
		return func() error { return d.editDaemon(e) }
	case api.Zero:
		return func() error { return d.zero(e.Service.ServiceKey) }
	}
	return nil
}

func (d *Director) edit(tx *dataplane.Tx, e *api.Edit) error {
	if e.Op == api.AddService || e.Op == api.EditService {
		return d.setService(tx, e)
	}
	k, err := Key(e.Service.ServiceKey)
	if err != nil {
		return err
	}
	if e.Op == api.DelService {
		return tx.DelService(k)
	}
	c, err := ServerConfig(&e.Server)
	if err != nil {
		return err
	}
	switch e.Op {
	case api.AddServer:
		return tx.AddServer(k, c)
	case api.EditServer:
		return tx.EditServer(k, c)
	case api.DelServer:
		return tx.DelServer(k, c.Addr, c.Port)
	}
	return api.Unsupported("the edit " + string(e.Op))
}

// setService adds or changes a service.
func (d *Director) setService(tx *dataplane.Tx, e *api.Edit) error {
	c, err := ServiceConfig(&e.Service)
	switch {
	case err != nil:
		return err
	case e.Op == api.AddService:
		return tx.AddService(c)
	}
	return tx.EditService(c)
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
	services := d.engine.Services()
	d.engine.Edit(d.now(), func(tx *dataplane.Tx) {
		for _, s := range services {
			_ = tx.DelService(s.Config.Key) // it can only be gone
		}
	})
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
		if len(keys) == 0 {
			for s := range d.engine.EachService() {
				if !yield(d.Service(&s), nil) {
					return
				}
			}
		}
		for _, key := range keys {
			s, err := d.find(key)
			if !yield(s, err) || err != nil {
				return
			}
		}
	}
}

// find is the service of a key.
func (d *Director) find(key api.ServiceKey) (api.Service, error) {
	k, err := Key(key)
	if err != nil {
		return api.Service{}, err
	}
	s, ok := d.engine.Service(k)
	if !ok {
		return api.Service{}, api.ErrNoService
	}
	return d.Service(&s), nil
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
		for c := range d.engine.EachConn(d.now()) {
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
