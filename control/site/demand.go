package site

import (
	"slices"

	"lvsdr/control/health"
	"lvsdr/control/site/tree"
	"lvsdr/dataplane"
	"lvsdr/dataplane/frame"
)

// A demand is the state of the table that the file and the health of its servers require for
// one service.
type demand struct {
	file   *fileService
	health health.Service
	wish   *Service
	panics bool // health is ignored, because too few servers are up
}

type demands = tree.Map[key, demand]

// demand returns the demand of f now. before is its last demand, the zero one if this
// is the first.
func (s *State) demand(f *fileService, before demand) demand {
	servers := make([]dataplane.ServerConfig, 0, len(f.servers)+1)
	stay := make([]bool, 0, len(f.servers)) // with weight 0 where they are not to serve
	var live int64
	panics := f.source.PanicThreshold > 0 && s.panics(f)
	for i := range f.servers {
		c, st := s.standing(&f.servers[i])
		if panics && f.servers[i].placed(s) {
			c, st = f.servers[i].config, serving
		}
		c, st, isDrained := s.drainedStanding(f, c, st)
		switch st {
		case serving:
			live += int64(c.Weight)
			fallthrough
		case inhibited:
			servers, stay = append(servers, c), append(stay, f.servers[i].source.InhibitOnFailure || isDrained)
		}
	}
	d := demand{file: f, health: before.health, panics: panics}
	quorum := health.Quorum{Weight: int64(f.source.Quorum), Hysteresis: int64(f.source.Hysteresis)}
	if before.wish == nil {
		d.health = health.NewService(quorum, live)
	} else {
		d.health = before.health.Renew(quorum).Live(live)
	}
	if f.sorry != nil && s.placed(f.sorry.Addr.IP(), f.sorry.Method) {
		servers = f.withSorry(servers, stay, d.health.Up())
	}
	d.wish = wish(before.wish, f.config, servers)
	return d
}

// panics reports whether the health of f's servers is to be ignored. Servers that cannot be
// reached do not count.
func (s *State) panics(f *fileService) bool {
	up, all := 0, 0
	for i := range f.servers {
		r := &f.servers[i]
		if !r.placed(s) {
			continue
		}
		if all++; r.probed == unchecked || s.healthOf(r.probed).Up() {
			up++
		}
	}
	return health.Panics(int(f.source.PanicThreshold), up, all)
}

// A standing is the effect of a server's health on its service.
type standing uint8

const (
	out       standing = iota // it is not to be in the table
	inhibited                 // with weight 0
	serving                   // with its weight
)

// standing is how r is to be in the table now.
func (s *State) standing(r *fileServer) (dataplane.ServerConfig, standing) {
	c := r.config
	if !r.placed(s) {
		return c, out
	}
	if r.probed == unchecked {
		return c, serving
	}
	h := s.healthOf(r.probed)
	switch {
	case h.Up():
		c.Weight = h.Weight(c.Weight, s.now)
		return c, serving
	case r.source.InhibitOnFailure:
		c.Weight = 0
		return c, inhibited
	}
	return c, out
}

// placed reports whether r can be reached.
func (r *fileServer) placed(s *State) bool { return s.placed(r.source.Addr, r.config.Method) }

// withSorry is servers with the sorry server. Without the quorum it serves in
// place of those that are up, of which the ones that stay have weight 0; with it, it is there, with weight 0, if it is inhibited.
func (f *fileService) withSorry(servers []dataplane.ServerConfig, stay []bool, quorum bool) []dataplane.ServerConfig {
	sorry := *f.sorry
	same := func(c dataplane.ServerConfig) bool { return c.Addr == sorry.Addr && c.Port == sorry.Port }
	switch {
	case !quorum:
		var rest []dataplane.ServerConfig
		for i, c := range servers {
			if stay[i] && !same(c) {
				c.Weight = 0
				rest = append(rest, c)
			}
		}
		return append(rest, sorry)
	case f.source.SorryServer.Inhibit && !slices.ContainsFunc(servers, same):
		sorry.Weight = 0
		return append(servers, sorry)
	}
	return servers
}

// A serverID names a server within its service.
type serverID struct {
	addr frame.Addr
	port uint16
}

func idOf(c dataplane.ServerConfig) serverID { return serverID{c.Addr, c.Port} }

// wish is the service that the file asks for: with these servers, which are in
// the order of the file. Those that old has keep their order, and the others
// enter at the head. It is old where that is the same; nil is none.
func wish(old *Service, c dataplane.ServiceConfig, servers []dataplane.ServerConfig) *Service {
	if old != nil && old.Config == c && asAdded(old.Servers, servers) {
		return old // as most are, most of the time
	}
	next := &Service{Config: c, Servers: make([]Server, 0, len(servers))}
	wanted := make(map[serverID]dataplane.ServerConfig, len(servers))
	for _, r := range servers {
		wanted[idOf(r)] = r
	}
	var kept []Server
	if old != nil {
		for _, r := range old.Servers {
			if c, ok := wanted[idOf(r.Config)]; ok {
				kept = append(kept, Server{Config: c})
				delete(wanted, idOf(r.Config))
			}
		}
	}
	for _, r := range slices.Backward(servers) {
		if _, fresh := wanted[idOf(r)]; fresh {
			next.Servers = append(next.Servers, Server{Config: r})
		}
	}
	next.Servers = append(next.Servers, kept...)
	if old != nil && old.Config == c && slices.Equal(old.Servers, next.Servers) {
		return old
	}
	return next
}

// asAdded reports whether list is what servers are after they were added one by
// one.
func asAdded(list []Server, servers []dataplane.ServerConfig) bool {
	if len(list) != len(servers) {
		return false
	}
	for i, r := range slices.Backward(list) {
		if r.Config != servers[len(list)-1-i] {
			return false
		}
	}
	return true
}
