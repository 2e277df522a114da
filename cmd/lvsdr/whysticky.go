package main

import (
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"lvsdr/control/api"
)

func newWhySticky() *cobra.Command {
	var socket, proto string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "why-sticky CLIENT [VIP:PORT]",
		Short: "Say why a client always reaches the same real server",
		Long: `why-sticky asks a running director what binds a client to its real servers: its
persistence templates, schedulers that choose by address, and its open
connections; and says what to change, a line each.`,
		Args: cobra.RangeArgs(1, 2),
		RunE: func(cmd *cobra.Command, args []string) error {
			var q api.Question
			var err error
			if len(args) == 2 {
				q, err = serviceQuestion(args[1], proto)
			}
			if err == nil {
				q.Client, _, err = clientOf(args[0])
			}
			if err != nil {
				return exitError{usageCode, usageError{cmd, err}}
			}
			ctx, cancel := context.WithTimeout(cmd.Context(), askPatience)
			defer cancel()
			s, err := api.AskSticky(ctx, socket, q)
			if err != nil {
				return err
			}
			if asJSON {
				return printJSON(cmd.OutOrStdout(), s)
			}
			return printSticky(cmd.OutOrStdout(), s)
		},
	}
	cmd.Flags().StringVar(&proto, "proto", "", "tcp, udp or sctp, of VIP:PORT (default: all)")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print everything as JSON")
	socketFlag(cmd, &socket)
	return cmd
}

// printSticky writes s for a person.
func printSticky(out io.Writer, s *api.Sticky) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintf(w, "%s\n", s.Client)
	if len(s.Services) == 0 {
		fmt.Fprintln(w, "\nno service of its address family")
	}
	for i := range s.Services {
		v := &s.Services[i]
		fmt.Fprintf(w, "\n%s %s, %s%s\n", v.Protocol, hostPort(v.Address, v.Port), v.Scheduler, flagWords(v.Flags))
		fmt.Fprintf(w, "  persistence_timeout\t%s\n", sourceWords(v))
		fmt.Fprintf(w, "  template\t%s\n", stickyTemplate(v))
		fmt.Fprintf(w, "  connections\t%s\n", openWords(v.Connections))
		fmt.Fprintf(w, "  scheduler\t%s\n", hashWords(v))
		for _, line := range remedies(v) {
			fmt.Fprintf(w, "  to change it\t%s\n", line)
		}
	}
	return w.Flush()
}

// sourceWords say how long persistence lasts, and who says so.
func sourceWords(v *api.StickyService) string {
	switch {
	case v.Persistence == 0 && v.FromDefault:
		return "off: the service says nothing, and the default was switched off"
	case v.Persistence == 0:
		return "0, configured: not persistent"
	case v.FromDefault:
		return fmt.Sprintf("%d s, the default: the service says nothing", v.Persistence)
	}
	return fmt.Sprintf("%d s, configured", v.Persistence)
}

func stickyTemplate(v *api.StickyService) string {
	t := v.Template
	switch {
	case v.Persistence == 0:
		return "none: the service is not persistent"
	case t == nil:
		return fmt.Sprintf("none now; the next connection makes one, for %s", v.Granularity)
	}
	return fmt.Sprintf("%s goes to %s%s for %s more, %d connections use it", v.Granularity, t.Server, removedWords(t), seconds(t.Expires), t.Connections)
}

// openWords count connections by server.
func openWords(all []api.Entry) string {
	if len(all) == 0 {
		return "none known"
	}
	n := map[string]int{}
	for _, e := range all {
		n[e.Server+" "+e.State]++
	}
	var words []string
	for _, k := range slices.Sorted(maps.Keys(n)) {
		words = append(words, fmt.Sprintf("%d to %s", n[k], k))
	}
	return strings.Join(words, ", ")
}

// byAddress are the schedulers that give an address the same server, and what
// they hash.
var byAddress = map[string]string{"sh": "the client's address", "mh": "the client's address",
	"dh": "the virtual address", "lblc": "the virtual address", "lblcr": "the virtual address"}

// hashesPort reports whether a scheduler looks at the client's port too.
func hashesPort(v *api.StickyService) bool { return strings.Contains(v.Flags, "-port") }

func hashWords(v *api.StickyService) string {
	switch what := byAddress[v.Scheduler]; {
	case what == "":
		return v.Scheduler + ": does not choose by address"
	case hashesPort(v):
		return v.Scheduler + ": chooses by " + what + " and port: each connection by itself"
	default:
		return v.Scheduler + ": chooses by " + what + ", always alike while the servers stay"
	}
}

// remedies say what to change for the client to be spread.
func remedies(v *api.StickyService) []string {
	var all []string
	if v.Persistence > 0 {
		line := "write `persistence_timeout 0` into the virtual_server block, or a shorter time"
		if v.FromDefault {
			line += "; or `persistence_default off` into global_defs, for all services that say nothing"
		}
		all = append(all, line+"; then send SIGHUP")
		if v.Template != nil {
			all = append(all, "with 0 the template counts no more; with another time it keeps its own until it ends")
		}
		if !strings.HasSuffix(v.Granularity, "/32") && !strings.HasSuffix(v.Granularity, "/128") {
			all = append(all, "leave out persistence_granularity: all of "+v.Granularity+" are one client to it")
		}
	}
	if byAddress[v.Scheduler] != "" && !hashesPort(v) {
		line := "choose another lb_algo, such as wrr or wlc"
		if v.Scheduler == "sh" || v.Scheduler == "mh" {
			line += fmt.Sprintf(", or add the flag %s-port", v.Scheduler)
		}
		all = append(all, line)
	}
	if slices.ContainsFunc(v.Connections, func(e api.Entry) bool { return e.Protocol != "tcp" || e.State == "ESTABLISHED" }) {
		all = append(all, "an open connection stays where it is, whatever is changed: a client that keeps connections (HTTP keep-alive) has to open new ones")
	}
	return all
}
