package ipvsadm

import (
	"fmt"

	"lvsdr/control/api"
)

// columns is one of the forms of a listing: two lines above it, and how
// services and servers are printed.
type columns struct {
	header  string
	service func(*lister, *api.Service) string
	server  func(*lister, *api.Service, *api.Server) string
}

const remote = "  -> RemoteAddress:Port\n"

// columnsFor is the form that a request asks for. Where it asks for several,
// counters go before rates, thresholds, persistence and tunnels.
func columnsFor(q *request) columns {
	switch {
	case q.given[stats]:
		return columns{fmt.Sprintf("%-33s %8s %8s %8s %8s %8s\n", "Prot LocalAddress:Port",
			"Conns", "InPkts", "OutPkts", "InBytes", "OutBytes") + remote, serviceStats, serverStats}
	case q.given[rate]:
		return columns{fmt.Sprintf("%-33s %8s %8s %8s %8s %8s\n", "Prot LocalAddress:Port",
			"CPS", "InPPS", "OutPPS", "InBPS", "OutBPS") + remote, serviceRate, serverRate}
	case q.given[thresholds]:
		return columns{fmt.Sprintf("%-33s %-10s %-10s %-10s %-10s\n", "Prot LocalAddress:Port",
			"Uthreshold", "Lthreshold", "ActiveConn", "InActConn") + remote, plainService, serverThresholds}
	case q.given[persistentConn]:
		return columns{fmt.Sprintf("%-33s %-9s %-11s %-10s %-10s\n", "Prot LocalAddress:Port",
			"Weight", "PersistConn", "ActiveConn", "InActConn") + remote, plainService, serverTemplates}
	case q.given[tunInfo]:
		return columns{"Prot LocalAddress:Port Scheduler Flags\n" +
			"  -> RemoteAddress:Port           Forward TunnelInfo    Weight ActiveConn InActConn\n", plainService, serverTunnel}
	}
	return columns{"Prot LocalAddress:Port Scheduler Flags\n" +
		"  -> RemoteAddress:Port           Forward Weight ActiveConn InActConn\n", plainService, plainServer}
}

func plainService(l *lister, s *api.Service) string {
	line := l.service(&s.ServiceKey) + " " + s.Scheduler
	if flags := Flags(&s.ServiceConfig); flags != "" {
		line += " " + flags
	}
	return line + "\n"
}

// encapName is a tunnel as it is listed.
func encapName(e api.Encap) string {
	sum := map[string]string{"": ":-c", "csum": ":+c", "remcsum": ":r+c"}[e.Checksum]
	switch e.Kind {
	case "":
		return "n/a"
	case "ipip":
		return e.Kind
	case "gue":
		return fmt.Sprintf("%s:%d%s", e.Kind, e.Port, sum)
	}
	return e.Kind + sum
}

// The weight that is listed is the one in force.

func plainServer(l *lister, s *api.Service, r *api.Server) string {
	return fmt.Sprintf("%s %-7s %-6d %-10d %-10d\n", l.server(s, r), api.MethodColumn(r.Method), r.Effective, r.Active, r.Inactive)
}

func serverTunnel(l *lister, s *api.Service, r *api.Server) string {
	return fmt.Sprintf("%s %-7s %-13s %-6d %-10d %-10d\n", l.server(s, r), api.MethodColumn(r.Method), encapName(r.Encap), r.Effective, r.Active, r.Inactive)
}

func serverThresholds(l *lister, s *api.Service, r *api.Server) string {
	return fmt.Sprintf("%s %-10d %-10d %-10d %-10d\n", l.server(s, r), r.Upper, r.Lower, r.Active, r.Inactive)
}

func serverTemplates(l *lister, s *api.Service, r *api.Server) string {
	return fmt.Sprintf("%s %-9d %-11d %-10d %-10d\n", l.server(s, r), r.Effective, r.Persistent, r.Active, r.Inactive)
}

func serviceStats(l *lister, s *api.Service) string {
	return fmt.Sprintf("%-33s", l.service(&s.ServiceKey)) + l.counts(s.Listed)
}

func serverStats(l *lister, s *api.Service, r *api.Server) string {
	return l.server(s, r) + l.counts(r.Listed)
}

// counts prints counters; only masqueraded servers' packets are seen to go out.
func (l *lister) counts(t api.Listed) string {
	return l.number(t.Conns) + l.number(t.Packets) + l.number(t.OutPackets) + l.number(t.Bytes) + l.number(t.OutBytes) + "\n"
}

func serviceRate(l *lister, s *api.Service) string {
	return fmt.Sprintf("%-33s", l.service(&s.ServiceKey)) + l.rates(s.Listed)
}

func serverRate(l *lister, s *api.Service, r *api.Server) string {
	return l.server(s, r) + l.rates(r.Listed)
}

// rates prints rates; those of connections and packets are never shortened.
func (l *lister) rates(t api.Listed) string {
	return fmt.Sprintf(" %8d %8d %8d", t.CPS, t.PPS, t.OutPPS) + l.number(t.BPS) + l.number(t.OutBPS) + "\n"
}
