package main

import (
	"context"

	"github.com/spf13/cobra"

	"lvsdr/control/api"
)

func newStatus() *cobra.Command {
	var a asking
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Show a running director's services, servers, connections and counters",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return ask(cmd, &a, func(ctx context.Context, c *api.Client) (*api.Status, error) { return c.Status(ctx) })
		},
	}
	a.flags(cmd)
	return cmd
}
