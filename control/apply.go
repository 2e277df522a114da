package control

import (
	"errors"
	"fmt"

	"lvsdr/dataplane"
	"lvsdr/dataplane/frame"
)

// A want is a service as it should be at work now, health included.
type want struct {
	cfg     dataplane.ServiceConfig
	servers []dataplane.ServerConfig // in the order they are to be added
}

// wanted is the plan, given which servers are up: one that is down is left
// out, or has weight 0 where it is inhibited on failure.
func (p *plan) wanted(up func(server string) bool) []want {
	var all []want
	for _, s := range p.services {
		w := want{cfg: s.cfg}
		for _, r := range s.servers {
			cfg := r.cfg
			if !up(r.name) {
				if !r.inhibit {
					continue
				}
				cfg.Weight = 0
			}
			w.servers = append(w.servers, cfg)
		}
		all = append(all, w)
	}
	return all
}

// apply edits the director's services until they are as wanted. What does not
// change is not touched: it keeps its connections, its scheduler's state and
// its counters.
func apply(d *dataplane.Director, all []want, now int64) error {
	have := map[dataplane.ServiceKey]dataplane.ServiceStatus{}
	for _, s := range d.Services() {
		have[s.Config.Key] = s
	}
	var failed error
	for _, w := range all {
		s, there := have[w.cfg.Key]
		delete(have, w.cfg.Key)
		var err error
		switch {
		case !there:
			err = d.AddService(w.cfg)
		case s.Config != w.cfg:
			err = d.EditService(w.cfg)
		}
		if err == nil {
			err = applyServers(d, w, s.Servers, now)
		}
		if err != nil {
			failed = errors.Join(failed, fmt.Errorf("service %s:%d: %w", w.cfg.Key.Addr, w.cfg.Key.Port, err))
		}
	}
	for k := range have {
		failed = errors.Join(failed, d.DelService(k, now))
	}
	return failed
}

func applyServers(d *dataplane.Director, w want, servers []dataplane.ServerStatus, now int64) error {
	keep := map[frame.Addr]bool{}
	for _, s := range w.servers {
		keep[s.Addr] = true
	}
	k := w.cfg.Key
	have := map[frame.Addr]dataplane.ServerConfig{}
	for _, s := range servers { // in their order: schedulers see every edit
		have[s.Config.Addr] = s.Config
		if !keep[s.Config.Addr] {
			if err := d.DelServer(k, s.Config.Addr, s.Config.Port, now); err != nil {
				return err
			}
		}
	}
	for _, s := range w.servers {
		var err error
		if old, there := have[s.Addr]; !there {
			err = d.AddServer(k, s)
		} else if old != s {
			err = d.EditServer(k, s)
		}
		if err != nil {
			return err
		}
	}
	return nil
}
