package top

import (
	"cmp"
	"slices"
	"time"

	"lvsdr/control/api"
)

// window is how far back the states go that shares are counted over.
const window = time.Minute

// An order is how servers are sorted.
type order int

// The orders, as the key s goes through them.
const (
	byConfig order = iota
	byConns
	byPackets
	byActive
	numOrders
)

var orderNames = [numOrders]string{"configuration", "connections/s", "packets/s", "active"}

// A view is the content of top. It knows neither terminals nor clocks.
type view struct {
	states   []*api.Status // the oldest first, one that is older than window at most
	order    order
	selected int   // among the rows
	offset   int   // rows above the screen
	paused   bool  // what comes is not shown
	err      error // of the last question
}

// A row is a service, or one of its servers.
type row struct {
	service, was *api.Service
	server       *api.Server // nil: the service itself
	before       *api.Server // in the state before
	since        *api.Server // when shares began to be counted
	share, due   float64     // of the service's connections, and by weight
}

// A line is a line of the screen.
type line struct {
	text     string
	selected bool
	alarm    bool
}

// add takes a new state. A director that was started again is another one.
func (v *view) add(st *api.Status) {
	if n := len(v.states); n > 0 && (v.states[n-1].PID != st.PID || !v.states[n-1].Started.Equal(st.Started)) {
		v.states = nil
	}
	v.states = append(v.states, st)
	for len(v.states) > 2 && st.Time.Sub(v.states[1].Time) >= window {
		v.states = v.states[1:]
	}
}

// now, before and since are the last state, the one before it and the first.
func (v *view) now() *api.Status { return v.states[len(v.states)-1] }

func (v *view) before() *api.Status { return v.states[max(len(v.states)-2, 0)] }

func (v *view) since() *api.Status { return v.states[0] }

// rate is how fast a counter grew since the state before, a second.
func (v *view) rate(now, before uint64) float64 {
	d := v.now().Time.Sub(v.before().Time).Seconds()
	if d <= 0 || now < before {
		return 0
	}
	return float64(now-before) / d
}

// rows are all services with their servers, in order.
func (v *view) rows() []row {
	var all []row
	for i := range v.now().Services {
		s := &v.now().Services[i]
		was, first := sameService(v.before(), s), sameService(v.since(), s)
		all = append(all, row{service: s, was: was})
		rows := serverRows(s, was, first)
		slices.SortStableFunc(rows, func(a, b row) int { return cmp.Compare(v.weigh(&b), v.weigh(&a)) })
		all = append(all, rows...)
	}
	return all
}

// weigh returns the sort key of a row, the greatest first.
func (v *view) weigh(r *row) float64 {
	switch v.order {
	case byConns:
		return v.rate(r.server.Traffic.Conns, r.before.Traffic.Conns)
	case byPackets:
		return v.rate(r.server.Traffic.Packets, r.before.Traffic.Packets)
	case byActive:
		return float64(r.server.Active)
	}
	return 0
}

// serverRows are the servers of s with their shares: of the connections since
// first, or, if there are none, of all.
func serverRows(s, was, first *api.Service) []row {
	var rows []row
	weights, recent, total := 0, uint64(0), uint64(0)
	for i := range s.Servers {
		r := &s.Servers[i]
		row := row{service: s, was: was, server: r, before: sameServer(was, r), since: sameServer(first, r)}
		rows = append(rows, row)
		weights += r.Effective
		recent += grown(r, row.since)
		total += r.Traffic.Conns
	}
	for i := range rows {
		r := &rows[i]
		if weights > 0 {
			r.due = float64(r.server.Effective) / float64(weights)
		}
		if recent > 0 {
			r.share = float64(grown(r.server, r.since)) / float64(recent)
		} else if total > 0 {
			r.share = float64(r.server.Traffic.Conns) / float64(total)
		}
	}
	return rows
}

// grown is how many connections r has had since before.
func grown(r, before *api.Server) uint64 {
	if r.Traffic.Conns < before.Traffic.Conns {
		return 0
	}
	return r.Traffic.Conns - before.Traffic.Conns
}

// sameService is s in another status; s itself if it is not there.
func sameService(st *api.Status, s *api.Service) *api.Service {
	for i := range st.Services {
		if o := &st.Services[i]; o.Protocol == s.Protocol && o.Address == s.Address && o.Port == s.Port {
			return o
		}
	}
	return s
}

// sameServer is r in another look at its service; r itself if it is not there.
func sameServer(s *api.Service, r *api.Server) *api.Server {
	for i := range s.Servers {
		if o := &s.Servers[i]; o.Address == r.Address && o.Port == r.Port {
			return o
		}
	}
	return r
}
