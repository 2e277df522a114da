package site

import (
	"iter"

	"lvsdr/control/health"
	"lvsdr/control/keepalived"
	"lvsdr/dataplane"
)

// policyOf is the policy that rs asks for.
func policyOf(rs *keepalived.RealServer) health.Policy {
	return health.Policy{SlowStart: rs.SlowStart,
		Passive: health.Passive{Percent: int(rs.Passive.Percent), Connections: int(rs.Passive.Connections), Hold: rs.Passive.Hold},
		Damping: health.Damping{HalfLife: rs.Damping.HalfLife, Suppress: float64(rs.Damping.Suppress), Reuse: float64(rs.Damping.Reuse)}}
}

// watches reports whether cfg asks for failures that clients show.
func watches(cfg *keepalived.Config) bool {
	for _, vs := range cfg.VirtualServers {
		for _, rs := range vs.RealServers {
			if watched(rs) {
				return true
			}
		}
	}
	return false
}

// watched reports whether rs is watched: only a server that has a check is.
func watched(rs *keepalived.RealServer) bool { return rs.Passive.Percent > 0 && len(rs.Checks) > 0 }

// Watched are the services of which Counted is wanted once a second.
func (s *State) Watched() iter.Seq[dataplane.ServiceKey] {
	return func(yield func(dataplane.ServiceKey) bool) {
		if !s.plan.watches {
			return
		}
		for _, f := range s.plan.services {
			for i := range f.servers {
				if watched(f.servers[i].source) {
					if !yield(f.config.Key) {
						return
					}
					break
				}
			}
		}
	}
}

// apply judges servers that are up. One that is down begins with an empty window when it is up
// again. A server of several services has failed by what it was sent for all of them.
func (e Counted) apply(s *State) ([]Notice, error) {
	s.passed(e.Now)
	sums := map[int]health.SYNs{}
	for k := range s.Watched() {
		d, _ := s.demands.Get(key(k))
		for i := range d.file.servers {
			r := &d.file.servers[i]
			if !watched(r.source) || !s.serves(s.plan.probed[r.probed], r.probed) {
				continue
			}
			n, sum := e.SYNs[ServerOf{k, r.config.Addr, r.config.Port}], sums[r.probed]
			sums[r.probed] = health.SYNs{Connections: sum.Connections + n.Connections, Repeated: sum.Repeated + n.Repeated}
		}
	}
	before := s.windows
	s.windows = make(map[int]health.Window, len(sums))
	var notices []Notice
	for i, p := range s.plan.probed {
		n, ok := sums[i]
		if !ok {
			continue
		}
		w := before[i].Look(n)
		reason := p.policy.Passive.Failure(w)
		if reason == "" {
			s.windows[i] = w
			continue
		}
		h := s.healthOf(i).Fail(reason, s.now)
		s.setHealth(i, h)
		notices = append(notices, p.notices(true, false, h.Reason())...)
		notices = append(notices, s.demandOf(p)...)
	}
	return notices, nil
}
