package main

import (
	"github.com/spf13/cobra"

	"lvsdr/control/realserver"
)

func newRealserverStart() *cobra.Command {
	var f realserverFlags
	cmd := &cobra.Command{
		Use:   "start --vip ADDR [--tun KIND] [--balance-local-clients PORT]",
		Short: "Make this host a real server, and record its previous settings",
		Long: `start sets what is missing and prints each setting's old and new value. A second
start changes nothing, or adds further settings it is asked for; the record stays
that of the first. It exits with 0 only if all settings are in place.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return each(cmd, &f, (*realserver.Host).Start)
		},
	}
	f.flags(cmd, true)
	return cmd
}
