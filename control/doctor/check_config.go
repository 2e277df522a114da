package doctor

import (
	"context"
	"fmt"
	"slices"

	"lvsdr/control/keepalived"
)

// checkConfiguration passes on what the reader of the configuration says, but
// for the persistence, which checkServices has.
func checkConfiguration(_ context.Context, x *Exam) []Finding {
	var found []Finding
	for _, d := range x.Diags {
		if d.Keyword == "virtual_server" && d.Severity == keepalived.Note {
			continue
		}
		f := Finding{Name: Configuration, About: d.Pos.String(), Text: d.Text, Evidence: []string{d.String()},
			Remedy: "mend it, then: lvsdr run -t -c " + x.File}
		switch d.Severity {
		case keepalived.Note:
			f.Evidence, f.Remedy = []string{d.Keyword}, ""
		case keepalived.Warning:
			f.Severity = Warning
		default:
			f.Severity = Error
		}
		found = append(found, f)
	}
	return found
}

// checkServices looks for services nobody serves, and for persistence by
// default.
func checkServices(_ context.Context, x *Exam) []Finding {
	var found []Finding
	for _, vs := range x.Config.VirtualServers {
		takes := func(rs *keepalived.RealServer) bool { return rs.Weight > 0 }
		switch {
		case len(vs.RealServers) == 0:
			found = append(found, Finding{Name: NoServer, Severity: Error, About: vs.Name(),
				Text:     "the service has no real server, so its clients are refused",
				Evidence: []string{vs.Pos.String()}, Remedy: "add a real_server block, then: kill -HUP the director"})
		case !slices.ContainsFunc(vs.RealServers, takes):
			found = append(found, Finding{Name: NoServer, Severity: Error, About: vs.Name(),
				Text:     "every real server of the service has weight 0, so new clients are refused",
				Evidence: []string{fmt.Sprintf("%v: %d real servers, weight 0", vs.Pos, len(vs.RealServers))},
				Remedy:   "give one of them a weight of 1 or more, then: kill -HUP the director"})
		}
		if vs.Persistence.FromDefault && vs.Persistence.Timeout > 0 {
			found = append(found, Finding{Name: DefaultSticks, About: vs.Name(),
				Text: fmt.Sprintf("persistence_timeout is absent, so a client stays with one real server for %d s: "+
					"a load test from one machine meets only one of them", vs.Persistence.Timeout),
				Evidence: []string{fmt.Sprintf("%v: persistence %d s by default", vs.Pos, vs.Persistence.Timeout)},
				Remedy:   "to spread clients: persistence_timeout 0 in the service, or persistence_default off in global_defs"})
		}
	}
	return found
}
