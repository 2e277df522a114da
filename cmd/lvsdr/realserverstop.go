package main

import (
	"github.com/spf13/cobra"

	"lvsdr/control/realserver"
)

func newRealserverStop() *cobra.Command {
	var f realserverFlags
	cmd := &cobra.Command{
		Use:   "stop --vip ADDR",
		Short: "Restore what the first start found",
		Long: `stop restores value by value what the first start found. What somebody else has
changed since is left alone, and what another VIP needs is kept until the last one
stops. Without a record of this boot it changes nothing.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			stop := func(k *realserver.Host, o realserver.Options) (*realserver.Report, error) { return k.Stop(o.VIP) }
			return each(cmd, &f, stop)
		},
	}
	f.flags(cmd, false)
	return cmd
}
