package ipvsadm

import (
	"fmt"

	"lvsdr/dataplane"
)

// columns is one of the forms of a listing: two lines above it, and how
// services and servers are printed.
type columns struct {
	header  string
	service func(*lister, *dataplane.ServiceStatus) string
	server  func(*lister, *dataplane.ServiceStatus, *dataplane.ServerStatus) string
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

func plainService(l *lister, s *dataplane.ServiceStatus) string {
	line := l.service(s.Config.Key) + " " + s.Config.Scheduler
	if flags := Flags(&s.Config); flags != "" {
		line += " " + flags
	}
	return line + "\n"
}

func plainServer(l *lister, s *dataplane.ServiceStatus, r *dataplane.ServerStatus) string {
	return fmt.Sprintf("%s %-7s %-6d %-10d %-10d\n", l.server(s, r), "Route", r.Config.Weight, r.Active, r.Inactive)
}

func serverTunnel(l *lister, s *dataplane.ServiceStatus, r *dataplane.ServerStatus) string {
	return fmt.Sprintf("%s %-7s %-13s %-6d %-10d %-10d\n", l.server(s, r), "Route", "n/a", r.Config.Weight, r.Active, r.Inactive)
}

func serverThresholds(l *lister, s *dataplane.ServiceStatus, r *dataplane.ServerStatus) string {
	return fmt.Sprintf("%s %-10d %-10d %-10d %-10d\n", l.server(s, r), r.Config.Upper, r.Config.Lower, r.Active, r.Inactive)
}

func serverTemplates(l *lister, s *dataplane.ServiceStatus, r *dataplane.ServerStatus) string {
	return fmt.Sprintf("%s %-9d %-11d %-10d %-10d\n", l.server(s, r), r.Config.Weight, r.Persistent, r.Active, r.Inactive)
}

func serviceStats(l *lister, s *dataplane.ServiceStatus) string {
	t, _ := l.traffic(Counted{Service: s.Config.Key}, s.Traffic)
	return fmt.Sprintf("%-33s", l.service(s.Config.Key)) + l.counts(t)
}

func serverStats(l *lister, s *dataplane.ServiceStatus, r *dataplane.ServerStatus) string {
	t, _ := l.traffic(countedServer(s, r), r.Traffic)
	return l.server(s, r) + l.counts(t)
}

// counts prints counters; in Direct Routing nothing is seen to go out.
func (l *lister) counts(t dataplane.Traffic) string {
	return l.number(t.Conns) + l.number(t.Packets) + l.number(0) + l.number(t.Bytes) + l.number(0) + "\n"
}

func serviceRate(l *lister, s *dataplane.ServiceStatus) string {
	_, r := l.traffic(Counted{Service: s.Config.Key}, s.Traffic)
	return fmt.Sprintf("%-33s", l.service(s.Config.Key)) + l.rates(r)
}

func serverRate(l *lister, s *dataplane.ServiceStatus, r *dataplane.ServerStatus) string {
	_, rates := l.traffic(countedServer(s, r), r.Traffic)
	return l.server(s, r) + l.rates(rates)
}

// rates prints rates; those of connections and packets are never shortened.
func (l *lister) rates(r Rate) string {
	return fmt.Sprintf(" %8d %8d %8d", r.Conns, r.Packets, 0) + l.number(r.Bytes) + l.number(0) + "\n"
}

func countedServer(s *dataplane.ServiceStatus, r *dataplane.ServerStatus) Counted {
	return Counted{Service: s.Config.Key, Server: r.Config.Addr, Port: r.Config.Port}
}
