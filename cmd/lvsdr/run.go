package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"strconv"
	"syscall"

	"github.com/coreos/go-systemd/v22/daemon"
	"github.com/spf13/cobra"

	"lvsdr/control"
	"lvsdr/control/keepalived"
	"lvsdr/dataplane"
	"lvsdr/scheduler"
)

// defaultConfig is keepalived's own.
const defaultConfig = "/etc/keepalived/keepalived.conf"

// runFlags are the flags of run.
type runFlags struct {
	config, configID, iface, socket string
	persistence                     string
	test, localClients, xdp         bool
	workers, connLimit              int
	tunables                        map[string]string
	logFormat                       string
	logLevel                        slog.Level
}

func newRun() *cobra.Command {
	var f runFlags
	cmd := &cobra.Command{
		Use:   "run [-c FILE] [-i IFACE]",
		Short: "Be the director of the services in a keepalived.conf",
		Long: `run reads the virtual services of a keepalived.conf, takes over their virtual
addresses and directs their packets until SIGTERM or SIGINT. SIGHUP reads the
file again: what did not change is not touched, and where the file is bad the
last good configuration stays in force.

It needs CAP_NET_RAW and CAP_NET_ADMIN. The virtual addresses must not be
configured on this host.

With -t it only tests the file. The exit code is keepalived's: 0 for a good
file, 1 where nothing can be loaded, 2 where something in it is wrong.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if f.test {
				return f.testConfig(cmd.OutOrStdout(), cmd.ErrOrStderr())
			}
			return f.run(cmd.Context(), cmd.ErrOrStderr())
		},
	}
	fl := cmd.Flags()
	fl.StringVarP(&f.config, "config", "c", defaultConfig, "configuration `FILE`, in keepalived.conf's language")
	fl.StringVarP(&f.iface, "interface", "i", "", "`IFACE` on which the virtual addresses are served (default: the one on their network)")
	fl.BoolVarP(&f.test, "config-test", "t", false, "test the configuration and exit with 0, 1 or 2")
	fl.StringVar(&f.configID, "config-id", "", "which @id lines to read (default: the host name)")
	fl.StringVar(&f.persistence, "persistence-default", "", "persistence of services that say nothing: off, or `SECONDS` (default 120, or persistence_default in global_defs)")
	fl.IntVar(&f.workers, "workers", 1, "packet workers for each interface")
	fl.IntVar(&f.connLimit, "conn-limit", 0, "greatest number of connections and templates, 53 bytes each (default 1048576)")
	fl.BoolVar(&f.localClients, "local-clients", true, "serve clients on this host too, through a pair of veth interfaces (docs/operations.md)")
	fl.BoolVar(&f.xdp, "xdp", true, "send full batches by AF_XDP where nothing captures or shapes them (docs/operations.md)")
	fl.StringToStringVar(&f.tunables, "ipvs", nil, "tunables, as `NAME=VALUE,...`, named as the sysctls below net.ipv4.vs (docs/ipvs-differences.md)")
	fl.StringVar(&f.logFormat, "log-format", "text", "text or json")
	fl.TextVar(&f.logLevel, "log-level", slog.LevelInfo, "debug, info, warn or error")
	socketFlag(cmd, &f.socket)
	return cmd
}

// options are how the file is read.
func (f *runFlags) options() (keepalived.Options, error) {
	o := keepalived.Options{ConfigID: f.configID, Schedulers: scheduler.Names(), IPv6: true}
	switch f.persistence {
	case "":
	case "off":
		o.PersistenceDefault = keepalived.PersistenceDefault{Set: true}
	default:
		n, err := strconv.ParseUint(f.persistence, 10, 32)
		if err != nil || n > 31*86400 {
			return o, exitError{usageCode, fmt.Errorf("--persistence-default %q: not off, nor a number of seconds up to 31 days", f.persistence)}
		}
		o.PersistenceDefault = keepalived.PersistenceDefault{Set: true, Seconds: uint32(n)}
	}
	return o, nil
}

// testConfig reports everything found in the file.
func (f *runFlags) testConfig(out, errs io.Writer) error {
	o, err := f.options()
	if err != nil {
		return err
	}
	cfg, found, err := keepalived.Load(f.config, o)
	for _, d := range found {
		fmt.Fprintln(errs, d)
	}
	if err != nil {
		return exitError{keepalived.ExitFatal, err}
	}
	servers := 0
	for _, vs := range cfg.VirtualServers {
		servers += len(vs.RealServers)
	}
	fmt.Fprintf(out, "%s: %d virtual servers, %d real servers\n", f.config, len(cfg.VirtualServers), servers)
	if code := found.ExitCode(); code != keepalived.ExitOK {
		return exitError{code: code}
	}
	return nil
}

func (f *runFlags) logger(w io.Writer) (*slog.Logger, error) {
	o := &slog.HandlerOptions{Level: f.logLevel}
	switch f.logFormat {
	case "text":
		return slog.New(slog.NewTextHandler(w, o)), nil
	case "json":
		return slog.New(slog.NewJSONHandler(w, o)), nil
	}
	return nil, exitError{usageCode, fmt.Errorf("--log-format %q: not text or json", f.logFormat)}
}

func (f *runFlags) run(ctx context.Context, errs io.Writer) error {
	log, err := f.logger(errs)
	if err != nil {
		return err
	}
	o, err := f.options()
	if err != nil {
		return err
	}
	tunables := dataplane.DefaultTunables()
	for key, value := range f.tunables {
		if err := tunables.Set(key, value); err != nil {
			return exitError{usageCode, fmt.Errorf("--ipvs %w", err)}
		}
	}
	reload, stop := hangups()
	defer stop()
	return control.Run(ctx, control.Options{
		Load:      func() (*keepalived.Config, error) { return load(f.config, o, log) },
		Interface: f.iface, Workers: f.workers, ConnLimit: f.connLimit, LocalClients: f.localClients, XDP: f.xdp,
		Tunables: tunables, Socket: f.socket, Version: version(), Log: log, Notify: notifier(log),
	}, reload)
}

// hangups passes SIGHUPs on, several that come at once as one, until stop.
func hangups() (reload <-chan struct{}, stop func()) {
	out := make(chan struct{}, 1)
	hup := make(chan os.Signal, 1)
	signal.Notify(hup, syscall.SIGHUP)
	go func() {
		for range hup {
			select {
			case out <- struct{}{}:
			default: // one is waiting already
			}
		}
	}()
	return out, func() {
		signal.Stop(hup) // first: signals are sent to the channel until then
		close(hup)
	}
}

// load reads the file and logs what was found in it. A file with mistakes is
// used as far as it goes, as keepalived does.
func load(name string, o keepalived.Options, log *slog.Logger) (*keepalived.Config, error) {
	cfg, found, err := keepalived.Load(name, o)
	for _, d := range found {
		level := slog.LevelInfo
		switch d.Severity {
		case keepalived.Warning:
			level = slog.LevelWarn
		case keepalived.Error, keepalived.Fatal:
			level = slog.LevelError
		}
		log.Log(context.Background(), level, d.Text, "at", d.Pos.String(), "keyword", d.Keyword)
	}
	if err != nil {
		return nil, err
	}
	if len(cfg.VirtualServers) == 0 {
		return nil, errors.New(name + ": no virtual server that can be served")
	}
	return cfg, nil
}

// notifier tells systemd, where it has started us.
func notifier(log *slog.Logger) func(string) {
	return func(state string) {
		if _, err := daemon.SdNotify(false, state); err != nil {
			log.Warn("the service manager does not listen", "error", err)
		}
	}
}
