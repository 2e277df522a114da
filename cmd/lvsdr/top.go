package main

import (
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"lvsdr/control/api"
	"lvsdr/control/top"
)

func newTop() *cobra.Command {
	var socket string
	var interval time.Duration
	var once bool
	cmd := &cobra.Command{
		Use:   "top",
		Short: "Watch services, servers and their shares live",
		Long: `top shows a running director's services and real servers: weights, shares of the
connections of the last minute (or of all, if there were none) beside the share by
weight, connections, packets and new connections a second, what was not
forwarded and why, and whether servers are up.

Keys: q quits, arrows or j and k select, s sorts, p pauses. If the output is not
a terminal, a frame is printed each interval.

--once prints one frame with the rates over one interval. The environment variable
NO_COLOR switches colours off.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if interval < 100*time.Millisecond {
				return exitError{usageCode, usageError{cmd, fmt.Errorf("--interval %s: want 100ms or more", interval)}}
			}
			c := api.NewClient(socket)
			defer c.Close()
			t := &top.Top{Ask: c.Status, Interval: interval, Width: screenWidth(cmd.OutOrStdout())}
			if once || !term.IsTerminal(int(os.Stdout.Fd())) || !term.IsTerminal(int(os.Stdin.Fd())) {
				return t.Print(cmd.Context(), cmd.OutOrStdout(), once)
			}
			return t.Show(cmd.Context(), os.Stdin, os.Stdout)
		},
	}
	cmd.Flags().DurationVar(&interval, "interval", time.Second, "time between two looks at the director")
	cmd.Flags().BoolVar(&once, "once", false, "print one frame as text, and end")
	socketFlag(cmd, &socket)
	return cmd
}
