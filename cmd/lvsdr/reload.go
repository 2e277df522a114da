package main

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"lvsdr/control/api"
)

// reloadPatience is how long a reload may take: reading the file, and the real
// servers' MAC addresses for new virtual addresses.
const reloadPatience = time.Minute

func newReload() *cobra.Command {
	var a asking
	cmd := &cobra.Command{
		Use:   "reload",
		Short: "Make a running director read its configuration again, and wait for the outcome",
		Long: `reload does what SIGHUP does, and waits until the configuration is in force.

The exit code is 0 if all of it is in force, 1 if it was refused as a whole (the
last good configuration stays in force), 2 if parts of it cannot be served now;
those are printed.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx, cancel := context.WithTimeout(cmd.Context(), reloadPatience)
			defer cancel()
			c := api.NewClient(a.socket)
			defer c.Close()
			done, err := c.Reload(ctx)
			if err != nil {
				return err
			}
			return tellReload(cmd.OutOrStdout(), done, a.asJSON)
		},
	}
	a.flags(cmd)
	return cmd
}

// servedInPart is the exit code of a reload some of which cannot be served.
const servedInPart = 2

// tellReload prints what a reload has done.
func tellReload(out io.Writer, done *api.Reloaded, asJSON bool) error {
	if asJSON {
		if err := printJSON(out, done); err != nil {
			return err
		}
	} else {
		for _, line := range done.Changes {
			fmt.Fprintln(out, line)
		}
		fmt.Fprintf(out, "reloaded, %d changes\n", len(done.Changes))
		for _, line := range done.Problems {
			fmt.Fprintln(out, "problem:", line)
		}
	}
	if len(done.Problems) > 0 {
		return exitError{code: servedInPart}
	}
	return nil
}
