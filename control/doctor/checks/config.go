package checks

import (
	"fmt"
	"slices"

	"lvsdr/control/doctor/findings"
	"lvsdr/control/keepalived"
)

// configuration passes on the diagnostics of a configuration file, but for those
// about persistence, which services has.
func configuration(file string, diags keepalived.Diagnostics) []findings.Finding {
	var found []findings.Finding
	for _, d := range diags {
		if d.Keyword == "virtual_server" && d.Severity == keepalived.Note {
			continue
		}
		f := findings.Finding{Name: findings.Configuration, About: d.Pos.String(), Text: d.Text, Evidence: []string{d.String()},
			Remedy: "fix it, then: lvsdr run -t -c " + file}
		switch d.Severity {
		case keepalived.Note:
			f.Evidence, f.Remedy = []string{d.Keyword}, ""
		case keepalived.Warning:
			f.Severity = findings.Warning
		default:
			f.Severity = findings.Error
		}
		found = append(found, f)
	}
	return found
}

// services looks for services without a real server that takes new clients, and
// for persistence by default.
func services(cfg *keepalived.Config) []findings.Finding {
	var found []findings.Finding
	for _, vs := range cfg.VirtualServers {
		takes := func(rs *keepalived.RealServer) bool { return rs.Weight > 0 }
		switch {
		case len(vs.RealServers) == 0:
			found = append(found, findings.Finding{Name: findings.NoServer, Severity: findings.Error, About: vs.Name(),
				Text:     "the service has no real server, so its clients are refused",
				Evidence: []string{vs.Pos.String()}, Remedy: "add a real_server block, then: kill -HUP the director"})
		case !slices.ContainsFunc(vs.RealServers, takes):
			found = append(found, findings.Finding{Name: findings.NoServer, Severity: findings.Error, About: vs.Name(),
				Text:     "every real server of the service has weight 0, so new clients are refused",
				Evidence: []string{fmt.Sprintf("%v: %d real servers, weight 0", vs.Pos, len(vs.RealServers))},
				Remedy:   "give one of them a weight of 1 or more, then: kill -HUP the director"})
		}
		if vs.Persistence.FromDefault && vs.Persistence.Timeout > 0 {
			found = append(found, findings.Finding{Name: findings.DefaultSticks, About: vs.Name(),
				Text: fmt.Sprintf("persistence_timeout is absent, so a client stays with one real server for %d s: "+
					"a load test from one machine reaches only one of them", vs.Persistence.Timeout),
				Evidence: []string{fmt.Sprintf("%v: persistence %d s by default", vs.Pos, vs.Persistence.Timeout)},
				Remedy:   "to spread clients: persistence_timeout 0 in the service, or persistence_default off in global_defs"})
		}
	}
	return found
}
