package site

import (
	"errors"
	"fmt"
	"slices"

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
	if d.panics != before.panics {
		s.panicked++
	}
	d.wish = s.impose(before.wish, d.wish, why)
	s.demands = s.demands.Put(f.key(), d)
	switch {
	case before.wish == nil && (d.wish == nil || !d.health.Up() && f.sorry == nil):
		return nil // as keepalived, which tells that a service starts up, or that its sorry server serves
	case before.wish == nil && d.health.Up():
		return fromFile([]Notice{serviceNotice(f, true)})
	case before.wish == nil:
	case before.health.Up() == d.health.Up():
		return nil
	}
	return []Notice{serviceNotice(f, d.health.Up())}
}

// impose changes the table as the wish for a service changes from old to new;
// nil is none. What ipvsadm has made of the service stays where old and new are
// equal. It gives the new wish without what the table refused, which is then asked
// for again with the next one.
//
// A service or server that ipvsadm has removed comes back when the file changes
// that very thing, and a server also when its health brings it back into a
// service that is there.
func (s *State) impose(old, new *Service, why cause) (granted *Service) {
	if old == new {
		return new
	}
	if new != nil && s.table.Service(new.Config.Key) == nil {
		if old != nil && (why == byHealth || old.Config == new.Config) {
			return new // ipvsadm has removed it
		}
		old = nil
		if next, err := s.table.adopt(new); err == nil {
			s.table = next
			return new
		}
	}
	var come, gone, done edits
	differences(&come, &gone, old, new)
	for _, e := range append(come, gone...) {
		if s.imposeEdit(e, why) {
			done = append(done, e)
		}
	}
	if len(done) == len(come)+len(gone) {
		return new
	}
	var t *Table
	if old != nil {
		t = t.with(old)
	}
	t, _ = t.DoAll(done, File)
	return t.Service(new.Config.Key)
}

// adopt is t with the whole of s, which t does not have. Where a part of it would
// be refused there is an error.
func (t *Table) adopt(s *Service) (*Table, error) {
	if err := checkScheduler(s.Config.Scheduler); err != nil {
		return t, err
	}
	for i := range s.Servers {
		if err := s.Servers[i].Config.Check(); err != nil {
			return t, err
		}
	}
	if t.count()+len(s.Servers) > dataplane.MaxServers {
		return t, dataplane.ErrTooManyServers
	}
	return t.with(s), nil
}

// imposeEdit makes an edit of the file's, also where ipvsadm has added, or
// removed, what it is about. It reports false where the table refuses it.
func (s *State) imposeEdit(e Edit, why cause) bool {
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
		return true // ipvsadm has removed it
	case err != nil:
		text := fmt.Sprintf("%v of %s: %v", e.Op, serviceName(e.Service.Key), err)
		if !slices.Contains(s.refused, text) {
			s.refused = append(slices.Clip(s.refused), text) // other states have the same array
		}
		return false
	}
	s.table = next
	return true
}

// serviceName is the service with key k as keepalived writes it.
func serviceName(k dataplane.ServiceKey) string {
	if k.Mark != 0 {
		return fmt.Sprintf("FWM %d", k.Mark)
	}
	return fmt.Sprintf("[%v]:%v:%d", k.Addr, k.Proto, k.Port)
}
