// Package control brings a configuration to life: it reads keepalived.conf,
// finds the interfaces, opens the ports, answers and asks ARP, checks the real
// servers, keeps the host's own stack silent, and edits the director until it
// is as configured. It is the only writer.
package control

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	mathrand "math/rand/v2"
	"net"
	"os"
	"slices"
	"sync"
	"time"

	"lvsdr/arp"
	"lvsdr/conntrack"
	"lvsdr/conntrack/mapping"
	"lvsdr/control/api"
	"lvsdr/control/check"
	"lvsdr/control/director"
	"lvsdr/control/drroute"
	"lvsdr/control/keepalived"
	"lvsdr/control/localclient"
	"lvsdr/control/shield"
	"lvsdr/dataplane"
	"lvsdr/dataplane/afpacket"
	"lvsdr/dataplane/frame"
)

// Options say how a director is run.
type Options struct {
	// Load reads the configuration: at the start, and on each reload. It
	// reports what it finds by itself.
	Load func() (*keepalived.Config, error)
	// Interface is where the VIPs are received; empty: default_interface of
	// the configuration, or the interface whose network has the VIP.
	Interface string
	// Workers is the number of packet workers of each interface; 0 means 1.
	Workers int
	// ConnLimit is the greatest number of connections and templates; 0 means
	// the default of conntrack.
	ConnLimit int
	// LocalClients serves clients on this host too, see localclient.
	LocalClients bool
	// XDP sends full batches by AF_XDP sockets while nobody captures, see
	// afpacket.Config.
	XDP bool
	// Tunables change decisions as net.ipv4.vs.* do.
	Tunables dataplane.Tunables
	// Socket is the path of the control socket.
	Socket string
	// Version is what Status reports.
	Version string
	Log     *slog.Logger
	// Notify tells a service manager "READY=1" and so on (sd_notify(3)).
	Notify func(state string)
}

// lockName is an abstract unix socket, which belongs to a network namespace:
// two directors in one would fight over VIPs and shield.
const lockName = "@lvsdr-director"

// arpPatience is how long the start waits for the real servers' MAC addresses
// before the VIPs are announced.
const arpPatience = 1500 * time.Millisecond

// Run runs a director until ctx ends, which is no error, or until it fails. A
// message on reload makes it read the configuration again; where that is bad
// the last good one stays in force.
func Run(ctx context.Context, o Options, reload <-chan struct{}) error {
	lock, err := net.Listen("unix", lockName)
	if err != nil {
		return fmt.Errorf("another director runs in this network namespace: %w", err)
	}
	defer lock.Close()
	m, err := newManager(o)
	if err != nil {
		return err
	}
	return errors.Join(m.run(ctx, reload), m.close())
}

// manager is a running director with everything around it.
type manager struct {
	o       Options
	log     *slog.Logger
	started time.Time
	cancel  context.CancelFunc
	tasks   sync.WaitGroup
	failed  chan error // of a worker or a task

	director *dataplane.Director
	admin    *director.Director // ipvsadm's view of it
	arp      *arp.Service
	sender   *arp.PacketSender
	shield   *shield.Shield
	checks   *check.Runner
	router   *drroute.Router // nil: no DR checks
	listener net.Listener

	mu         sync.Mutex // guards what follows; held while the director is edited
	cfg        *keepalived.Config
	plan       *plan
	downChecks map[string]error // by ID
	down       map[string]error // servers that have one of them
	ports      map[int]*ports   // by interface index
	local      local
	active     bool
	configTime time.Time
	configErr  error
	reloads    int // tried so far
}

func newManager(o Options) (m *manager, err error) {
	m = &manager{o: o, log: o.Log, started: time.Now(), failed: make(chan error, 16),
		down: map[string]error{}, downChecks: map[string]error{}, ports: map[int]*ports{}}
	defer func() {
		if err != nil {
			err = errors.Join(err, m.close())
		}
	}()
	conns := conntrack.Config{Limit: o.ConnLimit, Room: mapping.Room}
	if _, err := rand.Read(conns.Secret[:]); err != nil {
		return m, fmt.Errorf("seed the connection table: %w", err)
	}
	if m.director, err = dataplane.New(dataplane.Config{Conns: conns, Workers: o.Workers, Tunables: o.Tunables}); err != nil {
		return m, err
	}
	m.admin = director.New(m.director, m.now)
	m.sender = arp.NewPacketSender()
	if m.arp, err = arp.New(arp.Config{Sender: m.sender, Events: m.arpEvent, Changed: m.neighbour,
		Now: func() time.Duration { return time.Since(m.started) }}); err != nil {
		return m, err
	}
	if m.shield, err = shield.New(); err != nil {
		return m, err
	}
	if m.router, err = openRouter(); err != nil {
		m.log.Warn("real servers are not checked by Direct Routing", "error", err)
	}
	m.openGate()
	m.checks = check.New(check.Config{OnChange: m.checked, Log: m.log})
	if m.listener, err = api.Listen(o.Socket); err != nil {
		return m, err
	}
	return m, nil
}

// openRouter makes ready for DR checks, and cleans up after a predecessor.
func openRouter() (*drroute.Router, error) {
	r, err := drroute.New()
	if err != nil {
		return nil, err
	}
	if err := r.Set(nil); err != nil {
		return nil, errors.Join(err, r.Close())
	}
	return r, nil
}

func (m *manager) run(ctx context.Context, reload <-chan struct{}) error {
	ctx, m.cancel = context.WithCancel(ctx)
	m.task(func() error { return m.arp.Run(ctx) })
	m.task(func() error { return m.sweep(ctx) })
	changed := make(chan struct{}, 1)
	m.task(func() error { return m.watch(ctx, changed) })
	m.task(func() error { return api.Serve(ctx, m.listener, api.Backend{Viewer: m, Inspector: m, Admin: m.admin}) })
	m.task(func() error { return m.sumUp(ctx) })
	if err := m.load(ctx); err != nil {
		return err
	}
	m.awaitNeighbours(ctx)
	if err := m.announce(); err != nil {
		return err
	}
	if m.o.XDP {
		if err := afpacket.ProbeXDP(); err != nil {
			m.log.Info("full batches go the ordinary way, there is no AF_XDP", "error", err)
		} else {
			m.task(func() error { return m.lookForCaptures(ctx) })
		}
	}
	m.o.Notify("READY=1")
	for {
		select {
		case <-ctx.Done():
			m.o.Notify("STOPPING=1")
			m.farewell()
			return nil
		case err := <-m.failed:
			return err
		case <-changed:
			m.log.Info("an interface has changed, the configuration is put in force again")
			m.reload(ctx)
		case <-reload:
			m.o.Notify("RELOADING=1")
			m.reload(ctx)
			m.o.Notify("READY=1")
		}
	}
}

// task runs f beside the rest. Its error ends the director.
func (m *manager) task(f func() error) {
	m.tasks.Go(func() {
		if err := f(); err != nil && !errors.Is(err, context.Canceled) {
			select {
			case m.failed <- err:
			default: // others have failed before
			}
		}
	})
}

func (m *manager) now() int64 { return int64(time.Since(m.started)) }

// reload reads the configuration again and keeps the old one if it is bad.
func (m *manager) reload(ctx context.Context) {
	err := m.load(ctx)
	m.mu.Lock()
	m.configErr = err
	m.reloads++
	m.mu.Unlock()
	if err != nil {
		m.log.Error("reload refused, the last good configuration stays in force", "error", err)
		return
	}
	m.log.Info("configuration reloaded")
}

// load reads the configuration and puts it in force. VIPs that are new to a
// director at work are announced last, when their servers can be sent to.
func (m *manager) load(ctx context.Context) error {
	cfg, err := m.o.Load()
	if err != nil {
		return err
	}
	networks, err := readHost(m.shield.Early() == nil)
	if err != nil {
		return err
	}
	p, err := newPlan(cfg, m.o.Interface, networks)
	if err != nil {
		return err
	}
	for _, s := range p.problems {
		m.log.Error(s)
	}
	if fresh, err := m.exchange(cfg, p); err != nil || !fresh {
		return err
	}
	m.awaitNeighbours(ctx)
	return m.arp.SetVIPs(p.arpVIPs(p, true))
}

// exchange puts p in force instead of the plan there is, or leaves that as it
// was. It reports whether p has VIPs that are to be announced yet.
func (m *manager) exchange(cfg *keepalived.Config, p *plan) (fresh bool, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.enact(cfg, p); err != nil {
		if m.plan == nil {
			return false, err
		}
		return false, errors.Join(err, m.enact(m.cfg, m.plan))
	}
	fresh = m.plan != nil && len(p.arpVIPs(m.plan, true)) < len(p.vips)
	m.cfg, m.plan, m.configTime = cfg, p, time.Now()
	return fresh, nil
}

// arpVIPs are the VIPs of p that old has too.
func (p *plan) arpVIPs(old *plan, active bool) []arp.VIP {
	var all []arp.VIP
	for vip, at := range p.vips {
		if _, ok := old.vips[vip]; ok {
			all = append(all, arp.VIP{Addr: vip, Ifindex: int32(at.link.Index), MAC: at.mac(), Active: active})
		}
	}
	return all
}

// enact makes everything as p says: shield first, so that the kernel is silent
// before the first frame for a new VIP comes, ports before ARP, which hears
// through them, announcements last, and those of new VIPs not at all if there
// is a plan already. The caller holds m.mu.
func (m *manager) enact(cfg *keepalived.Config, p *plan) error {
	var own []frame.Addr
	for vip := range p.vips {
		own = append(own, frame.AddrFrom(vip))
	}
	if err := m.shield.Set(m.guards(p, m.local.ifindex != 0)); err != nil {
		return err
	}
	if err := m.shield.Early(); err != nil {
		m.log.Info("the kernel's own copies of frames are dropped by its routing: at ingress it would be cheaper", "error", err)
	}
	if err := m.openPorts(p); err != nil {
		return err
	}
	setTimeouts(m.director, cfg.Global.Timeouts)
	if err := m.arp.SetTargets(p.targets()); err != nil {
		return err
	}
	for _, n := range m.arp.Neighbours() {
		m.director.SetNeighbour(frame.AddrFrom(n.IP), n.MAC, p.servers[n.IP].dataplane())
	}
	if err := m.setChecks(cfg, p); err != nil {
		return err
	}
	if err := apply(m.director, p.wanted(m.up), m.now()); err != nil {
		return err
	}
	m.forgetNeighbours(p)
	m.director.SetVIPs(own) // after their services: what none takes is refused
	m.serveLocal(p)
	old := m.plan
	if old == nil {
		old = p
	}
	return m.arp.SetVIPs(p.arpVIPs(old, m.active))
}

// guards are what the shield hides for p, with or without the interface of this
// host's own clients. The caller holds m.mu.
func (m *manager) guards(p *plan, local bool) []shield.Guard {
	var all []shield.Guard
	for vip, at := range p.vips {
		all = append(all, shield.Guard{VIP: vip, Interface: at.link.Name})
		if local {
			all = append(all, shield.Guard{VIP: vip, Interface: localclient.DirectorEnd})
		}
	}
	return all
}

// setTimeouts puts t in force, and the defaults where it says nothing, whatever
// was in force before.
func setTimeouts(d *dataplane.Director, t keepalived.Timeouts) {
	all := conntrack.DefaultTimeouts()
	all.Set(int(t.TCP), int(t.TCPFin), int(t.UDP))
	d.SetTimeouts(all.TCP[conntrack.Established], all.TCP[conntrack.FinWait], all.UDP)
}

// targets are the real servers whose MAC addresses are wanted.
func (p *plan) targets() []arp.Target {
	var all []arp.Target
	for addr, at := range p.servers {
		all = append(all, arp.Target{IP: addr, Ifindex: int32(at.link.Index), SourceIP: at.source, SourceMAC: at.mac()})
	}
	return all
}

// up reports whether a server's checks say that it is. The caller holds m.mu.
func (m *manager) up(server string) bool { return m.down[server] == nil }

// neighbour passes a real server's MAC address on.
func (m *manager) neighbour(c arp.Change) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.plan == nil {
		return // enact will ask
	}
	// It may have been under way when a reload moved the server.
	if at, ok := m.plan.servers[c.IP]; ok && int32(at.link.Index) == c.Ifindex {
		m.director.SetNeighbour(frame.AddrFrom(c.IP), c.New, at.dataplane())
	}
}

// forgetNeighbours takes the MAC addresses of the real servers that p has not
// any more from the director. The caller holds m.mu.
func (m *manager) forgetNeighbours(p *plan) {
	if m.plan == nil {
		return
	}
	for addr := range m.plan.servers {
		if _, ok := p.servers[addr]; !ok {
			m.director.SetNeighbour(frame.AddrFrom(addr), frame.MAC{}, dataplane.Link{})
		}
	}
}

// arpEvent logs what an operator should know.
func (m *manager) arpEvent(e arp.Event) {
	level := slog.LevelWarn
	if e.Kind == arp.RealServerFound {
		level = slog.LevelInfo
	}
	attrs := []any{"event", e.Kind.String()}
	if e.Suppressed > 0 {
		attrs = append(attrs, "suppressed", e.Suppressed)
	}
	m.log.Log(context.Background(), level, e.Text, attrs...)
}

// awaitNeighbours waits until every real server has a MAC address, so that the
// first clients are served, but no longer than arpPatience.
func (m *manager) awaitNeighbours(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, arpPatience)
	defer cancel()
	for m.missingNeighbour() {
		select {
		case <-ctx.Done():
			return
		case <-time.After(10 * time.Millisecond):
		}
	}
}

func (m *manager) missingNeighbour() bool {
	for _, n := range m.arp.Neighbours() {
		if n.MAC == (frame.MAC{}) {
			return true
		}
	}
	return false
}

// announce begins to take packets for the VIPs and to answer ARP for them.
func (m *manager) announce() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.active = true
	if err := m.openPorts(m.plan); err != nil {
		return err
	}
	m.serveLocal(m.plan)
	if err := m.arp.SetVIPs(m.plan.arpVIPs(m.plan, true)); err != nil {
		return err
	}
	for vip, at := range m.plan.vips {
		m.log.Info("announcing", "vip", vip.String(), "interface", at.link.Name, "mac", at.link.HardwareAddr.String())
	}
	return nil
}

// sweepInterval is how often a tenth of the table is swept; less often while
// many connections end.
const sweepInterval = 100 * time.Millisecond

func (m *manager) sweep(ctx context.Context) error {
	tick := time.NewTicker(sweepInterval)
	defer tick.Stop()
	share := (m.director.Chunks() + 9) / 10
	for turn := 1; ; turn++ {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			if turn%10 == 0 {
				m.director.Defend(m.now(), mathrand.Uint64)
			}
			m.director.SweepBeside(m.now(), share, func(ns int64) {
				if ctx.Err() == nil {
					time.Sleep(time.Duration(ns))
				}
			})
		}
	}
}

// sumUp sums up the counters that ipvsadm lists.
func (m *manager) sumUp(ctx context.Context) error {
	tick := time.NewTicker(director.Interval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			m.admin.Tick()
		}
	}
}

// close ends everything and leaves the host as it was found.
func (m *manager) close() error {
	var failed error
	if m.arp != nil {
		failed = m.arp.SetVIPs(nil)
	}
	if m.checks != nil {
		m.checks.Close()
	}
	if m.cancel != nil {
		m.cancel()
	}
	failed = errors.Join(failed, m.closeAllPorts())
	if m.listener != nil {
		m.listener.Close()
	}
	m.tasks.Wait()
	if m.sender != nil {
		failed = errors.Join(failed, m.sender.Close())
	}
	if m.router != nil {
		failed = errors.Join(failed, m.router.Close())
	}
	if m.local.gate != nil {
		failed = errors.Join(failed, m.local.gate.Close())
	}
	if m.shield != nil {
		failed = errors.Join(failed, m.shield.Close(m.plan == nil))
	}
	return failed
}

// setChecks makes the health checks those of p. The caller holds m.mu.
func (m *manager) setChecks(cfg *keepalived.Config, p *plan) error {
	var router check.Router
	if m.router != nil && cfg.Global.DRCheck {
		router = m.router
	}
	specs, paths := p.checks(router, cfg.Global.LogAllFailures)
	if m.router != nil {
		if err := m.router.Set(paths); errors.Is(err, os.ErrPermission) {
			m.log.Warn("real servers are not checked by Direct Routing", "error", err)
			specs, _ = p.checks(nil, cfg.Global.LogAllFailures)
		} else if err != nil {
			m.log.Error("some real servers cannot be checked by Direct Routing yet", "error", err)
		}
	}
	if err := m.checks.Set(specs); err != nil {
		return err
	}
	down := map[string]error{}
	for _, s := range m.checks.States() {
		if s.Up {
			continue
		}
		if down[s.ID] = m.downChecks[s.ID]; down[s.ID] == nil {
			down[s.ID] = errNotYet
		}
	}
	m.downChecks = down
	m.setDown()
	return nil
}

// setDown makes the servers down that have a check that is. The caller holds
// m.mu.
func (m *manager) setDown() {
	m.down = map[string]error{}
	for _, id := range slices.Sorted(maps.Keys(m.downChecks)) {
		if server := checkedServer(id); m.down[server] == nil {
			m.down[server] = m.downChecks[id]
		}
	}
}

var errNotYet = errors.New("no good check yet")

// checked takes the news about a check.
func (m *manager) checked(c check.Change) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, ok := m.checks.State(c.ID); !ok {
		return // it was under way when a reload took the check away
	}
	server := checkedServer(c.ID)
	before := m.up(server)
	switch {
	case c.Up:
		delete(m.downChecks, c.ID)
	case c.Result.Outcome() == check.Bad:
		m.downChecks[c.ID] = c.Result.Err
	}
	m.setDown()
	switch after := m.up(server); {
	case after == before:
		return
	case after:
		m.log.Info("real server is up", "server", server)
	default:
		m.log.Warn("real server is down", "server", server, "error", c.Result.Err)
	}
	if m.plan == nil {
		return // enact will look
	}
	if err := apply(m.director, m.plan.wanted(m.up), m.now()); err != nil {
		m.log.Error("the services are not as they should be", "error", err)
	}
}
