package main

import (
	"errors"
	"fmt"
	"net/netip"

	"github.com/spf13/cobra"

	"lvsdr/control/realserver"
)

// tunnelFlags are realserver's flags about the tunnel.
type tunnelFlags struct {
	kind, local string
	port        uint16
	csum        bool
}

func (f *tunnelFlags) flags(cmd *cobra.Command) {
	fl := cmd.Flags()
	fl.StringVar(&f.kind, "tun", "", "`KIND` of the tunnel by which the director sends: ipip, gre or gue (default: none, Direct Routing)")
	completesFlag(cmd, "tun", func(*cobra.Command, []string) []cobra.Completion { return realserver.Kinds() })
	fl.Uint16Var(&f.port, "tun-port", 0, "UDP `PORT` of gue, as the director has it")
	fl.StringVar(&f.local, "tun-local", "", "`ADDR`ess of this host that the director tunnels to; needed if its family is not the VIP's, and with --tun-csum")
	fl.BoolVar(&f.csum, "tun-csum", false, "the director puts checksums into gre")
}

// tunnels are those that the flags give.
func (f *tunnelFlags) tunnels() ([]realserver.Tunnel, error) {
	t := realserver.Tunnel{Kind: f.kind, Port: f.port, CSum: f.csum}
	if f.local != "" {
		var err error
		if t.Local, err = netip.ParseAddr(f.local); err != nil {
			return nil, fmt.Errorf("--tun-local: %w", err)
		}
	}
	switch {
	case t == realserver.Tunnel{}:
		return nil, nil
	case t.Kind == "":
		return nil, errors.New("--tun-port, --tun-local and --tun-csum need --tun")
	}
	return []realserver.Tunnel{t}, nil
}
