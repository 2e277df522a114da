package main

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/spf13/cobra"

	"lvsdr/control/api"
)

func newDrain() *cobra.Command {
	var socket, service string
	var timeout time.Duration
	var undo bool
	cmd := &cobra.Command{
		Use:   "drain SERVER",
		Short: "Take a real server out of service without loss: weight 0, and removal when it has no connections",
		Long: `drain gives a real server, ADDR or ADDR:PORT, weight 0 in all of its services, or in
the one of --service: it gets no new clients, and its connections go on. When it has none any
more it is removed; with --timeout it is removed then at the latest.

It stays drained and removed whatever its health checks find and whatever a reload
brings, until --undo, an edit of the server, or the end of the director. --undo gives it
the weight of the file again, also after it was removed. A server that ipvsadm added
cannot be brought back once it was removed.

Ctrl-C ends the waiting alone: the server stays drained and is not removed. drain
again goes on, --undo puts it back.

Clients that persistence has bound to it are still sent there, as IPVS does with weight
0, unless the director runs with --ipvs expire_quiescent_template=1.

  lvsdr drain 192.168.1.11 --timeout 5m
  lvsdr drain 192.168.1.11:8080 --service 192.168.1.100:8080
  lvsdr drain --undo 192.168.1.11`,
		Args: arguments("SERVER"),
		RunE: func(cmd *cobra.Command, args []string) error {
			d := api.Drainer{Timeout: timeout, Every: time.Second, Now: time.Now, Wait: waitFor,
				Say: func(line string) { fmt.Fprintln(cmd.OutOrStdout(), line) }}
			var err error
			if d.Server, d.Port, err = clientOf(args[0]); err != nil {
				return exitError{usageCode, usageError{cmd, fmt.Errorf("server %q: want ADDR or ADDR:PORT", args[0])}}
			}
			if service != "" {
				if d.Service, err = netip.ParseAddrPort(service); err != nil {
					return exitError{usageCode, usageError{cmd, fmt.Errorf("--service %q: want VIP:PORT", service)}}
				}
			}
			c := api.NewClient(socket)
			defer c.Close()
			d.Client = c
			if undo {
				return d.Undo(cmd.Context())
			}
			err = d.Drain(cmd.Context())
			if cmd.Context().Err() != nil {
				return exitError{interruptedCode, errors.New("interrupted: the server stays drained and is not removed; --undo puts it back")}
			}
			return err
		},
	}
	fl := cmd.Flags()
	fl.StringVar(&service, "service", "", "of this service alone, `VIP:PORT`")
	fl.DurationVar(&timeout, "timeout", 0, "remove it after this time, with the connections that it has (default: never)")
	fl.BoolVar(&undo, "undo", false, "give it its weight again, and bring it back")
	socketFlag(cmd, &socket)
	cmd.MarkFlagsMutuallyExclusive("undo", "timeout")
	return cmd
}

// waitFor waits for so long, or until ctx ends.
func waitFor(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}
