package main

import (
	"github.com/spf13/cobra"

	"lvsdr/control/realserver"
)

func newRealserverStatus() *cobra.Command {
	var f realserverFlags
	cmd := &cobra.Command{
		Use:   "status --vip ADDR",
		Short: "Show which settings are in place, which are missing, and which start has made",
		Long: `status compares this host with what a real server needs, and with what a recorded
start was asked for. It exits with 0 if everything is in place, with 1 if not.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return each(cmd, &f, (*realserver.Host).Status)
		},
	}
	f.flags(cmd, true)
	return cmd
}
