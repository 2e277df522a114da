package site

// A Count is how much there is in a State.
type Count struct {
	Services int // of the table
	Servers  int // of these services, those too that are not in the table now
	Up       int // of the servers: their checks are good, or they have none
}

// Count counts services and servers as Views lists them. It walks over all of them, and
// allocates nothing.
func (s *State) Count() Count {
	var n Count
	for service := range s.table.All() {
		n.Services++
		d, ok := s.demands.Get(key(service.Config.Key))
		if !ok {
			n.Servers += len(service.Servers)
			n.Up += len(service.Servers)
			continue
		}
		for i := range d.file.servers {
			n.Servers++
			if at := d.file.servers[i].probed; at == unchecked || s.healthOf(at).Up() {
				n.Up++
			}
		}
		for i := range service.Servers {
			if !d.file.names(&service.Servers[i]) {
				n.Servers++
				n.Up++
			}
		}
	}
	return n
}

// names reports whether r is one of f's servers, the sorry server not included. Those
// that the file owns are, without a search.
func (f *fileService) names(r *Server) bool {
	if r.Owner == File && (f.sorry == nil || !r.same(*f.sorry)) {
		return true
	}
	for i := range f.servers {
		if r.same(f.servers[i].config) {
			return true
		}
	}
	return false
}
