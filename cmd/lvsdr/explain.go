package main

import (
	"context"

	"github.com/spf13/cobra"

	"lvsdr/control/api"
)

func newExplain() *cobra.Command {
	var a asking
	var proto string
	cmd := &cobra.Command{
		Use:   "explain CLIENT[:PORT] VIP:PORT",
		Short: "Say where a client's next packet would go, and why",
		Long: `explain asks a running director what it would do with a client's next packet:
the service, the client's connection or persistence template, otherwise the state
of the scheduler, and the real server, or why there is none.

The director decides about a copy of the packet on a copy of its state: nothing
is sent, no connection is made, no counter and no timer changes.

With CLIENT:PORT the packet is the next one of that connection, or the first one
if there is none. Without a port it is the first one of a new connection.

  lvsdr explain 192.168.1.50:40123 192.168.1.100:8080
  lvsdr explain 192.168.1.50 192.168.1.100:53 --proto udp`,
		Args: arguments("CLIENT SERVICE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			q, err := serviceQuestion(args[1], proto)
			if err == nil {
				q.Client, q.ClientPort, err = clientOf(args[0])
			}
			if err != nil {
				return exitError{usageCode, usageError{cmd, err}}
			}
			return ask(cmd, &a, func(ctx context.Context, c *api.Client) (*api.Explained, error) { return c.Explain(ctx, q) })
		},
	}
	cmd.Flags().StringVar(&proto, "proto", "", "tcp, udp or sctp (default: that of the service at the port)")
	a.flags(cmd)
	completes(cmd, clientsAndServices)
	return cmd
}
