package site

import (
	"errors"

	"lvsdr/control/site/tree"
	"lvsdr/dataplane"
)

// ErrNotDrained says that a server is not drained, so that nothing can be undone.
var ErrNotDrained = errors.New("the server is not drained")

// A drained is a server that gets no new connections, until that is undone. It has
// weight 0 through changes of its health and of the file:
//
//	configured ──Drain──▶ weight 0 ──DelServer──▶ not in the table
//	     ▲                    │                        │
//	     └──────Undrain───────┴────────────────────────┘
//
// A server that ipvsadm added is forgotten when it is removed. An edit of a drained
// server ends its draining.
type drained struct {
	config dataplane.ServerConfig // before, of a server that ipvsadm added
	out    bool                   // it was removed
}

type drains = tree.Map[ServerOf, drained]

// serverOf names the server of an edit.
func serverOf(e *Edit) ServerOf { return ServerOf{e.Service.Key, e.Server.Addr, e.Server.Port} }

// inFile is the service of the file that names the server of k.
func (s *State) inFile(k ServerOf) (demand, bool) {
	d, ok := s.demands.Get(key(k.Service))
	if !ok {
		return d, false
	}
	for i := range d.file.servers {
		if idOf(d.file.servers[i].config) == (serverID{k.Addr, k.Port}) {
			return d, true
		}
	}
	return d, false
}

// drain gives a server weight 0 until that is undone.
func (s *State) drain(e *Edit) ([]Notice, error) {
	k := serverOf(e)
	service := s.table.Service(e.Service.Key)
	if service == nil {
		return nil, dataplane.ErrNotDefined
	}
	d, inFile := s.inFile(k)
	at := service.find(e.Server)
	if at < 0 && !inFile {
		return nil, dataplane.ErrNoServer
	}
	if _, already := s.drains.Get(k); already {
		return nil, nil
	}
	var mark drained
	if at >= 0 {
		mark.config = service.Servers[at].Config
	}
	s.drains = s.drains.Put(k, mark)
	var notices []Notice
	if inFile {
		notices = s.demandNow(d.file, d, byHealth)
	}
	service = s.table.Service(e.Service.Key)
	if at = service.find(e.Server); at >= 0 && service.Servers[at].Config.Weight != 0 { // the file knows nothing of this weight
		c := service.Servers[at].Config
		c.Weight = 0
		next, err := s.table.Do(Edit{Op: EditServer, Service: e.Service, Server: c}, Runtime)
		if err != nil {
			return notices, err
		}
		s.table = next
	}
	return notices, nil
}

// undrain gives a drained server what it is due without that: the weight of the file
// as its health has it, or that of before.
func (s *State) undrain(e *Edit) ([]Notice, error) {
	k := serverOf(e)
	mark, ok := s.drains.Get(k)
	if !ok {
		return nil, ErrNotDrained
	}
	s.drains = s.drains.Delete(k)
	if d, inFile := s.inFile(k); inFile {
		return s.demandNow(d.file, d, byHealth), nil
	}
	next, err := s.table.Do(Edit{Op: EditServer, Service: e.Service, Server: mark.config}, Runtime)
	if err == nil {
		s.table = next
	}
	return nil, err
}

// endDraining undoes the draining of the server that an edit adds or changes: the edit
// says what it is to have. One that was removed is changed, as it is there again.
func (s *State) endDraining(e *Edit) ([]Notice, error) {
	if _, ok := s.drains.Get(serverOf(e)); !ok {
		return nil, nil
	}
	if service := s.table.Service(e.Service.Key); e.Op == AddServer && service != nil && service.find(e.Server) >= 0 {
		return nil, dataplane.ErrServerExists
	}
	notices, err := s.undrain(e)
	if service := s.table.Service(e.Service.Key); e.Op == AddServer && service != nil && service.find(e.Server) >= 0 {
		e.Op = EditServer
	}
	return notices, err
}

// removeDrained takes a drained server of the file out of its service until its
// draining is undone, so that neither its health nor a reload brings it back. It
// reports false where the server is none.
func (s *State) removeDrained(e *Edit) (notices []Notice, ok bool) {
	k := serverOf(e)
	mark, ok := s.drains.Get(k)
	d, inFile := s.inFile(k)
	if !ok || !inFile || mark.out {
		return nil, false
	}
	mark.out = true
	s.drains = s.drains.Put(k, mark)
	return s.demandNow(d.file, d, byHealth), true
}

// forgetDrains forgets drained servers that are neither in the table nor in the file. Those of a
// service that was removed count for its quorum again.
func (s *State) forgetDrains() (notices []Notice) {
	for k := range s.drains.All() {
		service := s.table.Service(k.Service)
		d, inFile := s.inFile(k)
		if service == nil || !inFile && service.find(dataplane.ServerConfig{Addr: k.Addr, Port: k.Port}) < 0 {
			s.drains = s.drains.Delete(k)
			if inFile {
				notices = append(notices, s.demandNow(d.file, d, byHealth)...)
			}
		}
	}
	return notices
}

// drainedStanding is the standing of a server of the file, as it is drained.
func (s *State) drainedStanding(f *fileService, c dataplane.ServerConfig, st standing) (_ dataplane.ServerConfig, _ standing, isDrained bool) {
	mark, ok := s.drains.Get(ServerOf{f.config.Key, c.Addr, c.Port})
	switch {
	case !ok || st == out:
		return c, st, ok
	case mark.out:
		return c, out, true
	}
	c.Weight = 0
	return c, inhibited, true
}
