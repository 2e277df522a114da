package control

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"runtime"
	"runtime/debug"
	"sync"
	"time"

	"lvsdr/control/api"
	"lvsdr/control/hostnet"
	"lvsdr/control/ipvsproc"
	"lvsdr/control/localclient"
	"lvsdr/control/lock"
	"lvsdr/control/shield"
	"lvsdr/dataplane"
	"lvsdr/dataplane/afpacket"
)

// Options say how a director is run.
type Options struct {
	// File names the configuration file, for the log; Load reads it, at the start
	// and on each reload. Load nil: there is none, and the director is made up
	// at runtime alone.
	File string
	Load Loader
	// Read reads another configuration as Load reads the file, to plan a reload; nil:
	// the director does not plan.
	Read Reader
	// ServeRest starts with what can be served of a file with errors, which is
	// refused otherwise; see BadFile.
	ServeRest bool
	// Interface is where the VIPs are received; empty: default_interface of
	// the configuration, or the interface whose network has the VIP.
	Interface string
	// GiveBack gives the privileges back that are not needed; users says that commands of
	// the configuration run as other users. rest is called when frames are served: it does what takes
	// long. nil: none are given back.
	GiveBack func(users bool) (rest func())
	// Workers is the number of packet workers of each interface; 0 means 1.
	Workers int
	// ConnLimit is the greatest number of connections and templates; 0 means
	// the default of conntrack.
	ConnLimit int
	// Table is the file in which the connection table is, so that it outlives the process,
	// or TableAuto or TableOff; empty: TableOff.
	Table string
	// LocalClients serves clients on this host too, see localclient.
	LocalClients bool
	// KeepShield leaves the shield where it is at the end: until the next start the host
	// stays silent about the VIPs.
	KeepShield bool
	// Force announces VIPs at once, without a look whether another host has them.
	Force bool
	// XDP sends full batches by AF_XDP sockets while nothing captures, see
	// afpacket.Config.
	XDP bool
	// Offload says whether the kernel forwards established flows; empty: it does not.
	Offload Offload
	// OffloadPins is a folder in a BPF file system, in which that outlives the process; empty, or
	// TableOff: it does not.
	OffloadPins string
	// Spin is how long a worker watches for frames before it sleeps, see
	// afpacket.Config.
	Spin time.Duration
	// Resume is how long after the start packets of unknown connections are scheduled, as
	// they may be of connections from before; 0: never.
	Resume time.Duration
	// ResumeDrops drops them silently in that time, and does not schedule them.
	ResumeDrops bool
	// Tunables change decisions as net.ipv4.vs.* do, and in ways of their own.
	Tunables dataplane.Tunables
	// Socket is the path of the control socket.
	Socket string
	// Metrics is the address at which Prometheus is told how things stand; empty: none.
	Metrics string
	// Remote says how the API is served over TCP, too.
	Remote api.Remote
	// IPVSProc is the folder in which files are kept as /proc/net/ip_vs; empty: none. See
	// ipvsproc.
	IPVSProc string
	// Version is the version that the status reports.
	Version string
	Log     *slog.Logger
	// Notify tells a service manager "READY=1" and so on (sd_notify(3)). It may be
	// called from any goroutine.
	Notify func(state string)
	// Takeover says what to do about a director that runs.
	Takeover Takeover
	// Watchdog is the time within which the service manager wants to hear
	// "WATCHDOG=1"; 0: it does not. It hears it while all parts make progress.
	Watchdog time.Duration

	lowest func() // gives the lowest descriptors back
}

// Tunables are the defaults with some replaced, named as the sysctls below
// net.ipv4.vs.
func Tunables(set map[string]string) (dataplane.Tunables, error) {
	t := dataplane.DefaultTunables()
	for key, value := range set {
		if err := t.Set(key, value); err != nil {
			return t, err
		}
	}
	return t, nil
}

// Run runs a director until ctx ends, or a successor has taken over from it, which is no error, or until it fails. A
// message on reload makes it read the configuration again; where that is bad
// the last good one stays in force.
func Run(ctx context.Context, o Options, reload <-chan struct{}) error {
	o.lowest = keepLowest()
	defer o.lowest()
	switch o.Takeover {
	case NoTakeover:
		return runAlone(ctx, o, nil, reload)
	case StandBy:
		return runStandby(ctx, o, reload)
	}
	return runSuccessor(ctx, o, reload)
}

// runAlone runs a director beside which there is no other. first is its file, if it has been read.
func runAlone(ctx context.Context, o Options, first *loaded, reload <-chan struct{}) error {
	only, err := lock.Take(ctx, o.Log)
	if ctx.Err() != nil {
		return nil // while it waited for another director to end
	}
	if err != nil {
		return err
	}
	return runLocked(ctx, o, nil, only, first, reload)
}

// runLocked is runAlone with the lock. d is what is ready; nil: nothing is.
func runLocked(ctx context.Context, o Options, d *daemon, only *lock.Lock, first *loaded, reload <-chan struct{}) error {
	defer withSpare(max(o.Workers, 1) + 1)()
	usual := collectSeldom()
	if first == nil {
		read, err := readFile(ctx, &o)
		if ctx.Err() != nil || err != nil {
			return errors.Join(only.Close(), unlessEnded(ctx, err))
		}
		first = &read
	}
	rest := o.giveBack(first)
	var err error
	if d == nil {
		d, err = ready(&o)
	}
	d.served = func() { usual(); rest() }
	if err == nil {
		err = d.open(only)
	}
	if err == nil {
		err = d.run(ctx, *first, reload)
	}
	return errors.Join(err, d.close(), d.only.Close())
}

// giveBack gives the privileges back that first does not need.
func (o *Options) giveBack(first *loaded) (rest func()) {
	if o.GiveBack == nil {
		return func() {}
	}
	return o.GiveBack(first.cfg != nil && runsAsOthers(first.cfg))
}

// unlessEnded is err of what ctx does not end.
func unlessEnded(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// withSpare lets so many more goroutines run at a time than there are CPUs, until the
// returned function is called, unless the user has set how many (GOMAXPROCS). A worker
// that a frame wakes must not wait until Go takes its turn from a reload or the garbage
// collector, which is after 10 ms: the kernel shares CPUs better.
func withSpare(n int) (restore func()) {
	if os.Getenv("GOMAXPROCS") != "" {
		return func() {}
	}
	usual := runtime.GOMAXPROCS(0)
	runtime.GOMAXPROCS(usual + n)
	return runtime.SetDefaultGOMAXPROCS
}

// startGC is the percentage (GOGC) until frames are served: what a usual configuration takes is not
// collected, and of a large one the heap grows to a few times its size.
const startGC = 400

// collectSeldom has the garbage collector run more seldom, until the returned function is
// called, unless the user has set how often (GOGC): it shares the CPU with a start.
func collectSeldom() (usual func()) {
	if os.Getenv("GOGC") != "" {
		return func() {}
	}
	percent := debug.SetGCPercent(startGC)
	return func() { debug.SetGCPercent(percent) }
}

// run starts the loop, and the tasks when frames are served, and returns when the loop has ended.
func (d *daemon) run(ctx context.Context, first loaded, reload <-chan struct{}) error {
	ctx, d.stop = context.WithCancel(ctx)
	t := &tasks{ctx: ctx, failed: make(chan error, 16), box: d.loop.box}
	d.tasks = t
	t.need("ARP", d.arp.Run)
	d.loop.served = func() {
		d.startRest(t, reload)
		t.group.Go(d.served)
	}
	err := d.loop.run(ctx, first, t.failed)
	if errors.Is(err, errLeft) {
		err = nil
		d.stop()
		d.loop.gate.Unlock() // which the hand-over holds: the tasks end, and write no more
	} else {
		d.o.Notify("STOPPING=1")
	}
	logTotals(d.o.Log, d.inspector.Status())
	return err
}

// startRest starts the tasks that wait until frames are served.
func (d *daemon) startRest(t *tasks, reload <-chan struct{}) {
	box := d.loop.box
	t.need("control socket", func(ctx context.Context) error { return api.Serve(ctx, d.listener, d.backend()) })
	if d.remote != nil {
		t.need("API listener", func(ctx context.Context) error { return d.remote.Serve(ctx, d.backend()) })
	}
	t.need("sweep", func(ctx context.Context) error {
		return sweep(ctx, d.director, &d.loop.gate, d.clock.Now, d.everySecond())
	})
	if d.succession != nil {
		t.need("hand-over socket", d.handOver)
	}
	t.keep("watching the networks of this host", func(ctx context.Context) error {
		return hostnet.Watch(ctx, func() { box.put(hostChanged{}, hostChanged{}) })
	})
	t.keep("keeping the neighbour entries of this host", d.keeper.Run)
	t.keep("watching the shield", func(ctx context.Context) error {
		return shield.Watch(ctx, func() { box.put(guardChanged{}, guardChanged{}) })
	})
	if d.actors.Redirect != nil {
		t.keep("watching the rules for clients on this host", func(ctx context.Context) error {
			return localclient.Watch(ctx, func() { box.put(redirectChanged{}, redirectChanged{}) })
		})
	}
	t.need("reload requests", func(ctx context.Context) error { return passOn(ctx, reload, box) })
	if d.offload != nil {
		t.need("offload", d.keepOffload)
	}
	if d.o.XDP {
		d.useXDP(t)
	}
	if d.o.IPVSProc != "" {
		w := &ipvsproc.Writer{Dir: d.o.IPVSProc, Director: d.admin, Size: d.tableSize()}
		t.keep("writing files as /proc/net/ip_vs to "+w.Dir, w.Run)
	}
	if d.o.Metrics != "" {
		t.keep("telling Prometheus at "+d.o.Metrics, d.tellPrometheus)
	}
	if d.o.Watchdog > 0 {
		t.need("watchdog", d.watchdog().Run)
	}
}

// useXDP lets the ports send by AF_XDP while nothing would miss the frames.
func (d *daemon) useXDP(t *tasks) {
	if err := afpacket.ProbeXDP(); err != nil {
		d.o.Log.Info("AF_XDP is not available, sending with sendmmsg", "error", err)
		return
	}
	t.need("looking for captures", func(ctx context.Context) error {
		for {
			d.nics.Look()
			select {
			case <-ctx.Done():
				return nil
			case <-time.After(time.Second):
			}
		}
	})
}

// passOn asks the loop for a reload at each message.
func passOn(ctx context.Context, reload <-chan struct{}, box *mailbox) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-reload:
			box.put(reloadRequest{}, reloadRequest{})
		}
	}
}

// tasks run beside the loop until ctx ends.
type tasks struct {
	ctx    context.Context
	group  sync.WaitGroup
	failed chan error
	box    *mailbox
}

// need runs f. Its error ends the director.
func (t *tasks) need(name string, f func(context.Context) error) {
	t.group.Go(func() {
		if err := f(t.ctx); err != nil && t.ctx.Err() == nil {
			select {
			case t.failed <- fmt.Errorf("%s: %w", name, err):
			default: // others have failed before
			}
		}
	})
}

// keep runs f again and again, later each time, if it fails.
func (t *tasks) keep(name string, f func(context.Context) error) {
	t.group.Go(func() {
		for wait := time.Second; ; wait = min(2*wait, maxRetry) {
			err := f(t.ctx)
			if t.ctx.Err() != nil {
				return
			}
			t.box.put(name, taskFailed{name, err})
			select {
			case <-t.ctx.Done():
				return
			case <-time.After(wait):
			}
		}
	})
}
