package site

import (
	"errors"
	"fmt"
	"slices"

	"lvsdr/dataplane"
	"lvsdr/scheduler"
)

// Do is t after e. What a dataplane.Director with t's content would refuse is
// refused with the same error, and t is returned as it is. The director also
// counts removed servers that connections still refer to, which a Table does not
// know, so it may refuse a server for want of room where Do did not.
//
// by owns what is added. What the file edits becomes its own.
func (t *Table) Do(e Edit, by Owner) (*Table, error) {
	s := t.Service(e.Service.Key)
	switch e.Op {
	case AddService:
		return t.addService(s, e.Service, by)
	case EditService:
		return t.editService(s, e.Service, by)
	case DelService:
		if s == nil {
			return t, dataplane.ErrNoService
		}
		return t.without(s), nil
	case Flush:
		return nil, nil
	}
	if s == nil {
		return t, dataplane.ErrNotDefined
	}
	switch e.Op {
	case AddServer:
		return t.addServer(s, e.Server, by)
	case EditServer:
		return t.editServer(s, e.Server, by)
	case DelServer:
		i := s.find(e.Server)
		if i < 0 {
			return t, dataplane.ErrNoServer
		}
		return t.with(s.withServers(slices.Delete(slices.Clone(s.Servers), i, i+1))), nil
	}
	return t, fmt.Errorf("%v: not an edit of a table", e.Op)
}

// DoAll is t after those of edits that are not refused, in order. The errors are
// one for each edit; nil instead of all of them means that none was refused.
func (t *Table) DoAll(edits []Edit, by Owner) (*Table, []error) {
	var errs []error
	for i, e := range edits {
		next, err := t.Do(e, by)
		if err != nil {
			if errs == nil {
				errs = make([]error, len(edits))
			}
			errs[i] = err
			continue
		}
		t = next
	}
	return t, errs
}

func (t *Table) addService(old *Service, c dataplane.ServiceConfig, by Owner) (*Table, error) {
	if old != nil {
		return t, dataplane.ErrServiceExists
	}
	if err := checkScheduler(c.Scheduler); err != nil {
		return t, err
	}
	return t.with(&Service{Config: c, Owner: by}), nil
}

func (t *Table) editService(old *Service, c dataplane.ServiceConfig, by Owner) (*Table, error) {
	if old == nil {
		return t, dataplane.ErrNoService
	}
	if err := checkScheduler(c.Scheduler); err != nil {
		return t, err
	}
	next := &Service{Config: c, Owner: by.after(old.Owner), Servers: old.Servers}
	if next.Config == old.Config && next.Owner == old.Owner {
		return t, nil
	}
	return t.with(next), nil
}

func (t *Table) addServer(s *Service, c dataplane.ServerConfig, by Owner) (*Table, error) {
	switch err := c.Check(); {
	case err != nil:
		return t, err
	case s.find(c) >= 0:
		return t, dataplane.ErrServerExists
	case t.servers >= dataplane.MaxServers:
		return t, dataplane.ErrTooManyServers
	}
	servers := make([]Server, 0, len(s.Servers)+1)
	return t.with(s.withServers(append(append(servers, Server{c, by}), s.Servers...))), nil
}

func (t *Table) editServer(s *Service, c dataplane.ServerConfig, by Owner) (*Table, error) {
	if err := c.Check(); err != nil && !errors.Is(err, dataplane.ErrAddress) {
		return t, err
	}
	i := s.find(c)
	if i < 0 {
		return t, dataplane.ErrNoServer
	}
	next := Server{c, by.after(s.Servers[i].Owner)}
	if next == s.Servers[i] {
		return t, nil
	}
	servers := slices.Clone(s.Servers)
	servers[i] = next
	return t.with(s.withServers(servers)), nil
}

// withServers is s with these servers.
func (s *Service) withServers(servers []Server) *Service {
	return &Service{Config: s.Config, Owner: s.Owner, Servers: servers}
}

// after is the owner of a thing that old owned and by has edited.
func (by Owner) after(old Owner) Owner {
	if by == File {
		return File
	}
	return old
}

// checkScheduler refuses a scheduler that does not exist.
func checkScheduler(name string) error {
	if slices.Contains(scheduler.Names(), name) {
		return nil
	}
	_, err := scheduler.New(name, nil)
	return fmt.Errorf("%w: %w", dataplane.ErrScheduler, err)
}
