package site

import (
	"errors"
	"slices"

	"lvsdr/control/health"
	"lvsdr/control/site/tree"
)

func (e Loaded) apply(s *State) ([]Notice, error) {
	if e.Config == nil {
		return nil, errors.New("no configuration was loaded")
	}
	old := *s
	s.passed(e.At)
	s.plan, s.host = s.plan.next(e.Config), hostOrNone(e.Host)
	s.refused, s.windows = nil, nil
	if t := s.plan.timeouts(); t != old.plan.timeouts() {
		s.timeouts = t
	}
	var notices []Notice
	if s.adjusts(&old) {
		notices = s.adjust(&old)
	} else {
		s.placeServers(s.host == old.host)
		s.placeVIPs()
		notices = s.departed(&old)
		notices = append(notices, s.carry(&old)...)
		notices = append(notices, s.arrived(&old)...)
		notices = append(notices, s.demandAll(&old)...)
	}
	notices = append(notices, s.follow(old.table)...)
	notices = append(notices, s.settleMarks(&old)...)
	s.settleRouters(&old)
	s.seeLinks()
	if s.drains.Len() > 0 {
		notices = append(notices, s.forgetDrains()...)
	}
	return notices, nil
}

// timeouts are those that the file sets.
func (p *plan) timeouts() Timeouts {
	t := p.config.Global.Timeouts
	return Timeouts{int(t.TCP), int(t.TCPFin), int(t.UDP)}
}

// demandAll changes the table as the demands of the file have changed.
func (s *State) demandAll(old *State) []Notice {
	var notices []Notice
	s.demands = demands{}
	kept := 0
	for _, f := range s.plan.services {
		before, had := old.demands.Get(f.key())
		notices = append(notices, s.demandNow(f, before, byFile)...)
		if had {
			kept++
		}
		if !had || !slices.Equal(f.addrs, before.file.addrs) {
			s.layout++
		}
	}
	if kept == old.demands.Len() {
		return notices
	}
	s.layout++
	for k, before := range old.demands.All() {
		if _, still := s.demands.Get(k); !still {
			s.impose(before.wish, nil, byFile)
		}
	}
	return notices
}

// carry keeps the health of the servers whose checks were there before: a server
// that is down does not come back by a change of the file. A check is the same as
// before if it has its name, as with check.Runner.
func (s *State) carry(old *State) []Notice {
	s.health, s.growing = tree.Map[index, *health.Server]{}, tree.Map[index, bool]{}
	var notices []Notice
	for i := range s.plan.probed {
		notices = append(notices, s.carryServer(i, old)...)
	}
	return notices
}

// carryServer is carry for probed server number i.
func (s *State) carryServer(i int, old *State) []Notice {
	p := s.plan.probed[i]
	placed := p.placed(s)
	if placed && p.untouched(old) {
		return nil
	}
	was, h, known := p.carried(s, old)
	if !known {
		return nil
	}
	if placed {
		s.setHealth(i, h)
	}
	return p.notices(p.placed(old) && was.Up(), s.serves(p, i), s.outReason(p, i))
}

// untouched reports whether p was in old's file as it is, with a place, and in the
// state of its start: as most servers are with each reload.
func (p *probed) untouched(old *State) bool {
	at, there := old.plan.checks[p.checks[0].id]
	if !there || at.check != 0 {
		return false
	}
	before := old.plan.probed[at.server]
	_, changed := old.health.Get(index(at.server))
	return !changed && p.placed(old) && before.name == p.name && len(before.checks) == len(p.checks) && before.start.Equal(p.start)
}

// carried is the health of the server p, and what it was before; known is false
// if none of its checks was there before.
func (p *probed) carried(s, old *State) (was, h health.Server, known bool) {
	checks := make([]health.Check, len(p.checks))
	for i := range p.checks {
		at, there := old.plan.checks[p.checks[i].id]
		if !there {
			checks[i] = p.start.Check(i)
			continue
		}
		before := old.healthOf(at.server)
		checks[i] = before.Check(at.check)
		if !known {
			was, known = before, true
		}
	}
	return was, was.Renew(p.policy, checks, s.now), known
}
