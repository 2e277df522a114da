package nics

import (
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"lvsdr/dataplane"
	"lvsdr/dataplane/afpacket"
	"lvsdr/dataplane/frame"
)

// A Port is a port as afpacket has them.
type Port interface {
	dataplane.NIC
	// SetVIPs replaces the addresses whose frames are handed out.
	SetVIPs([]netip.Addr) error
	// SetRouters says whether frames to virtual routers' MAC addresses are handed out, too,
	// from the next SetVIPs on.
	SetRouters(bool)
	// SetBackward replaces the addresses from which frames are handed out, and says whether
	// all ICMP errors are, from the next SetVIPs on.
	SetBackward(sources []netip.Addr, errors bool)
	// SetVisible says whether captures must see everything that is sent.
	SetVisible(bool)
	// XDPError is why the port cannot send by AF_XDP; nil: it can.
	XDPError() error
	// Sockets is how many packet sockets the port has on its interface.
	Sockets() int
	// Start, Oldest, Thin and Discard are for handing work over between processes; see
	// afpacket.NIC.
	Start()
	Oldest() (at int64, ok bool)
	Thin()
	Discard(until int64) int
}

// A Wish is an interface that ports are wanted on.
type Wish struct {
	Index int // of the interface
	Name  string
	MTU   int // bytes
	// VIPs are the addresses whose frames are taken; none: only ARP and
	// neighbour discovery are.
	VIPs []netip.Addr
	// Sources are the addresses of the servers whose answers are taken, sorted; with Errors
	// all ICMP errors are.
	Sources []netip.Addr
	Errors  bool
	// MACs are further addresses of the interface, sorted: those of virtual routers. The
	// interface takes frames to them as well.
	MACs []frame.MAC
	// Local says that only this host itself sends to the interface: one port
	// with a small ring is enough, and its queueing discipline does not matter.
	Local bool
}

// How many frames, and SYNs, from this host's own clients may wait: 8 MiB and 256 KiB.
const (
	localSlots    = 124
	localSYNSlots = 1024
)

// Config is the configuration of NICs.
type Config struct {
	Director *dataplane.Director // for whom the workers work; required
	ARP      dataplane.ARPSink   // takes ARP and neighbour discovery
	Now      func() int64        // the workers' clock, ns; required
	Workers  int                 // on each interface; 0: one
	// XDP allows to send by AF_XDP while nothing would miss the frames.
	XDP bool
	// Spin is how long a worker watches for frames before it sleeps, see
	// afpacket.Config.
	Spin time.Duration
	// Offload has the kernel forward flows; nil: it does not. OffloadMark is what frames
	// carry that it leaves to the ports.
	Offload     Offloading
	OffloadMark uint32
	// Lost is told that an interface's ports failed, because it was deleted, say.
	// The next Set opens them anew. It is called from the worker's goroutine and
	// must not block; nil: nothing is told.
	Lost func(ifindex int, err error)
	Log  *slog.Logger // nil: nothing is logged
	// Open opens n ports; nil: afpacket.OpenGroup.
	Open func(c afpacket.Config, n int) ([]Port, error)
	// Host says who looks at what is sent; nil: this host is asked.
	Host Host
}

// NICs are the ports of one director. All methods may be called from any
// goroutine; Stats and Name wait for none of the others.
type NICs struct {
	cfg   Config
	state atomic.Pointer[state]

	mu  sync.Mutex // held by Set and Look
	why string     // frames are not sent by AF_XDP; "": they are
}

// A state is never changed, only replaced.
type state struct {
	groups map[int]*group                // by interface index
	closed map[string]dataplane.NICStats // counters of ports that were closed, by interface name
}

// A group is the ports of one interface, each with its worker.
type group struct {
	index   int
	name    string
	local   bool
	ports   []Port
	members []*dataplane.Worker // one for each port
	workers sync.WaitGroup
	failed  atomic.Bool // a worker has ended with an error

	shares  []share    // of the ports
	offload Offloading // nil: the kernel forwards no flows

	vips    []netip.Addr // guarded by NICs.mu
	sources []netip.Addr // guarded by NICs.mu
	errors  bool         // guarded by NICs.mu
	macs    []frame.MAC  // guarded by NICs.mu
	more    *memberships // guarded by NICs.mu; nil: there are no macs
	mixed   bool         // guarded by NICs.mu: some ports have others than vips
}

// New makes NICs without ports.
func New(c Config) *NICs {
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Open == nil {
		c.Open = open
	}
	if c.Host == nil {
		c.Host = host{}
	}
	c.Workers = max(c.Workers, 1)
	n := &NICs{cfg: c}
	n.state.Store(&state{groups: map[int]*group{}, closed: map[string]dataplane.NICStats{}})
	return n
}

// open opens a group of afpacket's ports.
func open(c afpacket.Config, n int) ([]Port, error) {
	group, err := afpacket.OpenGroup(c, n)
	ports := make([]Port, len(group))
	for i, p := range group {
		ports[i] = p
	}
	return ports, err
}

// Set opens, changes and closes ports until there are those of all. It returns
// what failed by interface index; nil: nothing. An interface that failed may have
// ports or not, and is to be set again; all others are served. Ports that stay
// lose no frame of the addresses that stay.
func (n *NICs) Set(all []Wish) map[int]error {
	n.mu.Lock()
	defer n.mu.Unlock()
	var failed map[int]error
	note := func(ifindex int, err error) {
		if err != nil && failed == nil {
			failed = map[int]error{}
		}
		if err != nil {
			failed[ifindex] = errors.Join(failed[ifindex], err)
		}
	}
	wanted := map[int]string{}
	for i := range all {
		wanted[all[i].Index] = all[i].Name
	}
	for i, g := range n.state.Load().groups {
		if wanted[i] != g.name || g.failed.Load() {
			note(i, n.close(g))
		}
	}
	opened := false
	for i := range all {
		if g := n.state.Load().groups[all[i].Index]; g == nil {
			opened = true
			note(all[i].Index, n.open(&all[i]))
		} else {
			note(g.index, g.setVIPs(&all[i]))
		}
		if g := n.state.Load().groups[all[i].Index]; g != nil {
			note(g.index, g.setMACs(all[i].MACs))
		}
	}
	if opened {
		n.look()
	}
	return failed
}

// change publishes a changed copy of the state.
func (n *NICs) change(f func(*state)) {
	was := n.state.Load()
	is := state{groups: maps.Clone(was.groups), closed: maps.Clone(was.closed)}
	f(&is)
	n.state.Store(&is)
}

// setVIPs changes the addresses that the group takes, and those from which it does.
func (g *group) setVIPs(w *Wish) error {
	if slices.Equal(w.VIPs, g.vips) && slices.Equal(w.Sources, g.sources) && w.Errors == g.errors && !g.mixed {
		return nil
	}
	g.mixed = true
	if g.offload != nil {
		if err := g.offload.SetVIPs(g.index, w.VIPs); err != nil {
			return err
		}
	}
	for i, p := range g.ports {
		p.SetBackward(g.shares[i].vips(w.Sources), w.Errors)
		if err := p.SetVIPs(g.shares[i].vips(w.VIPs)); err != nil {
			return err
		}
	}
	g.vips, g.sources, g.errors, g.mixed = slices.Clone(w.VIPs), slices.Clone(w.Sources), w.Errors, false
	return nil
}

// open opens the ports of w and starts their workers.
func (n *NICs) open(w *Wish) error {
	g := &group{index: w.Index, name: w.Name, local: w.Local, vips: slices.Clone(w.VIPs), sources: slices.Clone(w.Sources), errors: w.Errors}
	if n.offload(w) {
		g.offload = n.cfg.Offload
	}
	members, err := n.openPorts(w, g.offload != nil)
	if err != nil {
		if g.offload != nil {
			err = errors.Join(err, g.offload.Detach(w.Index))
		}
		return err
	}
	for _, m := range members {
		m.port.SetVisible(true) // until Set looks, when all are open
		work := &dataplane.Worker{Director: n.cfg.Director, NIC: m.port, ARP: n.cfg.ARP, Now: n.cfg.Now, Index: m.worker, Local: w.Local}
		if g.offload != nil {
			work.Sent = g.offload.Worker()
		}
		g.ports, g.shares, g.members = append(g.ports, m.port), append(g.shares, m.share), append(g.members, work)
	}
	for _, work := range g.members {
		g.workers.Go(func() { n.work(g, work) })
	}
	n.change(func(s *state) { s.groups[g.index] = g })
	return nil
}

// work runs a worker of g until its port is stopped or fails.
func (n *NICs) work(g *group, w *dataplane.Worker) {
	prompt()
	err := w.Run()
	if err == nil || g.failed.Swap(true) {
		return
	}
	if n.cfg.Lost != nil {
		n.cfg.Lost(g.index, fmt.Errorf("interface %s: %w", g.name, err))
	}
}

// close ends the workers of g, closes its ports and keeps their counters.
func (n *NICs) close(g *group) error {
	for _, p := range g.ports {
		p.Stop()
	}
	g.workers.Wait()
	g.more.close()
	var errs []error
	if g.offload != nil {
		errs = append(errs, g.offload.Detach(g.index))
	}
	for _, p := range g.ports {
		errs = append(errs, p.Close())
	}
	n.change(func(s *state) {
		delete(s.groups, g.index)
		s.closed[g.name] = add(s.closed[g.name], g.stats())
	})
	return errors.Join(errs...)
}

// Close ends all workers and closes all ports. Stats still gives the counters.
func (n *NICs) Close() error {
	return errors.Join(slices.Collect(maps.Values(n.Set(nil)))...)
}

// Name is the name of an interface with ports, or its number.
func (n *NICs) Name(ifindex int) string {
	if g := n.state.Load().groups[ifindex]; g != nil {
		return g.name
	}
	return fmt.Sprintf("interface %d", ifindex)
}
