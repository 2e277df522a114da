package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"time"

	"github.com/spf13/cobra"

	"lvsdr/control"
	"lvsdr/control/api"
	"lvsdr/control/privileges"
)

// keepalivedConfig is keepalived's own.
const keepalivedConfig = "/etc/keepalived/keepalived.conf"

// runFlags are the flags of run.
type runFlags struct {
	config, configID, iface, socket   string
	metrics, ipvsProc                 string
	persistence                       string
	noConfig, test, localClients, xdp bool
	serveRest                         bool
	force, keepShield, noVRRP         bool
	rescheduleSYN, resumeDrop         bool
	resume                            time.Duration
	workers, connLimit                int
	table                             string
	spin, offload, pins               string
	tunables                          map[string]string
	logFormat                         string
	logLevel                          slog.Level
	takeover                          string
	remote                            api.Remote
}

func newRun() *cobra.Command {
	var f runFlags
	cmd := &cobra.Command{
		Use:   "run [-c FILE | --no-config] [-i IFACE]",
		Short: "Run the director of the services in a keepalived.conf",
		Long: `run reads the virtual services of a keepalived.conf, takes over their virtual
addresses and directs their packets until SIGTERM or SIGINT. If a service cannot be
served now, for example because its network is missing, it is listed by
` + "`lvsdr status`" + ` and served as soon as possible.

SIGHUP or ` + "`lvsdr reload`" + ` reads the file again: what did not change is not
touched, and a file with new errors is refused as a whole. A start refuses a file
with errors too, unless --serve-rest consents to serve what is left of it.

With --no-config, or an empty file, ipvsadm alone configures the director.

It needs CAP_NET_RAW and CAP_NET_ADMIN. The virtual addresses need not be
configured on this host, and are better not.

With -t it only tests the file. The exit code is keepalived's: 0 for a good
file, 5 for a mistake, 2 if a value is missing, 6 if scripts would run without
enable_script_security; and 1 if the file cannot be read.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if f.test {
				return f.testConfig(cmd.Context(), cmd.OutOrStdout(), cmd.ErrOrStderr())
			}
			return f.run(cmd.Context(), cmd.ErrOrStderr())
		},
	}
	fl := cmd.Flags()
	configFlag(cmd, &f.config, "configuration `FILE`, in keepalived.conf's language")
	fl.BoolVar(&f.noConfig, "no-config", false, "read no configuration: ipvsadm makes all services at runtime")
	fl.StringVarP(&f.iface, "interface", "i", "", "`IFACE` on which the virtual addresses are served (default: the one on their network)")
	fl.BoolVarP(&f.test, "config-test", "t", false, "test the configuration and exit with keepalived's code")
	fl.BoolVar(&f.serveRest, "serve-rest", false, "start with what can be served of a file with errors, which is refused otherwise")
	fl.StringVar(&f.configID, "config-id", "", "which @id lines to read (default: the host name)")
	fl.StringVar(&f.persistence, "persistence-default", "", "persistence of services without persistence_timeout: off, or `SECONDS` (default 120, or persistence_default in global_defs)")
	fl.IntVar(&f.workers, "workers", 1, "packet workers for each interface, at most 8 for each CPU and 256")
	fl.IntVar(&f.connLimit, "conn-limit", 0, "greatest number of connections and templates, 53 bytes each (default 1048576)")
	fl.StringVar(&f.table, "table", control.TableAuto, "keep the connection table in `FILE`, for the next start; auto: beside the socket, if that is in memory; off: not (docs/operations.md)")
	fl.BoolVar(&f.localClients, "local-clients", true, "serve clients on this host too, through a pair of veth interfaces (docs/operations.md)")
	fl.BoolVar(&f.xdp, "xdp", true, "send full batches by AF_XDP where nothing captures or shapes them (docs/operations.md)")
	fl.StringVar(&f.offload, "offload", string(control.NoOffload), "have the kernel forward established flows: off; tc, by a BPF program; tc,peer, past the queues of veth interfaces (docs/offload.md)")
	pinsFlag(cmd, &f.pins)
	fl.StringVar(&f.spin, "spin", autoSpin, "how long a worker watches for frames before it sleeps: `DURATION`, 0 for never, adaptive, or auto: 100us, but 0 on one CPU")
	fl.BoolVar(&f.noVRRP, "no-vrrp", false, "leave the instances of VRRP to another program, such as keepalived -P (docs/two-directors.md)")
	fl.BoolVar(&f.force, "force", false, "announce the virtual addresses at once, also if another host has them (docs/operations.md)")
	fl.BoolVar(&f.keepShield, "keep-shield", false, "leave the shield in place at the end, for the next start (docs/operations.md)")
	fl.DurationVar(&f.resume, "resume", 15*time.Minute, "how long after the start packets of unknown connections are scheduled, not reset (docs/operations.md)")
	fl.BoolVar(&f.resumeDrop, "resume-drop", false, "in the time of --resume, drop packets of unknown connections, and do not schedule them")
	fl.StringToStringVar(&f.tunables, "ipvs", nil, "tunables, as `NAME=VALUE,...`, named as the sysctls below net.ipv4.vs (docs/ipvs-differences.md)")
	fl.BoolVar(&f.rescheduleSYN, "reschedule-syn", true, "send a repeated SYN to another server if its own was removed (docs/operations.md)")
	fl.Lookup("ipvs").DefValue = "" // the help shows "[]" otherwise
	fl.StringVar(&f.logFormat, "log-format", "text", "text or json")
	fl.TextVar(&f.logLevel, "log-level", slog.LevelInfo, "debug, info, warn or error")
	fl.StringVar(&f.metrics, "metrics", "", "`ADDRESS:PORT` at which Prometheus finds /metrics, such as 127.0.0.1:9477 (docs/metrics.md)")
	fl.StringVar(&f.ipvsProc, "ipvs-proc", "", "keep files as /proc/net/ip_vs, ip_vs_conn and ip_vs_stats below `DIR`, for programs that read those (docs/metrics.md)")
	takeoverFlag(cmd, &f.takeover)
	socketFlag(cmd, &f.socket)
	remoteFlags(cmd, &f.remote)
	completesFlag(cmd, "interface", interfaces)
	cmd.MarkFlagsMutuallyExclusive("config", "no-config")
	cmd.MarkFlagsMutuallyExclusive("config-test", "no-config")
	return cmd
}

func (f *runFlags) run(ctx context.Context, errs io.Writer) error {
	log, flush, err := f.logger(errs)
	if err != nil {
		return err
	}
	defer flush()
	o, err := f.options()
	if err != nil {
		return err
	}
	tunables, err := control.Tunables(f.tunables)
	if err != nil {
		return exitError{usageCode, fmt.Errorf("--ipvs %w", err)}
	}
	spin, err := parseSpin(f.spin, usableCPUs(os.DirFS("/")))
	if err != nil {
		return exitError{usageCode, err}
	}
	if err := f.remote.Check(); err != nil {
		return exitError{usageCode, err}
	}
	if err := control.Offload(f.offload).Check(); err != nil {
		return exitError{usageCode, fmt.Errorf("--offload %w", err)}
	}
	how, err := f.takeoverHow()
	if err != nil {
		return err
	}
	tunables.RescheduleSYN = f.rescheduleSYN
	_ = privileges.Limit(f.privileges() | privileges.Users) // if it fails, the one that follows does, too
	reload, stop := hangups()
	defer stop()
	err = control.Run(ctx, control.Options{
		File: f.config, Load: f.loader(o), Read: f.reader(o), ServeRest: f.serveRest, GiveBack: giveBack(log, f.privileges()),
		Interface: f.iface, Workers: f.workers, ConnLimit: f.connLimit, Table: f.table, LocalClients: f.localClients, XDP: f.xdp, Offload: control.Offload(f.offload), OffloadPins: f.pins, Spin: spin, Force: f.force, Resume: f.resume, ResumeDrops: f.resumeDrop, KeepShield: f.keepShield,
		Tunables: tunables, Socket: f.socket, Remote: f.remote, Metrics: f.metrics, IPVSProc: f.ipvsProc, Version: version(), Log: log, Takeover: how, Notify: notifier(log), Watchdog: watchdog(log),
	}, reload)
	if bad := new(control.BadFile); errors.As(err, &bad) {
		return exitError{bad.Found.ExitCode(), err}
	}
	return err
}
