package main

import (
	"context"

	"github.com/spf13/cobra"

	"lvsdr/control/api"
)

func newSync() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "sync",
		Short: "Say how connections are shared with other directors",
	}
	cmd.AddCommand(newSyncStatus())
	return cmd
}

func newSyncStatus() *cobra.Command {
	var a asking
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Show the sync daemons, what they sent and received, and whether both directors agree",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return ask(cmd, &a, func(ctx context.Context, c *api.Client) (*api.Sync, error) { return c.Sync(ctx) })
		},
	}
	a.flags(cmd)
	return cmd
}
