package main

import (
	"errors"
	"fmt"
	"io"
	"net/netip"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"lvsdr/control/realserver"
)

// realserverFlags are the flags of realserver's verbs.
type realserverFlags struct {
	vips, balance           []string
	iface, source, stateDir string
	asJSON                  bool
}

func newRealserver() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "realserver",
		Short: "Make this host a real server of Direct Routing, look whether it is one, and take it back",
		Long: `realserver sets on a real server what Direct Routing needs there: the VIP on lo,
and, for IPv4, arp_ignore=1 and arp_announce=2, so that the host keeps the VIP to
itself. It writes down what it found, and stop restores exactly that.

With --balance-local-clients the real server's own clients of these ports go to
the director too, and are balanced over all real servers, this one included.
Without it they end at this host's own service.

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
		fl.StringSliceVar(&f.balance, "balance-local-clients", nil, "`PORT` or PORT/udp of the VIP whose clients on this host go to the director; may be given more than once")
		fl.StringVar(&f.iface, "interface", "", "`IFACE` by which they go (default: the one on the VIP's network)")
		fl.StringVar(&f.source, "source", "", "`ADDR`ess of this host that they have (default: the interface's)")
	}
}

// options are what the flags say, one for each VIP.
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

// each does f for every VIP, prints what it returns, and ends with 1 where one
// was not as it should be. An error of one VIP does not keep the next from
// being tried.
func each[T any](cmd *cobra.Command, f *realserverFlags, do func(*realserver.Keeper, realserver.Options) (T, error), show func(io.Writer, T) (ok bool)) error {
	options, err := f.options()
	if err != nil {
		return exitError{usageCode, usageError{cmd, err}}
	}
	k, err := realserver.NewKeeper(f.stateDir)
	if err != nil {
		return err
	}
	defer k.Close()
	out := cmd.OutOrStdout()
	text := out
	if f.asJSON {
		text = io.Discard
	}
	results, failed, good := []T{}, error(nil), true
	for _, o := range options {
		r, err := do(k, o)
		if err != nil {
			failed = errors.Join(failed, err)
			continue
		}
		results = append(results, r)
		good = show(text, r) && good
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

func newRealserverStart() *cobra.Command {
	var f realserverFlags
	cmd := &cobra.Command{
		Use:   "start --vip ADDR [--balance-local-clients PORT]",
		Short: "Make this host a real server, and write down what was there before",
		Long: `start sets what is missing and says of each thing what it was and is. A second
start changes nothing, or adds what it is asked for in addition; the record stays
that of the first. It exits with 0 only if all is as it should be.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return each(cmd, &f, (*realserver.Keeper).Start, showReport)
		},
	}
	f.flags(cmd, true)
	return cmd
}

func newRealserverStop() *cobra.Command {
	var f realserverFlags
	cmd := &cobra.Command{
		Use:   "stop --vip ADDR",
		Short: "Restore what the first start found",
		Long: `stop restores value by value what the first start found. What somebody else has
changed since is left alone, and what another VIP needs is kept until the last one
stops. Without a record of this boot it changes nothing.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			stop := func(k *realserver.Keeper, o realserver.Options) (*realserver.Report, error) { return k.Stop(o.VIP) }
			return each(cmd, &f, stop, showReport)
		},
	}
	f.flags(cmd, false)
	return cmd
}

func newRealserverStatus() *cobra.Command {
	var f realserverFlags
	cmd := &cobra.Command{
		Use:   "status --vip ADDR",
		Short: "Say what is in place, what is missing, and whether start has set it",
		Long: `status compares this host with what a real server needs, and with what a recorded
start was asked for. It exits with 0 if everything is in place, with 1 if not.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return each(cmd, &f, (*realserver.Keeper).Status, showRealserver)
		},
	}
	f.flags(cmd, true)
	return cmd
}

// showReport writes what start or stop did.
func showReport(out io.Writer, r *realserver.Report) (ok bool) {
	fmt.Fprintf(out, "%s:\n", r.VIP)
	for _, n := range r.Notes {
		fmt.Fprintf(out, "  note: %s\n", n)
	}
	for _, o := range r.Outcomes {
		fmt.Fprintf(out, "  %s\n", o)
	}
	return r.OK()
}

// showRealserver writes a status.
func showRealserver(out io.Writer, s *realserver.Status) (ok bool) {
	verdict := "in place"
	if !s.InPlace {
		verdict = "not in place"
	}
	fmt.Fprintf(out, "%s: %s\n", s.VIP, verdict)
	for _, n := range s.Notes {
		fmt.Fprintf(out, "  note: %s\n", n)
	}
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	for _, i := range s.Items {
		state, by := "ok", "not set by lvsdr"
		if !i.OK {
			state = "want " + i.Want
		}
		if i.Ours {
			by = "set by lvsdr, was " + i.Was
		}
		fmt.Fprintf(w, "  %s\t%s\t%s\t%s\n", i.Item, i.Is, state, by)
	}
	_ = w.Flush() // as for the lines above: who reads is gone
	return s.InPlace
}
