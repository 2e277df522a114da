package api

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
)

// newTable aligns columns that are separated by tabs.
func newTable(w io.Writer) *tabwriter.Writer { return tabwriter.NewWriter(w, 0, 0, 2, ' ', 0) }

// WriteText writes the status for people.
func (st *Status) WriteText(out io.Writer) error {
	w := newTable(out)
	role := "announcing its VIPs"
	if !st.Active {
		role = "silent"
	}
	fmt.Fprintf(w, "lvsdr %s, process %d, %s, up %s\n", st.Version, st.PID, role, st.Time.Sub(st.Started).Round(time.Second))
	if st.ConfigErr != "" {
		fmt.Fprintf(w, "the last reload was refused: %s\n", st.ConfigErr)
	}
	fmt.Fprintf(w, "clients on this host: %s\n", st.Local)
	for _, p := range st.Problems {
		fmt.Fprintf(w, "problem: %s\n", p)
	}
	for i := range st.Services {
		st.Services[i].writeText(w)
	}
	fmt.Fprintf(w, "\nconnection table: %d of %d entries, %d evicted\n", st.Table.Entries, st.Table.Limit, st.Table.Evicted)
	fmt.Fprint(w, "\nINTERFACE\tRECEIVED\tMISSED\tMISSED SYN\tTRUNCATED\tSENT\tBY XDP\tSEND FULL\tSEND ERROR\n")
	for _, name := range slices.Sorted(maps.Keys(st.Ports)) {
		p := st.Ports[name]
		fmt.Fprintf(w, "%s\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t%d\n", name, p.Received, p.Missed, p.MissedSYN, p.Truncated, p.Sent, p.SentXDP, p.SendFull, p.SendError)
	}
	writeCounts(w, "FRAMES", st.Reasons)
	writeCounts(w, "ARP", st.ARP)
	return w.Flush()
}

func (s *Service) writeText(w io.Writer) {
	at := s.String()
	if s.Interface != "" {
		at += " on " + s.Interface
	}
	if s.Owner == OwnedAtRuntime {
		at += ", made by ipvsadm"
	}
	fmt.Fprintf(w, "\n%s, %s, %s: %d connections, %d packets, %d bytes\n",
		at, s.Scheduler, s.PersistenceText(), s.Traffic.Conns, s.Traffic.Packets, s.Traffic.Bytes)
	if len(s.Servers) == 0 {
		fmt.Fprintln(w, "  no real server")
		return
	}
	fmt.Fprint(w, "  SERVER\tWEIGHT\tMAC\tACTIVE\tINACTIVE\tPERSISTENT\tCONNECTIONS\tSTATE\n")
	for i := range s.Servers {
		r := &s.Servers[i]
		weight := fmt.Sprint(r.Weight)
		if r.Effective != r.Weight {
			weight = fmt.Sprintf("%d (%d)", r.Effective, r.Weight)
		}
		fmt.Fprintf(w, "  %s\t%s\t%s\t%d\t%d\t%d\t%d\t%s\n", HostPort(r.Address, r.Port), weight, cmp.Or(r.MAC, "unknown"),
			r.Active, r.Inactive, r.Persistent, r.Traffic.Conns, r.StateText())
	}
}

// PersistenceText is how long the service is persistent, in words.
func (c *ServiceConfig) PersistenceText() string {
	if c.Persistence == 0 {
		return "not persistent"
	}
	return fmt.Sprintf("persistent %d s", c.Persistence)
}

// NotMade starts the Check of a server that is up for want of news: this host
// cannot make its checks.
const NotMade = "not made: "

// NotChecked says why this host cannot make the server's checks; false: it can, or
// the server is down.
func (s *Server) NotChecked() (reason string, ok bool) {
	reason, ok = strings.CutPrefix(s.Check, NotMade)
	return reason, ok && s.Up
}

// StateText is whether a server gets connections, and why not.
func (s *Server) StateText() string {
	switch {
	case !s.Up:
		return "down: " + s.Check
	case s.MAC == "" && s.Method != Local:
		return "not usable: no ARP answer on " + s.Interface
	case s.Overloaded:
		return fmt.Sprintf("full: %d connections are its upper threshold", s.Upper)
	case s.Effective == 0:
		return "quiesced: weight 0"
	case s.Check == "none":
		return "up, not checked"
	}
	if _, ok := s.NotChecked(); ok {
		return "up, check not made"
	}
	return "up"
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
