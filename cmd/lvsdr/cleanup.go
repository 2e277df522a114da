package main

import (
	"log/slog"

	"github.com/spf13/cobra"

	"lvsdr/control"
)

func newCleanup() *cobra.Command {
	var pins string
	cmd := &cobra.Command{
		Use:   "cleanup",
		Short: "Remove what a director has left on this host",
		Long: `cleanup removes the rules, routes, interfaces and BPF programs of a director that was
killed, or that was started with --keep-shield and is not to be started again. It
refuses while a director runs.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return control.Cleanup(cmd.Context(), pins, slog.New(slog.NewTextHandler(cmd.ErrOrStderr(), nil)))
		},
	}
	pinsFlag(cmd, &pins)
	return cmd
}

// pinsFlag adds --offload-pins.
func pinsFlag(cmd *cobra.Command, to *string) {
	cmd.Flags().StringVar(to, "offload-pins", control.PinsDir, "`DIR` in a BPF file system in which offload outlives the director; off: it does not (docs/offload.md)")
}
