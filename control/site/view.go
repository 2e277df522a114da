package site

import (
	"iter"
	"slices"

	"lvsdr/control/hostnet"
	"lvsdr/control/keepalived"
	"lvsdr/dataplane"
	"lvsdr/dataplane/frame"
)

// A ServiceView is a service of the table as people are told of it.
type ServiceView struct {
	Config dataplane.ServiceConfig // in force
	Owner  Owner
	Name   string // [ADDR]:proto:PORT, or FWM MARK
	// PersistenceDefault says that the file does not mention the persistence in
	// force.
	PersistenceDefault bool
	Up                 bool              // it has its quorum; one that is not of the file always has
	Marks              []keepalived.Mark // of a service by mark: the lines of the file that mark its packets
	Place              hostnet.Place     // of its address, or its first one; zero: none
	Active             bool              // its address is active
	Problem            string            // why its address has no place
	// Servers are those of the file in its order, those too that are not in the
	// table now, and then the others, the oldest first.
	Servers []ServerView
}

// A ServerView is a real server of a ServiceView.
type ServerView struct {
	Config    dataplane.ServerConfig // as configured: with health's weight it is in the table
	Owner     Owner
	In        bool // it is in the table
	Effective int  // its weight there, 0 where it is not in it
	Up        bool // its checks are good, or it has none
	Reason    string
	Drained   bool          // it gets no new connections until that is undone
	Checks    []string      // their IDs
	Place     hostnet.Place // zero: none
	MAC       frame.MAC     // zero: not known
	Problem   string        // why it has no place
}

// View is the service with key k.
func (s *State) View(k dataplane.ServiceKey) (ServiceView, bool) {
	service := s.table.Service(k)
	if service == nil {
		return ServiceView{}, false
	}
	return s.view(service), true
}

// Views are the services of the table: those of the file in its order, and then
// the others.
func (s *State) Views() iter.Seq[ServiceView] {
	return func(yield func(ServiceView) bool) {
		for _, f := range s.plan.services {
			if v, ok := s.View(f.config.Key); ok && !yield(v) {
				return
			}
		}
		for service := range s.table.All() {
			if _, of := s.demands.Get(key(service.Config.Key)); !of && !yield(s.view(service)) {
				return
			}
		}
	}
}

func (s *State) view(service *Service) ServiceView {
	k := service.Config.Key
	v := ServiceView{Config: service.Config, Owner: service.Owner, Name: serviceName(k), Up: true}
	for i, addr := range s.addressesOf(k) {
		if at, ok := s.vips.Get(addr); ok && (i == 0 || v.Problem == "" && at.err != "") {
			v.Place, v.Active, v.Problem = at.place, at.here(), at.err
		}
	}
	v.Marks = slices.Collect(s.plan.marks.of(k))
	named := map[serverID]bool{}
	if d, ok := s.demands.Get(key(k)); ok {
		v.Up = d.health.Up()
		v.PersistenceDefault = d.file.source.Persistence.FromDefault && service.Config.Persistence == d.file.config.Persistence
		for i := range d.file.servers {
			r := &d.file.servers[i]
			named[idOf(r.config)] = true
			v.Servers = append(v.Servers, s.fileView(service, r))
		}
	}
	for _, r := range slices.Backward(service.Servers) {
		if !named[idOf(r.Config)] {
			v.Servers = append(v.Servers, s.serverView(service, r.Config))
		}
	}
	return v
}

// serverView is the server of service that c names.
func (s *State) serverView(service *Service, c dataplane.ServerConfig) ServerView {
	v := ServerView{Config: c, Up: true}
	if i := service.find(c); i >= 0 {
		v.In, v.Owner, v.Effective = true, service.Servers[i].Owner, service.Servers[i].Config.Weight
	}
	_, v.Drained = s.drains.Get(ServerOf{service.Config.Key, c.Addr, c.Port})
	if at := s.place(c.Addr.IP()); at != nil {
		v.Place, v.Problem, v.MAC = at.Place, at.lackFor(c.Method).err, s.hop(c.Addr.IP()).MAC
	}
	return v
}

// fileView is a server of the file.
func (s *State) fileView(service *Service, r *fileServer) ServerView {
	v := s.serverView(service, r.config)
	if r.probed == unchecked {
		return v
	}
	h := s.healthOf(r.probed)
	v.Up, v.Reason = h.Up(), h.Reason()
	for _, c := range s.plan.probed[r.probed].checks {
		v.Checks = append(v.Checks, c.id)
	}
	return v
}
