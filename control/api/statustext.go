package api

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"text/tabwriter"
	"time"
)

// newTable aligns columns that are separated by tabs.
func newTable(w io.Writer) *tabwriter.Writer { return tabwriter.NewWriter(w, 0, 0, 2, ' ', 0) }

// WriteText writes the status for people.
func (st *Status) WriteText(out io.Writer) error { return st.WriteScreen(out, 0) }

// WriteScreen writes the status with the columns for which a screen of that width
// has room; 0: all of them.
func (st *Status) WriteScreen(out io.Writer, width int) error {
	w := newTable(out)
	role := "announcing its VIPs"
	switch {
	case !st.Active:
		role = "silent"
	case len(st.Routers) > 0 && !slices.ContainsFunc(st.Routers, func(r Router) bool { return r.Role == "MASTER" }):
		role = "standing by"
	}
	fmt.Fprintf(w, "lvsdr %s, process %d, %s, up %s\n", st.Version, st.PID, role, st.Time.Sub(st.Started).Round(time.Second))
	if st.ConfigErr != "" {
		fmt.Fprintf(w, "the last reload was refused: %s\n", st.ConfigErr)
	}
	fmt.Fprintf(w, "clients on this host: %s\n", st.Local)
	for _, p := range st.Problems {
		fmt.Fprintf(w, "problem: %s\n", p)
	}
	writeRouters(w, st.Routers, st.Time)
	for i := range st.Services {
		st.Services[i].writeText(w, width)
	}
	fmt.Fprintf(w, "\nconnection table: %d of %d entries, %d evicted\n", st.Table.Entries, st.Table.Limit, st.Table.Evicted)
	if t := st.Table.TakenOver; t != nil {
		t.writeText(w)
	}
	if st.Offload != nil {
		st.Offload.writeText(w)
	}
	if n := &st.Notify; *n != (Notifications{}) {
		fmt.Fprintf(w, "notifications: %d commands run, %d of them failed, %d dropped; %d lines to FIFOs, %d lost\n", n.Run, n.Failed, n.Dropped, n.Lines, n.LostLines)
	}
	if n := st.Notify; n.Mails+n.LostMails > 0 {
		fmt.Fprintf(w, "mails: %d sent, %d lost\n", n.Mails, n.LostMails)
	}
	fmt.Fprint(w, "\nINTERFACE\tRECEIVED\tMISSED\tMISSED SYN\tTRUNCATED\tSENT\tBY XDP\tSEND FULL\tSEND ERROR\n")
	for _, name := range slices.Sorted(maps.Keys(st.Ports)) {
		p := st.Ports[name]
		fmt.Fprintf(w, "%s\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t%d\n", name, p.Received, p.Missed, p.MissedSYN, p.Truncated, p.Sent, p.SentXDP, p.SendFull, p.SendError)
	}
	writeCounts(w, "FRAMES", st.Reasons)
	writeCounts(w, "ARP", st.ARP)
	return w.Flush()
}

// writeText writes the service with its servers.
func (s *Service) writeText(w io.Writer, width int) {
	at := s.String()
	if s.Interface != "" {
		at += " on " + s.Interface
	}
	if s.Owner == OwnedAtRuntime {
		at += ", made by ipvsadm"
	}
	fmt.Fprintf(w, "\n%s, %s, %s: %d connections, %d packets, %d bytes\n",
		at, s.Scheduler, s.PersistenceText(), s.Traffic.Conns, s.Traffic.Packets, s.Traffic.Bytes)
	for _, m := range s.Marked {
		fmt.Fprintf(w, "  its packets: %s\n", m)
	}
	if len(s.Servers) == 0 {
		fmt.Fprintln(w, "  no real server")
		return
	}
	if s.wideFor(width) {
		fmt.Fprint(w, "  SERVER\tWEIGHT\tMAC\tACTIVE\tINACTIVE\tPERSISTENT\tCONNECTIONS\tSTATE\n")
		for i := range s.Servers {
			r := &s.Servers[i]
			fmt.Fprintf(w, "  %s\t%s\t%s\t%d\t%d\t%d\t%d\t%s\n", HostPort(r.Address, r.Port), r.weightText(), cmp.Or(r.MAC, "unknown"),
				r.Active, r.Inactive, r.Persistent, r.Traffic.Conns, r.StateText())
		}
		return
	}
	fmt.Fprint(w, "  SERVER\tWEIGHT\tACTIVE\tINACTIVE\tCONNS\tSTATE\n")
	for i := range s.Servers {
		r := &s.Servers[i]
		fmt.Fprintf(w, "  %s\t%s\t%d\t%d\t%d\t%s\n", HostPort(r.Address, r.Port), r.weightText(), r.Active, r.Inactive, r.Traffic.Conns, r.narrowState())
	}
}

// narrowState is the state in a narrow table, where the problems above it say why a server is
// left out.
func (s *Server) narrowState() string {
	if s.StateWord() == StateLeftOut {
		return StateLeftOut
	}
	return s.StateText()
}

// wideFor reports whether a screen of that width has room for all columns.
func (s *Service) wideFor(width int) bool {
	const others = 76 // all columns but SERVER and STATE, with the blanks between
	name := 0
	for _, r := range s.Servers {
		name = max(name, len(HostPort(r.Address, r.Port)))
	}
	return width == 0 || width >= name+others+leastColumn
}

// weightText is the weight in force, and the configured one where that is another.
func (s *Server) weightText() string {
	if s.Effective == s.Weight {
		return strconv.Itoa(s.Weight)
	}
	return fmt.Sprintf("%d (%d)", s.Effective, s.Weight)
}

// PersistenceText is how long the service is persistent, in words.
func (c *ServiceConfig) PersistenceText() string {
	if c.Persistence == 0 {
		return "not persistent"
	}
	return fmt.Sprintf("persistent %d s", c.Persistence)
}

// writeCounts writes counters, the greatest first.
func writeCounts(w io.Writer, title string, counts map[string]uint64) {
	names := slices.SortedFunc(maps.Keys(counts), func(a, b string) int {
		return cmp.Or(cmp.Compare(counts[b], counts[a]), cmp.Compare(a, b))
	})
	fmt.Fprintf(w, "\n%s\tCOUNT\n", title)
	for _, n := range names {
		fmt.Fprintf(w, "%s\t%d\n", n, counts[n])
	}
}
