package control

import (
	"net/netip"
	"os"
	"time"

	"lvsdr/control/api"
	"lvsdr/control/director"
	"lvsdr/dataplane"
	"lvsdr/dataplane/frame"
)

// Status is the state of everything, for the control socket.
func (m *manager) Status() *api.Status {
	counts := map[dataplane.ServiceKey]dataplane.ServiceStatus{}
	for _, s := range m.director.Services() {
		counts[s.Config.Key] = s
	}
	st := &api.Status{Version: m.o.Version, PID: os.Getpid(), Time: time.Now(), Started: m.started,
		Reasons: m.director.Counters().Map(), Verdicts: director.Verdicts(), Ports: map[string]api.PortStats{}}
	st.Table.Entries, st.Table.Limit, st.Table.Evicted = m.director.TableUse()
	arpStats := m.arp.Stats()
	st.ARP = arpStats.Map()
	m.mu.Lock()
	defer m.mu.Unlock()
	st.Active, st.ConfigTime, st.Reloads, st.Local = m.active, m.configTime, m.reloads, m.local.String()
	if m.configErr != nil {
		st.ConfigErr = m.configErr.Error()
	}
	for _, ps := range m.ports {
		st.Ports[ps.name] = ps.stats()
	}
	if m.plan == nil {
		return st
	}
	st.Problems = m.plan.problems
	for i := range m.plan.services {
		s := &m.plan.services[i]
		st.Services = append(st.Services, m.serviceStatus(s, counts[s.cfg.Key]))
	}
	return st
}

// stats sums up the ports of an interface.
func (ps *ports) stats() api.PortStats {
	var sum dataplane.NICStats
	for _, p := range ps.all {
		s := p.Stats()
		sum.Received += s.Received
		sum.Missed += s.Missed
		sum.Truncated += s.Truncated
		sum.Sent += s.Sent
		sum.SentXDP += s.SentXDP
		sum.SendFull += s.SendFull
		sum.SendError += s.SendError
	}
	return director.WirePorts(sum)
}

// serviceStatus joins what is configured of s with what is counted.
func (m *manager) serviceStatus(s *plannedService, now dataplane.ServiceStatus) api.Service {
	out := api.Service{ServiceConfig: director.WireServiceConfig(&s.cfg), PersistenceDefault: s.source.Persistence.FromDefault,
		Owner: api.OwnedByFile, Interface: m.plan.vips[s.source.Addr].link.Name,
		Traffic: director.WireTraffic(now.Traffic), Servers: []api.Server{}}
	now.Config = s.cfg
	listed := m.admin.Service(&now)
	out.Listed = listed.Listed
	macs := map[netip.Addr]frame.MAC{}
	for _, n := range m.arp.Neighbours() {
		macs[n.IP] = n.MAC
	}
	byAddr := map[frame.Addr]dataplane.ServerStatus{}
	for _, r := range now.Servers {
		byAddr[r.Config.Addr] = r
	}
	for i := range s.servers {
		r := &s.servers[i]
		c := byAddr[r.cfg.Addr]
		sv := api.Server{ServerConfig: director.WireServerConfig(&r.cfg), Effective: c.Config.Weight, Up: m.up(r.name), Check: m.checkText(r),
			Interface: m.plan.servers[r.source.Addr].link.Name,
			Active:    c.Active, Inactive: c.Inactive, Persistent: c.Persistent,
			Overloaded: c.Overloaded, Traffic: director.WireTraffic(c.Traffic)}
		for _, l := range listed.Servers {
			if l.Address == r.source.Addr {
				sv.Listed = l.Listed
			}
		}
		if mac := macs[r.source.Addr]; mac != (frame.MAC{}) {
			sv.MAC = mac.String()
		}
		out.Servers = append(out.Servers, sv)
	}
	return out
}

// checkText is what a server's checks say, in a word or as an error.
func (m *manager) checkText(r *plannedServer) string {
	switch err := m.down[r.name]; {
	case err != nil:
		return err.Error()
	case len(r.source.Checks) == 0:
		return "none"
	}
	return "ok"
}
