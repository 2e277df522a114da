package main

import (
	"github.com/spf13/cobra"

	"lvsdr/control/realserver"
)

func newRealserverStart() *cobra.Command {
	var f realserverFlags
	cmd := &cobra.Command{
		Use:   "start --vip ADDR [--balance-local-clients PORT]",
		Short: "Make this host a real server, and write down what was there before",
		Long: `start sets what is missing and says of each thing what it was and is. A second
start changes nothing, or adds what it is asked for in addition; the record stays
that of the first. It exits with 0 only if all is as it should be.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return each(cmd, &f, (*realserver.Host).Start)
		},
	}
	f.flags(cmd, true)
	return cmd
}
