package site

import (
	"time"

	"lvsdr/control/health"
)

func (e Checked) apply(s *State) ([]Notice, error) {
	s.passed(e.Now)
	at, ok := s.plan.checks[e.ID]
	if !ok || !s.plan.probed[at.server].placed(s) {
		return nil, nil // it was under way when the check was taken away
	}
	p := s.plan.probed[at.server]
	was := s.healthOf(at.server)
	h := was.Result(at.check, e.Result, s.now)
	s.setHealth(at.server, h)
	if !was.Up() && !h.Up() {
		return nil, nil
	}
	return append(p.notices(was.Up(), h.Up(), h.Reason()), s.demandOf(p)...), nil
}

// Check is the state of the check with this ID; ok is false if it is not one of Checks. The runner of the checks may know better, if a check went
// and returned unnoticed: then a Checked says so.
func (s *State) Check(id string) (c health.Check, ok bool) {
	at, ok := s.plan.checks[id]
	if !ok || !s.plan.probed[at.server].placed(s) {
		return c, false
	}
	return s.healthOf(at.server).Check(at.check), true
}

func (e Tick) apply(s *State) ([]Notice, error) {
	s.passed(e.Now)
	var notices []Notice
	for i := range s.growing.All() {
		p, was := s.plan.probed[i], s.healthOf(int(i))
		h := was.At(s.now)
		s.setHealth(int(i), h)
		notices = append(notices, p.notices(was.Up(), h.Up(), h.Reason())...)
		notices = append(notices, s.demandOf(p)...)
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
	for _, i := range p.of {
		f := s.plan.services[i]
		before, _ := s.demands.Get(f.key())
		notices = append(notices, s.demandNow(f, before, byHealth)...)
	}
	return append(notices, s.follow(old)...)
}

// reconsider changes the table as the places of servers of the file are others
// than in old. A server without a place is not checked; when it has one again, its
// health is that of the start.
func (s *State) reconsider(old *State) []Notice {
	for i := range s.health.All() {
		if p := s.plan.probed[i]; !p.placed(s) {
			s.setHealth(int(i), s.plan.probed[i].start)
		}
	}
	var notices []Notice
	for i, p := range s.plan.probed {
		notices = append(notices, p.notices(old.serves(p, i), s.serves(p, i), s.outReason(p, i))...)
	}
	before := s.table
	for _, f := range s.plan.services {
		d, _ := s.demands.Get(f.key())
		notices = append(notices, s.demandNow(f, d, byHealth)...)
	}
	return append(notices, s.follow(before)...)
}

// follow does what follows from a change of the table, which was old.
func (s *State) follow(old *Table) []Notice {
	before := *s
	if s.settle(old) {
		return s.reconsider(&before)
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

// placed reports whether p can be reached.
func (p *probed) placed(s *State) bool { return s.placed(p.addr, p.config.Method) }

// serves reports whether probed server p, number i, has a place and is up.
func (s *State) serves(p *probed, i int) bool {
	return p.placed(s) && s.healthOf(i).Up()
}

// outReason says why probed server p, number i, does not serve.
func (s *State) outReason(p *probed, i int) string {
	if at := s.place(p.addr); at != nil && !at.reaches(p.config.Method) {
		return at.lackFor(p.config.Method).err
	}
	return s.healthOf(i).Reason()
}

// notices tell that p serves, or does no more, for this reason.
func (p *probed) notices(was, is bool, reason string) []Notice {
	n := Notice{Kind: ServerDown, Service: p.service, Server: p.config, Name: p.name, Reason: reason, Alert: p.source.Alert, Command: p.source.NotifyDown}
	switch {
	case was == is:
		return nil
	case is:
		n.Kind, n.Reason, n.Command = ServerUp, "", p.source.NotifyUp
	}
	return []Notice{n}
}
