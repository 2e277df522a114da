package dataplane

import (
	"cmp"
	"slices"
	"time"

	"lvsdr/conntrack"
	"lvsdr/dataplane/frame"
)

// A ServiceStatus is a service as it is now.
type ServiceStatus struct {
	Config  ServiceConfig
	Traffic Traffic
	Servers []ServerStatus // newest first: the scheduler's order
}

// A ServerStatus is a real server as it is now.
type ServerStatus struct {
	Config     ServerConfig
	Active     int
	Inactive   int
	Persistent int // templates
	Overloaded bool
	MAC        frame.MAC // zero: not known
	Traffic    Traffic
}

// Services is the state of all services, sorted by mark, family, protocol,
// address and port.
func (d *Director) Services() []ServiceStatus {
	d.mu.Lock()
	defer d.mu.Unlock()
	var all []ServiceStatus
	for _, s := range d.table.Load().services {
		all = append(all, d.serviceStatus(s))
	}
	slices.SortFunc(all, func(a, b ServiceStatus) int {
		x, y := a.Config.Key, b.Config.Key
		return cmp.Or(cmp.Compare(x.Mark, y.Mark), compareBool(x.v6(), y.v6()), cmp.Compare(x.Proto, y.Proto),
			slices.Compare(x.Addr[:], y.Addr[:]), cmp.Compare(x.Port, y.Port))
	})
	return all
}

// serviceStatus is the status of s. The caller holds d.mu, and no shard's lock.
func (d *Director) serviceStatus(s *service) ServiceStatus {
	st := ServiceStatus{Config: s.cfg}
	for _, ds := range s.dests {
		d.book(ds)
		st.Servers = append(st.Servers, ds.status())
	}
	st.Traffic = s.totals // booked by now
	return st
}

// v6 reports whether the service is one of IPv6.
func (k ServiceKey) v6() bool { return k.IPv6 || k.Mark == 0 && !k.Addr.Is4() }

func compareBool(a, b bool) int {
	switch {
	case a == b:
		return 0
	case b:
		return -1
	}
	return 1
}

func (d *dest) status() ServerStatus {
	return ServerStatus{
		Config: ServerConfig{Addr: d.Addr, Port: d.Port, Weight: d.Weight, Upper: d.upper, Lower: d.lower},
		Active: d.Active, Inactive: d.Inactive, Persistent: d.templates,
		Overloaded: d.Overloaded, MAC: d.mac, Traffic: d.totals,
	}
}

// A ConnStatus is a connection or a template as it is now.
type ConnStatus struct {
	Key     conntrack.Key
	Server  frame.Addr // its port is the virtual port: Direct Routing changes none
	State   string
	Expires time.Duration
	Invalid bool // a template that no new connection finds any more
}

// Conns is the connection table at now, in no order. It holds the director's
// lock while it copies.
func (d *Director) Conns(now int64) []ConnStatus {
	d.mu.Lock()
	defer d.mu.Unlock()
	var all []ConnStatus
	d.each(func(sh *shard) {
		all = slices.Grow(all, sh.conns.Len())
		sh.conns.All(func(e *conntrack.Entry) bool {
			all = append(all, d.connStatus(sh.conns.Key(e), e, now))
			return true
		})
	})
	return all
}

// connStatus is the status of e, whose key is k. The caller holds d.mu and the
// lock of its shard.
func (d *Director) connStatus(k conntrack.Key, e *conntrack.Entry, now int64) ConnStatus {
	c := ConnStatus{Key: k, State: e.StateName(), Expires: e.Expires(now), Invalid: e.Invalid()}
	if ds := d.destOf(e); ds != nil {
		c.Server = ds.Addr
	}
	return c
}

// TableUse is how full the connection table is, and how many entries had to
// make room for others.
func (d *Director) TableUse() (entries, limit int, evicted uint64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.each(func(sh *shard) {
		entries += sh.conns.Len()
		limit += sh.conns.Limit()
		evicted += sh.conns.Evicted()
	})
	return entries, limit, evicted
}

// Timeouts are the timeouts in force.
func (d *Director) Timeouts() conntrack.Timeouts {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.timeouts
}
