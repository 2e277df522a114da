package main

import (
	"github.com/spf13/cobra"

	"lvsdr/control/realserver"
)

func newRealserverStop() *cobra.Command {
	var f realserverFlags
	cmd := &cobra.Command{
		Use:   "stop --vip ADDR",
		Short: "Restore the settings that the first start found",
		Long: `stop restores, one by one, the settings that the first start found. Settings changed
by others since then are left alone, and those another VIP needs are kept until the
last one stops. Without a record of this boot it changes nothing.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			stop := func(k *realserver.Host, o realserver.Options) (*realserver.Report, error) { return k.Stop(o.VIP) }
			return each(cmd, &f, stop)
		},
	}
	f.flags(cmd, false)
	return cmd
}
