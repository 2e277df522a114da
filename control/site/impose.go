package site

import (
	"errors"
	"fmt"

	"lvsdr/dataplane"
)

// A cause is why the demand for a service changes.
type cause uint8

const (
	byHealth cause = iota
	byFile
)

// demandNow changes the table as the demand for f is another one now.
func (s *State) demandNow(f *fileService, before demand, why cause) []Notice {
	d := s.demand(f, before)
	s.demands = s.demands.Put(f.key(), d)
	s.impose(before.wish, d.wish, why)
	if before.wish == nil || before.health.Up() == d.health.Up() {
		return nil
	}
	n := Notice{Kind: ServiceDown, Service: f.config.Key, Name: f.source.Name()}
	if d.health.Up() {
		n.Kind = ServiceUp
	}
	return []Notice{n}
}

// impose changes the table as the wish for a service changes from old to new;
// nil is none. What ipvsadm has made of the service stays where old and new are
// equal.
//
// A service or server that ipvsadm has removed comes back when the file changes
// that very thing, and a server also when its health brings it back into a
// service that is there.
func (s *State) impose(old, new *Service, why cause) {
	if old == new {
		return
	}
	if new != nil && s.table.Service(new.Config.Key) == nil {
		if old != nil && (why == byHealth || old.Config == new.Config) {
			return // ipvsadm has removed it
		}
		old = nil
		if next, err := s.table.adopt(new); err == nil {
			s.table = next
			return
		}
	}
	var come, gone edits
	differences(&come, &gone, old, new)
	for _, e := range append(come, gone...) {
		s.imposeEdit(e, why)
	}
}

// adopt is t with the whole of s, which t does not have. Where a part of it would
// be refused there is an error.
func (t *Table) adopt(s *Service) (*Table, error) {
	if err := checkScheduler(s.Config.Scheduler); err != nil {
		return t, err
	}
	for i := range s.Servers {
		if err := checkServer(s.Servers[i].Config); err != nil {
			return t, err
		}
	}
	if t.count()+len(s.Servers) > maxServers {
		return t, dataplane.ErrTooManyServers
	}
	return t.with(s), nil
}

// imposeEdit makes an edit of the file's, also where ipvsadm has added, or
// removed, what it is about.
func (s *State) imposeEdit(e Edit, why cause) {
	service := s.table.Service(e.Service.Key)
	has := service != nil && service.find(e.Server) >= 0
	switch {
	case e.Op == AddService && service != nil:
		e.Op = EditService
	case e.Op == AddServer && has:
		e.Op = EditServer
	case e.Op == EditServer && !has && why == byFile:
		e.Op = AddServer
	}
	next, err := s.table.Do(e, File)
	switch {
	case errors.Is(err, dataplane.ErrNoService), errors.Is(err, dataplane.ErrNotDefined), errors.Is(err, dataplane.ErrNoServer):
		return // ipvsadm has removed it
	case err != nil:
		s.refused = append(s.refused, fmt.Sprintf("%v of %s: %v", e.Op, serviceName(e.Service.Key), err))
	}
	s.table = next
}

// serviceName is the service with key k as keepalived writes it.
func serviceName(k dataplane.ServiceKey) string {
	if k.Mark != 0 {
		return fmt.Sprintf("FWM %d", k.Mark)
	}
	return fmt.Sprintf("[%v]:%v:%d", k.Addr, k.Proto, k.Port)
}
