package main

import (
	"log/slog"

	"github.com/spf13/cobra"

	"lvsdr/control"
)

func newCleanup() *cobra.Command {
	return &cobra.Command{
		Use:   "cleanup",
		Short: "Remove what a director has left on this host",
		Long: `cleanup removes the rules, routes and interfaces of a director that was killed, or
that was started with --keep-shield and is not to be started again. It refuses
while a director runs.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return control.Cleanup(cmd.Context(), slog.New(slog.NewTextHandler(cmd.ErrOrStderr(), nil)))
		},
	}
}
