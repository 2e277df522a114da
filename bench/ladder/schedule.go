package ladder

import (
	"context"
	"fmt"

	"lvsdr/dataplane/frame"
)

// manyServers is how many servers the rung "schedule" has, and serverWeight the weight of
// each: more than it gets connections, or ovf would find none.
const (
	manyServers  = 1000
	serverWeight = 60_000
)

// loadSchedulers are those that look for a server among all, wrr before them.
var loadSchedulers = []string{"wrr", "lc", "wlc", "sed", "nq", "fo", "ovf", "lblc", "lblcr"}

// scheduleRung is a new connection with every frame, as in path/new, to one of many
// servers: what the schedulers' looking for one costs beside all the rest.
func scheduleRung(o *Options) Rung {
	spec := trafficSpec{flows: o.Flows[0], batch: o.Batch}
	r := Rung{Name: fmt.Sprintf("schedule/%d", manyServers), Metrics: perFrame}
	for _, name := range loadSchedulers {
		r.Candidates = append(r.Candidates, inProcess(name, func(ctx context.Context) (*loop, error) {
			return startFresh(ctx, NewDirector, spec, manySetup(2*spec.flows, name))
		}))
	}
	return r
}

// manySetup is DefaultSetup with many servers and a scheduler.
func manySetup(limit int, scheduler string) Setup {
	s := DefaultSetup(limit)
	s.scheduler, s.weight, s.Servers = scheduler, serverWeight, nil
	for i := range manyServers {
		hi, lo := byte(i>>8), byte(i)
		s.Servers = append(s.Servers, Server{Addr: [4]byte{10, 1, hi, lo}, MAC: frame.MAC{2, 0, 0, 1, hi, lo}})
	}
	return s
}
