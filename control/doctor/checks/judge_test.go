package checks

import (
	"slices"
	"strings"
	"testing"

	"lvsdr/control/doctor/findings"
	"lvsdr/control/doctor/wire"
	"lvsdr/dataplane/frame"
)

// A row is a line of the table above judge: what comes for the VIP, and else, and
// what it means.
type row struct {
	means string // the name of the finding; "" where the server works
	is    func(a *answers) bool
}

// rows is the table as it reads. The first row that fits counts.
func rows() []row {
	silent := func(all ...wire.Answer) bool {
		return !slices.ContainsFunc(all, func(x wire.Answer) bool { return x.Outcome != wire.Silence })
	}
	router := func(x wire.Answer) bool { return x.Outcome == wire.Returned || x.FromRouter() }
	return []row{
		{"", func(a *answers) bool { return a.vipConn.Outcome == wire.Accepted }},
		{findings.RSWrongPort, func(a *answers) bool { return a.vipConn.Outcome == wire.Refused }},
		{findings.RSMACChanged, func(a *answers) bool { return a.moved != frame.MAC{} }},
		{findings.RSDown, func(a *answers) bool { return silent(a.vipConn, a.ownConn, a.vipPing, a.ownPing) }},
		{findings.RSWithoutVIP, func(a *answers) bool { return router(a.vipConn) || router(a.vipPing) }},
		{findings.RSFirewall, func(a *answers) bool {
			return a.vipConn.Outcome == wire.Unreachable || a.vipPing.Outcome == wire.Echoed
		}},
		{findings.RSWithoutVIP, func(a *answers) bool { return a.hasNot }},
		{findings.RSFirewall, func(*answers) bool { return true }},
	}
}

// replies are the answers that a probe can get, errors of routers and of firewalls
// apart.
func replies(probe string) []wire.Answer {
	all := []wire.Answer{{}, {Outcome: wire.Accepted, MSS: 1460}, {Outcome: wire.Refused}, {Outcome: wire.Returned},
		{Outcome: wire.Unreachable, Src: rs, Type: 3, Code: 1}, {Outcome: wire.Unreachable, Src: rs, Type: 3, Code: 13}}
	if strings.HasSuffix(probe, "ping") {
		all[1], all[2] = wire.Answer{Outcome: wire.Echoed}, wire.Answer{Outcome: wire.Echoed, Whole: true}
	}
	for i := range all {
		if all[i].Outcome != wire.Silence {
			all[i].Evidence = probe + " " + all[i].Outcome.String()
		}
	}
	return all
}

// Every combination of answers is judged by the table, with the evidence of all
// probes that count, and a remedy on the real server.
func TestEveryCombinationOfAnswersIsJudgedByTheTable(t *testing.T) {
	link := director(well()).Host.Links[0]
	met := map[string]int{}
	for _, vipConn := range replies("a SYN for the VIP") {
		for _, ownConn := range replies("a SYN for the server") {
			for _, vipPing := range replies("the VIP's ping") {
				for _, ownPing := range replies("the server's ping") {
					for bits := range 4 {
						a := answers{pairing: pairing{vip: vip, port: port, rs: rs, at: place{&link, self.Addr()}, mac: rsMAC},
							vipConn: vipConn, ownConn: ownConn, vipPing: vipPing, ownPing: ownPing, hasNot: bits&1 != 0}
						if bits&2 != 0 {
							a.moved, a.movedEvidence = newMAC, "a ping to all"
						}
						rows := rows()
						want := rows[slices.IndexFunc(rows, func(r row) bool { return r.is(&a) })].means
						got := a.judge()
						if want == "" {
							if len(got) != 0 {
								t.Fatalf("%+v works, and is judged %+v", a, got)
							}
							continue
						}
						if len(got) != 1 || got[0].Name != want {
							t.Fatalf("%+v is judged %+v, want %s", a, got, want)
						}
						f := got[0]
						met[want]++
						if f.Severity != findings.Error || f.About != "real server 192.168.1.11 of 192.168.1.100:8080" || f.Text == "" || !strings.HasPrefix(f.Remedy, "on the real server: ") && want != findings.RSWrongPort {
							t.Fatalf("%+v", f)
						}
						if f.Evidence[0] != vipConn.Evidence || slices.Contains(f.Evidence[1:], "") {
							t.Fatalf("evidence %q", f.Evidence)
						}
					}
				}
			}
		}
	}
	for _, name := range []string{findings.RSWrongPort, findings.RSMACChanged, findings.RSDown, findings.RSWithoutVIP, findings.RSFirewall} {
		if met[name] == 0 {
			t.Errorf("%s was never found", name)
		}
	}
}

// A server that works is judged by the clients' side and by its MTU, both at once.
func TestAServerThatWorksIsJudgedByTheClientsSideAndItsMTU(t *testing.T) {
	link := director(well()).Host.Links[0]
	for _, c := range []struct {
		law   string
		mss   int
		asked bool
		side  wire.Outcome
		want  string
	}{
		{"all is well", 1460, true, wire.Accepted, ""},
		{"no MSS is said", 0, false, wire.Silence, ""},
		{"the other side was not asked", 1460, false, wire.Silence, ""},
		{"silence for the clients' side", 1460, true, wire.Silence, findings.RPFilter},
		{"a refusal there is an answer", 1460, true, wire.Refused, ""},
		{"a smaller MTU", 1459, false, wire.Silence, findings.SmallMTU},
		{"a greater one does no harm", 8960, false, wire.Silence, ""},
		{"both", 1000, true, wire.Silence, findings.RPFilter + " " + findings.SmallMTU},
	} {
		a := answers{pairing: pairing{vip: vip, port: port, rs: rs, at: place{&link, self.Addr()}, mac: rsMAC, clients: place{source: self.Addr()}},
			vipConn: wire.Answer{Outcome: wire.Accepted, MSS: c.mss, Evidence: "a SYN"}, side: wire.Answer{Outcome: c.side, Evidence: "another"}, sideAsked: c.asked}
		var names []string
		for _, f := range a.judge() {
			names = append(names, f.Name)
			if len(f.Evidence) != 2 || f.Remedy == "" {
				t.Errorf("%s: %+v", c.law, f)
			}
		}
		if got := strings.Join(names, " "); got != c.want {
			t.Errorf("%s: %q, want %q", c.law, got, c.want)
		}
	}
}
