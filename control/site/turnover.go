package site

// What a file brings and takes away is told as keepalived does: servers and services that are gone
// go down first, then new services come up, and with rs_init_notifies new servers too.

// removed is why a server or a service goes down that a reload has removed.
const removed = "it is not in the file any more"

// A namedServer is a server of the file, with its checks or without.
type namedServer struct {
	name    string
	service int // its index in plan.services
	server  *fileServer
}

// eachServer yields the servers of p with their names, those that services share once, with the first of
// these.
func (p *plan) eachServer(yield func(namedServer)) {
	for i, f := range p.services {
		of := " of VS " + f.source.Name()
		for k := range f.servers {
			r := &f.servers[k]
			switch {
			case r.probed == unchecked:
				yield(namedServer{r.source.Name(f.source.Protocol) + of, i, r})
			case p.probed[r.probed].of[0] == i:
				yield(namedServer{p.probed[r.probed].name, i, r})
			}
		}
	}
}

// names are those of p's servers.
func (p *plan) names() map[string]bool {
	all := make(map[string]bool, len(p.probed))
	p.eachServer(func(n namedServer) { all[n.name] = true })
	return all
}

// isUp reports whether the server r of s' file has a place and is up.
func (s *State) isUp(r *fileServer) bool {
	return r.placed(s) && (r.probed == unchecked || s.healthOf(r.probed).Up())
}

// noticeOf tells that n, a server of s' file, is up, or down for this reason.
func (s *State) noticeOf(n namedServer, up bool, reason string) Notice {
	p := probed{name: n.name, service: s.plan.services[n.service].config.Key, config: n.server.config, source: n.server.source}
	return p.notices(!up, up, reason)[0]
}

// departed tells what was up in old and is not in s' file any more, servers before their services.
func (s *State) departed(old *State) []Notice {
	if len(old.plan.services) == 0 {
		return nil
	}
	var notices []Notice
	still := s.plan.names()
	old.plan.eachServer(func(n namedServer) {
		if still[n.name] || !old.isUp(n.server) {
			return
		}
		notices = append(notices, old.noticeOf(n, false, removed))
	})
	keys := make(map[key]bool, len(s.plan.services))
	for _, f := range s.plan.services {
		keys[f.key()] = true
	}
	for _, f := range old.plan.services {
		if before, had := old.demands.Get(f.key()); had && !keys[f.key()] && before.health.Up() {
			n := serviceNotice(f, false)
			n.Reason = removed
			notices = append(notices, n)
		}
	}
	return fromFile(notices)
}

// arrived tells, with rs_init_notifies, which servers that start up are not in old's file. No mail is
// sent of them.
func (s *State) arrived(old *State) []Notice {
	if !s.plan.config.Global.InitNotifies {
		return nil
	}
	var notices []Notice
	before := old.plan.names()
	s.plan.eachServer(func(n namedServer) {
		if !before[n.name] && s.isUp(n.server) {
			notice := s.noticeOf(n, true, "")
			notice.Alert = false
			notices = append(notices, notice)
		}
	})
	return fromFile(notices)
}

// fromFile is notices, which come of the file alone.
func fromFile(notices []Notice) []Notice {
	for i := range notices {
		notices[i].ByFile = true
	}
	return notices
}
