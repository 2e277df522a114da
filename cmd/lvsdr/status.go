package main

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net"
	"slices"
	"strconv"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"lvsdr/control/api"
)

func newStatus() *cobra.Command {
	var socket string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Show a running director's services, servers, connections and counters",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx, cancel := context.WithTimeout(cmd.Context(), 10*time.Second)
			defer cancel()
			st, err := api.Get(ctx, socket)
			if err != nil {
				return err
			}
			if asJSON {
				return printJSON(cmd.OutOrStdout(), st)
			}
			return printStatus(cmd.OutOrStdout(), st)
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print everything as JSON")
	socketFlag(cmd, &socket)
	return cmd
}

// printJSON writes v for a program, in lines that a person can read.
func printJSON(out io.Writer, v any) error {
	enc := json.NewEncoder(out)
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}

// printStatus writes st for a person.
func printStatus(out io.Writer, st *api.Status) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	role := "announcing its VIPs"
	if !st.Active {
		role = "silent"
	}
	fmt.Fprintf(w, "lvsdr %s, process %d, %s, up %s\n", st.Version, st.PID, role, time.Since(st.Started).Round(time.Second))
	if st.ConfigErr != "" {
		fmt.Fprintf(w, "the last reload was refused: %s\n", st.ConfigErr)
	}
	fmt.Fprintf(w, "clients on this host: %s\n", st.Local)
	for _, p := range st.Problems {
		fmt.Fprintf(w, "problem: %s\n", p)
	}
	for _, s := range st.Services {
		printService(w, &s)
	}
	fmt.Fprintf(w, "\nconnection table: %d of %d entries, %d had to make room\n", st.Table.Entries, st.Table.Limit, st.Table.Evicted)
	fmt.Fprint(w, "\nINTERFACE\tRECEIVED\tMISSED\tTRUNCATED\tSENT\tBY XDP\tSEND FULL\tSEND ERROR\n")
	for _, name := range slices.Sorted(maps.Keys(st.Ports)) {
		p := st.Ports[name]
		fmt.Fprintf(w, "%s\t%d\t%d\t%d\t%d\t%d\t%d\t%d\n", name, p.Received, p.Missed, p.Truncated, p.Sent, p.SentXDP, p.SendFull, p.SendError)
	}
	printCounts(w, "FRAMES", st.Reasons)
	printCounts(w, "ARP", st.ARP)
	return w.Flush()
}

func printService(w io.Writer, s *api.Service) {
	sticky := "not persistent"
	if s.Persistence > 0 {
		sticky = fmt.Sprintf("persistent %d s", s.Persistence)
	}
	fmt.Fprintf(w, "\n%s %s on %s, %s, %s: %d connections, %d packets, %d bytes\n",
		s.Protocol, hostPort(s.Address, s.Port), s.Interface, s.Scheduler, sticky, s.Traffic.Conns, s.Traffic.Packets, s.Traffic.Bytes)
	if len(s.Servers) == 0 {
		fmt.Fprintln(w, "  no real server")
		return
	}
	fmt.Fprint(w, "  SERVER\tWEIGHT\tMAC\tACTIVE\tINACTIVE\tPERSISTENT\tCONNECTIONS\tSTATE\n")
	for _, r := range s.Servers {
		mac := r.MAC
		if mac == "" {
			mac = "unknown"
		}
		weight := fmt.Sprint(r.Weight)
		if r.Effective != r.Weight {
			weight = fmt.Sprintf("%d (%d)", r.Effective, r.Weight)
		}
		fmt.Fprintf(w, "  %s\t%s\t%s\t%d\t%d\t%d\t%d\t%s\n", hostPort(r.Address, r.Port), weight, mac,
			r.Active, r.Inactive, r.Persistent, r.Traffic.Conns, serverState(&r))
	}
}

func hostPort(addr string, port uint16) string {
	return net.JoinHostPort(addr, strconv.Itoa(int(port)))
}

// serverState is whether a server gets connections, and why not.
func serverState(r *api.Server) string {
	switch {
	case !r.Up:
		return "down: " + r.Check
	case r.MAC == "":
		return "not usable: no ARP answer on " + r.Interface
	case r.Check == "none":
		return "up, not checked"
	}
	return "up"
}

// printCounts writes counters that are not zero, the greatest first.
func printCounts(w io.Writer, title string, counts map[string]uint64) {
	names := slices.SortedFunc(maps.Keys(counts), func(a, b string) int {
		return cmp.Or(cmp.Compare(counts[b], counts[a]), cmp.Compare(a, b))
	})
	fmt.Fprintf(w, "\n%s\tCOUNT\n", title)
	for _, n := range names {
		fmt.Fprintf(w, "%s\t%d\n", n, counts[n])
	}
}
