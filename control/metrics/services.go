package metrics

import (
	dto "github.com/prometheus/client_model/go"

	"lvsdr/control/api"
)

// services are the metrics of virtual services.
func (f *families) services(all []api.Service) {
	n := len(all)
	conns := f.counter("lvsdr_service_connections_total", "New connections of a virtual service.", n)
	frames := f.counter("lvsdr_service_frames_total", "Packets of clients that were forwarded for a virtual service.", n)
	bytes := f.counter("lvsdr_service_bytes_total", "Bytes of clients' IP packets that were forwarded for a virtual service.", n)
	for i := range all {
		s := &all[i]
		l := labels("service", s.String())
		conns.add(s.Traffic.Conns, l)
		frames.add(s.Traffic.Packets, l)
		bytes.add(s.Traffic.Bytes, l)
	}
}

// serverFamilies are the metrics of real servers.
type serverFamilies struct {
	conns, frames, bytes, syns, checks, failures                  *counter
	active, inactive, templates, up, weight, set, state, duration *gauge
}

// servers are the metrics of real servers in their services.
func (f *families) servers(all []api.Service) {
	n, checked := 0, 0
	for i := range all {
		n += len(all[i].Servers)
		for j := range all[i].Servers {
			checked += min(1, len(all[i].Servers[j].Checks))
		}
	}
	m := serverFamilies{
		conns:     f.counter("lvsdr_server_connections_total", "New connections that a real server got.", n),
		frames:    f.counter("lvsdr_server_frames_total", "Packets of clients that were forwarded to a real server.", n),
		bytes:     f.counter("lvsdr_server_bytes_total", "Bytes of clients' IP packets that were forwarded to a real server.", n),
		syns:      f.counter("lvsdr_server_repeated_syns_total", "SYNs to a real server that clients sent again, as no answer had come.", n),
		active:    f.gauge("lvsdr_server_active_connections", "Connections of a real server that are open or being opened, as ipvsadm's ActiveConn.", n),
		inactive:  f.gauge("lvsdr_server_inactive_connections", "All other connections of a real server, as ipvsadm's InActConn.", n),
		templates: f.gauge("lvsdr_server_templates", "Persistence templates: clients that are bound to a real server.", n),
		up:        f.gauge("lvsdr_server_up", "Whether a real server is up, as its health checks say; one that is not checked is.", n),
		weight:    f.gauge("lvsdr_server_weight", "The weight of a real server that is in force; 0 while it is down.", n),
		set:       f.gauge("lvsdr_server_configured_weight", "The weight of a real server that is configured.", n),
		state:     f.gauge("lvsdr_server_state", "Always 1; the label says whether a real server gets new connections, as the STATE of `lvsdr status`.", n),
		checks:    f.counter("lvsdr_server_checks_total", "Attempts of a real server's health checks that have ended.", checked),
		failures:  f.counter("lvsdr_server_check_failures_total", "Attempts of a real server's health checks that have failed.", checked),
		duration:  f.gauge("lvsdr_server_check_duration_seconds", "How long the last attempt of a real server's health checks took; the longest, where it has several.", checked),
	}
	for i := range all {
		s := &all[i]
		name := s.String()
		for j := range s.Servers {
			r := &s.Servers[j]
			m.add(r, labels("server", api.HostPort(r.Address, r.Port), "service", name))
		}
	}
}

// add adds the samples of a server.
func (m *serverFamilies) add(r *api.Server, l []*dto.LabelPair) {
	m.conns.add(r.Traffic.Conns, l)
	m.frames.add(r.Traffic.Packets, l)
	m.bytes.add(r.Traffic.Bytes, l)
	m.syns.add(r.RepeatedSYNs, l)
	m.active.add(float64(r.Active), l)
	m.inactive.add(float64(r.Inactive), l)
	m.templates.add(float64(r.Persistent), l)
	m.up.add(yesNo(r.Up), l)
	m.weight.add(float64(r.Effective), l)
	m.set.add(float64(r.Weight), l)
	m.state.add(1, append(l[:len(l):len(l)], labels("state", r.StateWord())...))
	if len(r.Checks) == 0 {
		return
	}
	var attempts, failures uint64
	longest := 0.0
	for i := range r.Checks {
		attempts += r.Checks[i].Attempts
		failures += r.Checks[i].Failures
		longest = max(longest, r.Checks[i].Took)
	}
	m.checks.add(attempts, l)
	m.failures.add(failures, l)
	m.duration.add(longest, l)
}
