package site

import (
	"time"

	"lvsdr/control/health"
)

func (e Checked) apply(s *State) ([]Notice, error) {
	s.passed(e.Now)
	at, ok := s.plan.checks[e.ID]
	if !ok || !s.placed(s.plan.probed[at.server].addr) {
		return nil, nil // it was under way when the check was taken away
	}
	p := &s.plan.probed[at.server]
	was := s.healthOf(at.server)
	h := was.Result(at.check, e.Result, s.now)
	s.setHealth(at.server, h)
	if !was.Up() && !h.Up() {
		return nil, nil
	}
	return append(p.notices(was, h), s.demandOf(p)...), nil
}

func (e Tick) apply(s *State) ([]Notice, error) {
	s.passed(e.Now)
	var notices []Notice
	for i := range s.growing.All() {
		s.setHealth(int(i), s.healthOf(int(i)))
		notices = append(notices, s.demandOf(&s.plan.probed[i])...)
	}
	return notices, nil
}

// NextTick is when a Tick is due; ok is false if none is, because nothing changes
// by the time alone.
func (s *State) NextTick() (at time.Duration, ok bool) {
	for i := range s.growing.All() {
		if next, grows := s.healthOf(int(i)).Next(s.now); grows && (!ok || next < at) {
			at, ok = next, true
		}
	}
	return at, ok
}

// demandOf changes the table as the health of p is another one.
func (s *State) demandOf(p *probed) []Notice {
	old := s.table
	var notices []Notice
	for _, f := range p.of {
		before, _ := s.demands.Get(f.key())
		notices = append(notices, s.demandNow(f, before, byHealth)...)
	}
	return append(notices, s.follow(old)...)
}

// reconsider changes the table as the places of servers of the file are others.
// A server without a place is not checked; when it has one again, its health is
// that of the start.
func (s *State) reconsider() []Notice {
	old := s.table
	for i := range s.health.All() {
		if !s.placed(s.plan.probed[i].addr) {
			s.setHealth(int(i), s.plan.probed[i].start)
		}
	}
	var notices []Notice
	for _, f := range s.plan.services {
		before, _ := s.demands.Get(f.key())
		notices = append(notices, s.demandNow(f, before, byHealth)...)
	}
	return append(notices, s.follow(old)...)
}

// follow does what follows from a change of the table, which was old.
func (s *State) follow(old *Table) []Notice {
	if s.settle(old) {
		return s.reconsider()
	}
	return nil
}

// healthOf is the health of probed server number i.
func (s *State) healthOf(i int) health.Server {
	if h, ok := s.health.Get(index(i)); ok {
		return *h
	}
	return s.plan.probed[i].start
}

// setHealth notes the health of probed server number i.
func (s *State) setHealth(i int, h health.Server) {
	if h.Equal(s.plan.probed[i].start) {
		s.health = s.health.Delete(index(i))
	} else {
		s.health = s.health.Put(index(i), &h)
	}
	if _, grows := h.Next(s.now); grows {
		s.growing = s.growing.Put(index(i), true)
	} else {
		s.growing = s.growing.Delete(index(i))
	}
}

// notices tell that the health of p, which was old, is new.
func (p *probed) notices(old, new health.Server) []Notice {
	if old.Up() == new.Up() {
		return nil
	}
	n := Notice{Kind: ServerUp, Service: p.of[0].config.Key, Server: p.config, Name: p.name}
	if !new.Up() {
		n.Kind, n.Reason = ServerDown, new.Reason()
	}
	return []Notice{n}
}
