package control

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"slices"
	"sync"
	"time"

	"lvsdr/arp"
	"lvsdr/conntrack"
	"lvsdr/conntrack/mapping"
	"lvsdr/control/actor"
	"lvsdr/control/addresses"
	"lvsdr/control/api"
	"lvsdr/control/boottime"
	"lvsdr/control/check"
	"lvsdr/control/connsync/syncnet"
	"lvsdr/control/director"
	"lvsdr/control/drroute"
	"lvsdr/control/hostnet"
	"lvsdr/control/inspect"
	"lvsdr/control/localclient"
	"lvsdr/control/lock"
	"lvsdr/control/memory"
	"lvsdr/control/neighbour"
	"lvsdr/control/nics"
	"lvsdr/control/notify"
	"lvsdr/control/routing"
	"lvsdr/control/shield"
	"lvsdr/control/site"
	"lvsdr/control/track"
	"lvsdr/control/vrrp"
	"lvsdr/dataplane"
	"lvsdr/dataplane/frame"
	"lvsdr/dataplane/offload"
)

// A daemon is a director with everything around it. What is nil is not open.
type daemon struct {
	o     *Options
	clock *boottime.Clock
	// unopened is the director before it has its tables, made of forDirector.
	unopened    *dataplane.Director
	forDirector dataplane.Config
	director    *dataplane.Director
	table       *mapping.File // in which the director's state is; nil: in none
	began       int64         // when the table was opened, on the clock
	// tableProblem says why the table is in no file though it should be.
	tableProblem string
	sealed       bool // the table is the next process's
	// offload has the kernel forward flows; nil: it does not, and offloadProblem says why
	// though it should.
	offload        *offload.Offload
	offloadProblem string
	admin          *admin
	arp            *arp.Service
	sender         *arp.PacketSender
	keeper         *neighbour.Keeper
	nics           *nics.NICs
	checks         *check.Runner
	notifier       *notify.Notifier
	router         *vrrp.Actor
	sync           *syncnet.Actor
	actors         actor.All
	loop           *loop
	inspector      *inspect.Inspector
	listener       net.Listener
	remote         *api.RemoteListener
	tasks          *tasks
	stop           context.CancelFunc
	served         func() // does what has waited until frames are served

	// For the hand-over from one process to the next.
	only       *lock.Lock
	succession *net.UnixListener // at which the next one asks
	metrics    held
	left       bool                    // what is on the host is another process's
	heritage   *heritage               // of the process before this one; nil: there was none
	files      map[string]net.Listener // of it, those that were not used yet
	reserve    *nics.Reserve           // ports that were opened while it served
}

// A held is a listener that a task opens.
type held struct {
	mu sync.Mutex
	l  net.Listener
}

func (h *held) get() net.Listener {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.l
}

func (h *held) set(l net.Listener) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.l = l
}

// ready opens what can be open while another process serves. It changes nothing on the host. What it has opened
// when it fails is to be closed.
func ready(o *Options) (d *daemon, err error) {
	d = &daemon{o: o, left: true} // nothing on the host is ours
	if err := d.openOutside(); err != nil {
		return d, err
	}
	return d, d.prepareDirector()
}

// open opens the rest, with the lock. It changes nothing on the host yet.
func (d *daemon) open(only *lock.Lock) error {
	d.only, d.left = only, false
	_ = d.clock.Refresh()
	d.loop.base.Started = time.Now()
	return d.openEngine()
}

// openOutside opens what is around the engine.
func (d *daemon) openOutside() (err error) {
	if d.clock, err = boottime.New(); err != nil {
		return err
	}
	d.loop = newLoop(d.o, func() time.Duration { return time.Duration(d.clock.Now()) })
	if err = d.openActors(); err != nil {
		return err
	}
	d.loop.use(d.o, d.actors)
	d.loop.giver, d.loop.lowest = &giver{daemon: d}, d.o.lowest
	return nil
}

// openEngine opens the engine with its ports, and the sockets at which others ask.
func (d *daemon) openEngine() (err error) {
	o := d.o
	if err = d.openDirector(); err != nil {
		return err
	}
	d.actors.Engine = &engine{d.director, d.clock.Now}
	c := d.nicsConfig()
	c.Director = d.director
	if d.reserve != nil {
		c.Open = d.reserve.Open
	}
	d.openOffload(&c)
	d.nics = nics.New(c)
	d.actors.NICs = d.nics
	d.openSync()
	d.loop.converge.actors = d.actors
	if !o.LocalClients {
		d.sweepRedirect()
	}
	d.admin = &admin{director.New(d.director, d.clock.Now), d.loop}
	d.inspector = &inspect.Inspector{View: d.loop.view.Load, Engine: d.director, Admin: d.admin.Director, Now: d.clock.Now, Wall: d.clock.Time,
		NICs: d.nics, TakenOver: d.takenOver, TableProblem: d.tableProblem, Offload: d.offloadState(), ARP: d.countARP, Check: d.checks.State, Notified: d.notifier.Stats, Routers: d.router.States, Log: o.Log.Info}
	return d.openSockets()
}

// openSockets opens the sockets at which others ask.
func (d *daemon) openSockets() (err error) {
	o := d.o
	if err = d.listen(); err != nil {
		return err
	}
	d.openHandover()
	if o.Remote.Listen != "" {
		if d.remote, err = api.OpenRemote(&o.Remote, func(err error) {
			o.Log.Warn("the files of the API listener are no good; those before them stay in use", "error", err)
		}); err != nil {
			return err
		}
		o.Log.Info("the API is served over TCP", "address", d.remote.Addr())
	}
	return nil
}

// prepareDirector makes the director, but for its tables: another process may have these.
func (d *daemon) prepareDirector() error {
	o := d.o
	conns := conntrack.Config{Limit: o.tableLimit(os.DirFS("/")), Room: mapping.Room}
	if _, err := rand.Read(conns.Secret[:]); err != nil {
		return fmt.Errorf("seed the connection table: %w", err)
	}
	d.forDirector = dataplane.Config{Conns: conns, Workers: o.Workers, Tunables: o.Tunables, ResumeDrops: o.ResumeDrops}
	d.unopened = dataplane.Prepare(d.forDirector)
	return nil
}

// openDirector gives the director what is in the file of its table.
func (d *daemon) openDirector() error {
	d.began = d.clock.Now()
	c := d.forDirector
	c.ResumeUntil, c.SettleUntil = d.resumeUntil(), d.began+int64(settleTime)
	if err := d.openTable(&c); err != nil {
		return err
	}
	if err := d.unopened.Open(c); err != nil {
		return err
	}
	d.director, d.unopened = d.unopened, nil
	return d.commitTable()
}

// tableLimit is the size of the connection table: where the memory limit of the control
// group is too small for the default, as large as fits.
func (o *Options) tableLimit(files fs.FS) int {
	bytes, limited := memory.Limit(files)
	wanted := cmp.Or(o.ConnLimit, conntrack.DefaultLimit)
	if !limited || memory.Fit(wanted, bytes) == wanted {
		return wanted
	}
	fits := max(memory.Fit(wanted, bytes), conntrack.MinLimit*max(o.Workers, 1))
	if o.ConnLimit != 0 {
		o.Log.Warn("a full connection table does not fit into the memory limit of the control group: a flood may end the director",
			"conn-limit", wanted, "fits", fits, "memory", bytes)
		return wanted
	}
	o.Log.Warn("the connection table is made smaller, to fit into the memory limit of the control group", "entries", fits, "memory", bytes)
	return fits
}

// settleTime is how long after the start clients are not refused because no MAC address
// of a real server is known yet.
const settleTime = 3 * time.Second

// resumeUntil is the end of Options.Resume on the director's clock.
func (d *daemon) resumeUntil() int64 {
	if d.o.Resume <= 0 {
		return 0
	}
	return d.clock.Now() + int64(d.o.Resume)
}

// openActors opens the actors. They report to the loop.
func (d *daemon) openActors() (err error) {
	o, box, now := d.o, d.loop.box, d.loop.now
	a := &d.actors
	h := cmp.Or(d.heritage, &heritage{})
	guard, err := shield.New()
	if err != nil {
		return err
	}
	guard.TakeAnswers(h.Answers)
	a.Guard = guard
	if err := guard.Early(); err != nil {
		o.Log.Info("nftables is not available: the kernel's own copies of frames are dropped by its routing, which costs more", "error", err)
	}
	a.Host = &hostReader{guard: guard}
	d.sender = arp.NewPacketSender()
	var times arp.AnnounceTimes
	if o.Force {
		times.Look = -1
	}
	d.arp, err = arp.New(arp.Config{Sender: d.sender, Now: now, Announce: times, Standing: arp.Standing{VIPs: h.Announced, Known: h.Known},
		Events: func(e arp.Event) { box.put(eventKey(e.Text), e) },
		Changed: func(c arp.Change) {
			n := site.Neighbour{Addr: c.IP, Ifindex: int(c.Ifindex), MAC: c.New}
			box.put(neighbourKey{n.Addr, n.Ifindex}, n)
			d.keeper.Look(neighbour.Place{Link: n.Ifindex, Addr: n.Addr})
		}})
	if err != nil {
		return err
	}
	a.ARP = d.arp
	d.keeper = neighbour.New(neighbour.Config{Now: now, Told: func(e neighbour.Event) { box.put(nil, e) },
		Believed: func(p neighbour.Place) (frame.MAC, bool) { return d.arp.Believed(int32(p.Link), p.Addr) }})
	d.checks = check.New(check.Config{Log: o.Log, OnChange: d.loop.checked, Saved: h.Checks})
	a.Checks = d.checks
	d.router = vrrp.Open(vrrp.Options{Log: o.Log, Report: func(c vrrp.Change) { box.put(nil, c) }})
	a.VRRP, a.Addresses, a.Routing = d.router, addresses.New(nil), routing.New(nil)
	a.Trackers = track.New(track.Config{Log: o.Log, Report: d.router.Track})
	d.notifier = notify.New(notify.Config{Log: o.Log, Made: h.FIFOs})
	a.Notifier = d.notifier
	if router, err := drroute.New(); err != nil {
		o.Log.Warn("real servers are not checked by Direct Routing", "error", err)
	} else {
		a.Routes = router
	}
	return d.openRedirect()
}

// nicsConfig is the configuration of the ports, but for the director.
func (d *daemon) nicsConfig() nics.Config {
	return nics.Config{ARP: d.arp.Inbox(), Now: d.clock.Now, Workers: d.o.Workers, XDP: d.o.XDP, Spin: d.o.Spin, Log: d.o.Log,
		Lost: func(i int, err error) { d.loop.box.put(nil, portsLost{i, err}) }}
}

// Keys of messages of which only the newest counts.
type (
	checkKey     string // ID
	neighbourKey struct {
		addr    netip.Addr
		ifindex int
	}
	eventKey string // text
)

// openRedirect makes ready for clients on this host.
func (d *daemon) openRedirect() error {
	if !d.o.LocalClients {
		return nil // another process that runs may serve them; see sweepRedirect
	}
	r, err := localclient.New()
	if err != nil {
		d.o.Log.Warn("clients on this host are not served", "error", err)
		return nil
	}
	d.actors.Redirect = r
	return nil
}

// sweepRedirect removes what a predecessor has left for clients on this host.
func (d *daemon) sweepRedirect() {
	if err := localclient.Clean(); err != nil {
		d.o.Log.Warn("rules for clients on this host could not be removed", "error", err)
	}
}

// A hostReader reads the networks of this host.
type hostReader struct {
	guard *shield.Shield
	last  *hostnet.Snapshot
}

// Read implements actor.Host. While nothing changes it is the same Host, so that
// places need not be found again.
func (h *hostReader) Read() (site.Host, error) {
	snap, err := hostnet.Read()
	if err != nil {
		return nil, err
	}
	localclient.Hide(snap)
	snap.DropUnused() // those of DR checks come and go with each check
	snap.HidesLocal = h.guard.Early() == nil
	if h.last == nil || !same(h.last, snap) {
		h.last = snap
	}
	return h.last, nil
}

// same reports whether a and b have the same content.
func same(a, b *hostnet.Snapshot) bool {
	return slices.Equal(a.Links, b.Links) && slices.Equal(a.NoCarrier, b.NoCarrier) && slices.Equal(a.Addrs, b.Addrs) && slices.Equal(a.Routes, b.Routes) &&
		slices.Equal(a.Tables4, b.Tables4) && slices.Equal(a.Tables6, b.Tables6) &&
		slices.Equal(a.Neighbours, b.Neighbours) && a.HidesLocal == b.HidesLocal
}

// countARP are the counters of ARP and neighbour discovery by name.
func (d *daemon) countARP() map[string]uint64 {
	st := d.arp.Stats()
	return st.Map()
}

// backend returns the backend of the control socket.
func (d *daemon) backend() api.Backend {
	return api.Backend{Viewer: d.inspector, Inspector: d.inspector, Admin: d.admin, Reloader: d.loop, Planner: &planner{d.loop, d.o.Read, d.director.Service}, Events: d.loop.feed, Syncer: syncReader{d.sync.Status}}
}

// everySecond returns the function to call once a second.
func (d *daemon) everySecond() func() {
	next := d.clock.Now()
	return func() {
		if slept := d.clock.Refresh(); slept > 0 {
			d.o.Log.Info("this host was suspended", "for", slept.Round(time.Second).String())
		}
		d.loop.tellSYNs(d.director.Service)
		d.loop.tellStrangers(d.director.Strangers())
		if now := d.clock.Now(); now >= next {
			d.admin.Tick()
			next = now + director.Interval - int64(time.Second)/2
		}
	}
}

// close ends everything and leaves the host as it was found.
func (d *daemon) close() error {
	var errs []error
	if d.left || d.o.KeepShield || d.tasks == nil {
		d.leaveOffload()
	}
	switch {
	case d.loop == nil:
	case d.left:
		errs = append(errs, d.actors.Leave())
	default:
		errs = append(errs, d.actors.Close(d.tasks == nil || d.o.KeepShield, d.loop.linger()))
	}
	if d.reserve != nil {
		errs = append(errs, d.reserve.Close())
	}
	if d.stop != nil {
		d.stop()
	}
	if d.listener != nil {
		d.listener.Close()
	}
	if d.succession != nil {
		_ = d.succession.Close() // its task ends with it
	}
	if d.remote != nil {
		_ = d.remote.Close() // its task ends with it
	}
	if d.tasks != nil {
		d.tasks.group.Wait()
	}
	if d.sender != nil {
		errs = append(errs, d.sender.Close())
	}
	errs = append(errs, d.closeOffload())
	return errors.Join(append(errs, d.sealTable())...)
}
