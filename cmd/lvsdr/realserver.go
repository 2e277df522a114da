package main

import (
	"errors"
	"fmt"
	"io"
	"net/netip"

	"github.com/spf13/cobra"

	"lvsdr/control/realserver"
)

// realserverFlags are the flags of realserver's verbs.
type realserverFlags struct {
	vips, balance           []string
	iface, source, stateDir string
	tun                     tunnelFlags
	asJSON                  bool
}

func newRealserver() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "realserver",
		Short: "Set this host up as a real server of Direct Routing or of a tunnel, check the set-up, or undo it",
		Long: `realserver sets up a real server for Direct Routing: the VIP on lo, and, for IPv4,
arp_ignore=1 and arp_announce=2, so that the host does not answer ARP for the VIP.
With --tun it takes the director's packets out of a tunnel: the tunnel's device is
up and has the VIP, and the strict reverse path filter is loose there.
It records the previous settings, and stop restores exactly those.

With --balance-local-clients the real server's own clients of these ports go to
the director too, and are balanced over all real servers, this one included.
Without it they reach this host's own service.

It needs CAP_NET_ADMIN and runs no other program.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return exitError{usageCode, usageError{cmd, errors.New("realserver: start, stop or status?")}}
		},
	}
	cmd.AddCommand(newRealserverStart(), newRealserverStop(), newRealserverStatus())
	return cmd
}

// flags adds the flags; those for balancing only where there is something to
// choose.
func (f *realserverFlags) flags(cmd *cobra.Command, balance bool) {
	cmd.Args = cobra.NoArgs
	fl := cmd.Flags()
	fl.StringSliceVar(&f.vips, "vip", nil, "virtual `ADDR`ess; may be given more than once")
	fl.StringVar(&f.stateDir, "state", realserver.DefaultDir, "`DIR`ectory of the record; each network namespace needs one of its own")
	fl.BoolVar(&f.asJSON, "json", false, "print everything as JSON")
	if balance {
		f.tun.flags(cmd)
		fl.StringSliceVar(&f.balance, "balance-local-clients", nil, "`PORT` or PORT/udp of the VIP whose clients on this host go to the director; may be given more than once")
		fl.StringVar(&f.iface, "interface", "", "`IFACE` by which they go (default: the one on the VIP's network)")
		completesFlag(cmd, "interface", interfaces)
		fl.StringVar(&f.source, "source", "", "`ADDR`ess of this host that they have (default: the interface's)")
	}
}

// options returns the options that the flags give, one for each VIP.
func (f *realserverFlags) options() ([]realserver.Options, error) {
	if len(f.vips) == 0 {
		return nil, errors.New("--vip is missing")
	}
	base := realserver.Options{Interface: f.iface}
	for _, p := range f.balance {
		port, err := realserver.ParsePort(p)
		if err != nil {
			return nil, fmt.Errorf("--balance-local-clients: %w", err)
		}
		base.Balance = append(base.Balance, port)
	}
	if f.source != "" {
		source, err := netip.ParseAddr(f.source)
		if err != nil {
			return nil, fmt.Errorf("--source: %w", err)
		}
		base.Source = source
	}
	var err error
	if base.Tunnels, err = f.tun.tunnels(); err != nil {
		return nil, err
	}
	var all []realserver.Options
	for _, v := range f.vips {
		vip, err := netip.ParseAddr(v)
		if err != nil {
			return nil, fmt.Errorf("--vip: %w", err)
		}
		o := base
		o.VIP = vip
		if err := o.Check(); err != nil {
			return nil, err
		}
		all = append(all, o)
	}
	return all, nil
}

// A realserverResult is the output of a verb for a VIP.
type realserverResult interface {
	WriteText(io.Writer) error
	OK() bool
}

// each does do for every VIP, prints what it returns, and ends with 1 where one
// was not as it should be. An error of one VIP does not keep the next from
// being tried.
func each[T realserverResult](cmd *cobra.Command, f *realserverFlags, do func(*realserver.Host, realserver.Options) (T, error)) error {
	options, err := f.options()
	if err != nil {
		return exitError{usageCode, usageError{cmd, err}}
	}
	k, err := realserver.Open(f.stateDir)
	if err != nil {
		return err
	}
	defer k.Close()
	out := cmd.OutOrStdout()
	results, failed, good := []T{}, error(nil), true
	for _, o := range options {
		r, err := do(k, o)
		if err != nil {
			failed = errors.Join(failed, err)
			continue
		}
		results = append(results, r)
		good = good && r.OK()
		if !f.asJSON {
			failed = errors.Join(failed, r.WriteText(out))
		}
	}
	if f.asJSON {
		if err := printJSON(out, results); err != nil {
			return err
		}
	}
	if failed == nil && !good {
		return exitError{code: 1} // what was printed says why
	}
	return failed
}
