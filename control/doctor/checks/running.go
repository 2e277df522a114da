package checks

import (
	"fmt"
	"maps"
	"slices"

	"lvsdr/control/api"
	"lvsdr/control/doctor/facts"
	"lvsdr/control/doctor/findings"
)

// running passes on what the running director says of itself. Where none runs
// it finds others that may forward here.
func (s *site) running() []findings.Finding {
	st := s.Status
	if st == nil {
		return append(s.forwarders(), findings.Finding{Name: findings.NotRunning, About: "lvsdr run", Text: "no director of ours is running on this host",
			Remedy: "lvsdr run -c " + s.File + "; or name its socket with --socket"})
	}
	var found []findings.Finding
	problem := func(severity findings.Severity, text, evidence, remedy string) {
		found = append(found, findings.Finding{Name: findings.DirectorProblem, Severity: severity, About: fmt.Sprintf("process %d", st.PID), Text: text,
			Evidence: []string{evidence}, Remedy: remedy})
	}
	reload := fmt.Sprintf("fix it, then: kill -HUP %d", st.PID)
	if st.ConfigErr != "" {
		problem(findings.Error, "the last reload was refused, and an older configuration is in force", st.ConfigErr, reload)
	}
	if !st.Active {
		problem(findings.Warning, "the director is silent: it does not announce its VIPs", "active: false", "lvsdr status")
	}
	for _, p := range st.Problems {
		problem(findings.Error, "the director has left something out", p, reload)
	}
	if t := st.Table.TakenOver; t != nil && t.Empty != "" {
		problem(findings.Info, "the connections of the director before were not taken over", t.File+": "+t.Empty, "")
	}
	for _, svc := range st.Services {
		for _, r := range svc.Servers {
			if !r.Up {
				problem(findings.Warning, fmt.Sprintf("the director's own checks say that real server %s of %s:%d is down", r.Address, svc.Address, svc.Port),
					r.Check, "see the other findings about it")
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(st.Ports)) {
		p := st.Ports[name]
		if p.Missed > 0 {
			problem(findings.Warning, "the director was too slow for some frames on "+name, missed(p), "give it more CPU, or run with --workers")
		}
		if p.MissedSYN > 0 {
			problem(findings.Warning, "clients on "+name+" could not connect at once: more SYNs came than the director can handle", missedSYNs(p),
				"a SYN flood, or too little CPU: give it more, or run with --workers")
		}
	}
	return found
}

// missed shows how many frames were missed.
func missed(p api.PortStats) string {
	return fmt.Sprintf("missed %d of %d frames", p.Missed, p.Received+p.Missed)
}

// missedSYNs shows how many SYNs were missed.
func missedSYNs(p api.PortStats) string { return fmt.Sprintf("missed %d SYNs", p.MissedSYN) }

// forwarders finds processes other than a director of ours that may forward here.
func (s *site) forwarders() []findings.Finding {
	var found []findings.Finding
	for _, t := range s.Host.Taps {
		link := s.Host.Link(t.Ifindex)
		if link == nil || !slices.ContainsFunc(s.links(), func(l *facts.Link) bool { return l == link }) {
			continue
		}
		who := "a process that cannot be named"
		if t.PID != 0 {
			who = fmt.Sprintf("process %d (%s)", t.PID, t.Process)
		}
		found = append(found, findings.Finding{Name: findings.ForeignForwarder, About: link.Name,
			Text:     who + " receives the frames of the interface by a packet socket; it is a capture, a DHCP client, or another forwarder",
			Evidence: []string{fmt.Sprintf("/proc/net/packet: interface %d", t.Ifindex)}})
	}
	return found
}
