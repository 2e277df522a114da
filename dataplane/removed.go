package dataplane

// A RemovedServer is a real server that is in its service no more, and to which
// connections or templates still refer.
type RemovedServer struct {
	Service ServiceKey // it may be gone as well
	ServerStatus
}

// Removed are the removed servers that still have connections or templates, each at
// its moment.
func (d *Director) Removed() []RemovedServer {
	var all []RemovedServer
	d.eachRemoved(func(ds *dest) {
		if at, ok := d.dests.Dest(ds.ref); ok && ds.refs > 0 && !ds.stranger {
			all = append(all, RemovedServer{at.Service, ds.status()})
		}
	})
	return all
}
