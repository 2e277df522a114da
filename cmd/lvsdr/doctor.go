package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"lvsdr/control/doctor"
	"lvsdr/control/doctor/findings"
	"lvsdr/control/keepalived"
)

// doctorFlags are the flags of doctor.
type doctorFlags struct {
	config, iface, socket string
	json, passive, rs     bool
	timeout               time.Duration
	vips                  []string
	port                  uint16
	tun                   tunnelFlags
	director              string
}

func newDoctor() *cobra.Command {
	var f doctorFlags
	cmd := &cobra.Command{
		Use:   "doctor [-c FILE] | doctor --rs --vip ADDR...",
		Short: "Find out what is wrong with the set-up, and say how to fix it",
		Long: `doctor examines an LVS-DR set-up and says what is wrong, how it knows, and how to
fix it.

On the director's host, whether the director runs or not, it reads the
configuration and the settings of the host, asks the network, tries each real
server on its own address and for the VIP, and listens to the traffic that
passes. It sends a few frames for each real server, from this host's own address;
connections are reset before a server's program notices them. With --passive it
sends nothing. It needs CAP_NET_RAW.

On a real server, with --rs, it examines the settings of the host. It sends
nothing.

Exit code: 0 healthy, 1 warnings, 2 errors, 3 the examination could not be made.`,
		Args: func(cmd *cobra.Command, args []string) error {
			if err := cobra.NoArgs(cmd, args); err != nil {
				return exitError{findings.ExitNotRun, usageError{cmd, err}}
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, _ []string) error {
			r, err := f.examine(cmd.Context(), cmd.ErrOrStderr())
			if err == nil {
				err = f.write(cmd.OutOrStdout(), r)
			}
			if err != nil {
				return exitError{findings.ExitNotRun, withRemedy(err)}
			}
			if code := r.ExitCode(); code != findings.ExitHealthy {
				return exitError{code: code}
			}
			return nil
		},
	}
	cmd.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return exitError{findings.ExitNotRun, usageError{cmd, plainFlagError(err)}}
	})
	fl := cmd.Flags()
	configFlag(cmd, &f.config, "configuration `FILE` of the director")
	fl.StringVarP(&f.iface, "interface", "i", "", "`IFACE` on which the virtual addresses are served (default: the running director's, or the one on their network)")
	fl.BoolVar(&f.json, "json", false, "print the report as JSON")
	fl.BoolVar(&f.passive, "passive", false, "send nothing, listen only")
	fl.DurationVar(&f.timeout, "timeout", time.Second, "how long to wait for an answer; traffic is listened to for three times as long")
	fl.BoolVar(&f.rs, "rs", false, "examine this host as a real server")
	fl.StringArrayVar(&f.vips, "vip", nil, "with --rs: a virtual `ADDR`ess; may be repeated")
	fl.Uint16Var(&f.port, "port", 0, "with --rs: the port of the service")
	f.tun.flags(cmd)
	fl.StringVar(&f.director, "director", "", "with --rs, for NAT: the director's `ADDR`ess, by which answers go back")
	socketFlag(cmd, &f.socket)
	completesFlag(cmd, "interface", interfaces)
	return cmd
}

// examine makes the examination that the flags ask for.
func (f *doctorFlags) examine(ctx context.Context, progress io.Writer) (*findings.Report, error) {
	tell := func(title string, found []findings.Finding) { findings.WriteProgress(progress, title, found) }
	if !f.rs {
		if len(f.vips) > 0 || f.port != 0 || f.tun != (tunnelFlags{}) || f.director != "" {
			return nil, errors.New("--vip, --port, --tun and --director go with --rs; on the director the configuration says them")
		}
		if f.timeout <= 0 {
			return nil, fmt.Errorf("--timeout %v: not a positive time", f.timeout)
		}
		return doctor.Director(ctx, doctor.DirectorOptions{
			File: f.config, Reading: keepalived.Options{IPv6: true},
			Interface: f.iface, Socket: f.socket, Passive: f.passive, Timeout: f.timeout, Progress: tell,
		})
	}
	o, err := f.server()
	if err != nil {
		return nil, err
	}
	o.Progress = tell
	return doctor.Server(ctx, o)
}

// write prints the report.
func (f *doctorFlags) write(out io.Writer, r *findings.Report) error {
	if !f.json {
		return r.WriteText(out)
	}
	return printJSON(out, r)
}
