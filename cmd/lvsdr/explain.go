package main

import (
	"context"
	"fmt"
	"io"
	"net/netip"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"lvsdr/control/api"
	"lvsdr/dataplane"
	"lvsdr/dataplane/frame"
)

// askPatience is how long a director may take to answer.
const askPatience = 10 * time.Second

func newExplain() *cobra.Command {
	var socket, proto string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "explain CLIENT[:PORT] VIP:PORT",
		Short: "Say where a client's next packet would go, and why",
		Long: `explain asks a running director what it would do with a client's next packet:
the service, the connection or persistence template that knows the client, else
where the scheduler stands, and the real server, or why there is none.

The director decides about a copy of the packet on a copy of its state: nothing
is sent, no connection is made, no counter and no timer changes.

With CLIENT:PORT the packet is the next one of that connection, or the first one
if there is none. Without a port it is the first one of a new connection.

  lvsdr explain 192.168.1.50:40123 192.168.1.100:8080
  lvsdr explain 192.168.1.50 192.168.1.100:53 --proto udp`,
		Args: cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			q, err := serviceQuestion(args[1], proto)
			if err == nil {
				q.Client, q.ClientPort, err = clientOf(args[0])
			}
			if err != nil {
				return exitError{usageCode, usageError{cmd, err}}
			}
			ctx, cancel := context.WithTimeout(cmd.Context(), askPatience)
			defer cancel()
			x, err := api.Explain(ctx, socket, q)
			if err != nil {
				return err
			}
			if asJSON {
				return printJSON(cmd.OutOrStdout(), x)
			}
			return printExplained(cmd.OutOrStdout(), x)
		},
	}
	cmd.Flags().StringVar(&proto, "proto", "", "tcp, udp or sctp (default: that of the service at the port)")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print everything as JSON")
	socketFlag(cmd, &socket)
	return cmd
}

// clientOf reads ADDR or ADDR:PORT, of IPv6 [ADDR]:PORT.
func clientOf(s string) (netip.Addr, uint16, error) {
	if a, err := netip.ParseAddr(strings.Trim(s, "[]")); err == nil {
		return a.Unmap(), 0, nil
	}
	ap, err := netip.ParseAddrPort(s)
	if err != nil {
		return netip.Addr{}, 0, fmt.Errorf("client %q: want ADDR or ADDR:PORT, such as 192.168.1.50:40123 or [2001:db8::7]:40123", s)
	}
	return ap.Addr().Unmap(), ap.Port(), nil
}

// serviceQuestion reads VIP:PORT.
func serviceQuestion(s, proto string) (api.Question, error) {
	ap, err := netip.ParseAddrPort(s)
	if err != nil {
		return api.Question{}, fmt.Errorf("service %q: want VIP:PORT, such as 192.168.1.100:8080 or [2001:db8::1]:80", s)
	}
	if proto != "" {
		if _, err := frame.ParseServiceProto(proto); err != nil {
			return api.Question{}, err
		}
	}
	return api.Question{VIP: ap.Addr().Unmap(), Port: ap.Port(), Protocol: proto}, nil
}

// printExplained writes x for a person.
func printExplained(out io.Writer, x *api.Explained) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	from := hostPort(x.Client, x.ClientPort)
	if x.AnyPort {
		from = x.Client + ", any port"
	}
	fmt.Fprintf(w, "%s from %s to %s, next packet: %s\n\n", strings.ToUpper(x.Protocol), from, hostPort(x.Address, x.Port), x.Packet)
	fmt.Fprintf(w, "service\t%s\n", serviceWords(x))
	if x.AnyPort {
		fmt.Fprintln(w, "connection\tnot looked for: no client port was given, a new connection is explained")
	} else {
		fmt.Fprintf(w, "connection\t%s\n", connectionWords(x.Connection))
	}
	fmt.Fprintf(w, "\tthe client has %d connections there now\n", x.Connections)
	if x.Service != nil {
		fmt.Fprintf(w, "template\t%s\n", templateWords(x))
		if asked(x) {
			fmt.Fprintf(w, "scheduler\t%s: %s\n", x.Service.Scheduler, x.Scheduler)
		} else {
			fmt.Fprintf(w, "scheduler\t%s: not asked\n", x.Service.Scheduler)
		}
	}
	fmt.Fprintf(w, "decision\t%s (%s): %s\n", x.Verdict, x.Reason, x.Meaning)
	fmt.Fprintf(w, "server\t%s\n", serverWords(x.Server))
	if x.Anew != nil {
		to := "no server"
		if x.Anew.Server != nil {
			to = hostPort(x.Anew.Server.Address, x.Anew.Server.Port)
		}
		fmt.Fprintf(w, "\tthe connection is closing: a SYN from this port instead is %s (%s), to %s\n", x.Anew.Verdict, x.Anew.Reason, to)
	}
	if err := w.Flush(); err != nil || x.Service == nil {
		return err
	}
	return printCandidates(out, x.Service)
}

// asked reports whether the decision was the scheduler's.
func asked(x *api.Explained) bool {
	return x.Connection == nil && x.Template == nil ||
		x.Reason == dataplane.Scheduled.String() || x.Reason == dataplane.UnreachableNoServer.String()
}

// printCandidates writes the servers among which a scheduler chooses.
func printCandidates(out io.Writer, s *api.Service) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprint(w, "\nSERVER\tWEIGHT\tACTIVE\tINACTIVE\tPERSISTENT\tSTATE\n")
	for _, r := range s.Servers {
		fmt.Fprintf(w, "%s\t%d\t%d\t%d\t%d\t%s\n", hostPort(r.Address, r.Port), r.Effective, r.Active, r.Inactive, r.Persistent, serverState(&r))
	}
	return w.Flush()
}

// serviceWords say which service it is, or why there is none.
func serviceWords(x *api.Explained) string {
	switch s := x.Service; {
	case s != nil:
		return fmt.Sprintf("%s %s, %s%s, %s", s.Protocol, hostPort(s.Address, s.Port), s.Scheduler, flagWords(x.Flags), persistenceWords(s.Persistence))
	case !x.OurVIP:
		return fmt.Sprintf("none: %s is not a virtual address of this director; its services: %s", x.Address, strings.Join(x.Elsewhere, ", "))
	case len(x.Elsewhere) == 0:
		return "none at all"
	}
	return fmt.Sprintf("none for %s port %d; on %s there are: %s", x.Protocol, x.Port, x.Address, strings.Join(x.Elsewhere, ", "))
}

func flagWords(flags string) string {
	if flags == "" {
		return ""
	}
	return " (" + flags + ")"
}

func persistenceWords(seconds int) string {
	if seconds == 0 {
		return "not persistent"
	}
	return fmt.Sprintf("persistent %d s", seconds)
}

func connectionWords(e *api.Entry) string {
	if e == nil {
		return "none known from this port"
	}
	return fmt.Sprintf("%s, to %s%s, ends in %s without another packet", e.State, e.Server, removedWords(e), seconds(e.Expires))
}

func removedWords(e *api.Entry) string {
	if e.Removed {
		return " (removed from the service)"
	}
	return ""
}

func templateWords(x *api.Explained) string {
	switch {
	case x.Template != nil:
		return fmt.Sprintf("%s goes to %s%s for %s more, %d connections use it", x.Template.Client, x.Template.Server, removedWords(x.Template),
			seconds(x.Template.Expires), x.Template.Connections)
	case x.Service.Persistence == 0:
		return "none: the service is not persistent"
	}
	return "none: the client is new to the service, or its time is up"
}

// seconds is a time for people.
func seconds(s float64) string {
	return time.Duration(s * float64(time.Second)).Round(time.Second).String()
}

func serverWords(s *api.Server) string {
	if s == nil {
		return "none"
	}
	mac := "MAC address " + s.MAC
	if s.MAC == "" {
		mac = "MAC address unknown"
	}
	return fmt.Sprintf("%s, weight %d, %d active, %d inactive; %s, by %s", hostPort(s.Address, s.Port), s.Effective, s.Active, s.Inactive, mac, s.Interface)
}
