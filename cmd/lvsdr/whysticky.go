package main

import (
	"context"

	"github.com/spf13/cobra"

	"lvsdr/control/api"
)

func newWhySticky() *cobra.Command {
	var a asking
	var proto string
	cmd := &cobra.Command{
		Use:   "why-sticky CLIENT [VIP:PORT]",
		Short: "Say why a client always reaches the same real server",
		Long: `why-sticky asks a running director what binds a client to its real servers: its
persistence templates, schedulers that choose by address, and its open
connections; and says what to change, a line each.`,
		Args: arguments("CLIENT [SERVICE]"),
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
			return ask(cmd, &a, func(ctx context.Context, c *api.Client) (*api.Persistence, error) { return c.Persistence(ctx, q) })
		},
	}
	cmd.Flags().StringVar(&proto, "proto", "", "tcp, udp or sctp, of VIP:PORT (default: all)")
	a.flags(cmd)
	completes(cmd, clientsAndServices)
	return cmd
}
