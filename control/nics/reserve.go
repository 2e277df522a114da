package nics

import (
	"errors"
	"net"
	"slices"
	"sync"
	"time"

	"lvsdr/dataplane/afpacket"
)

// A Reserve is ports that are open before there are workers for them: while another process
// serves the same interfaces, and hands its work over. Frames come to both processes:
//
//	Prepare ──▶ of what comes the last waits ──Hold──▶ all waits ──Cut──▶ what the other one has done is given back
//	                                                                           │
//	                                                          Open gives the ports to a NICs ◀┘
type Reserve struct {
	cfg Config

	mu    sync.Mutex // guards what follows, and the rings of the ports
	ready map[reservedFor]*reserved
	tick  *time.Ticker // nil: nothing is given back by itself
	done  chan struct{}
}

// A reservedFor names the place of ports: an interface, and a share of its frames.
type reservedFor struct {
	index int
	share share
}

// reserved are the ports for one of these, with the configuration they were opened with.
type reserved struct {
	cfg   afpacket.Config
	ports []Port
}

// margin is how much later a frame's timestamp may be in one process's ring than in the
// other's: what came so short before the cut is done twice rather than not at all.
const margin = time.Millisecond

// giveBackEvery is how often frames are given back while the other process serves: half a ring has
// room for more than come in it. What was left in the rings is what the other one may not have taken yet
// when it stops.
const giveBackEvery = 2 * time.Millisecond

// NewReserve is a Reserve for a NICs of configuration c, of which the way to open ports, the
// workers and the settings of ports count.
func NewReserve(c Config) *Reserve {
	if c.Open == nil {
		c.Open = open
	}
	c.Workers = max(c.Workers, 1)
	return &Reserve{cfg: c, ready: map[reservedFor]*reserved{}}
}

// Prepare opens the ports of all, and gives back all but the last of what comes to them until Hold. An interface
// that fails is named in the error; the others have ports. On those of offloaded the other process has the kernel
// forward flows, and frames that it leaves carry Config.OffloadMark.
func (r *Reserve) Prepare(all []Wish, offloaded []int) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	var errs []error
	for i := range all {
		base, workers := r.cfg.ports(&all[i])
		for _, s := range shares(slices.Contains(offloaded, all[i].Index)) {
			c, some := s.of(base, workers, r.cfg.OffloadMark)
			ports, err := r.cfg.Open(c, some)
			if err != nil {
				errs = append(errs, err)
				break
			}
			r.ready[reservedFor{all[i].Index, s}] = &reserved{c, ports}
		}
	}
	if r.tick == nil && len(r.ready) > 0 {
		r.tick, r.done = time.NewTicker(giveBackEvery), make(chan struct{})
		go r.giveBack(r.tick.C, r.done)
	}
	return errors.Join(errs...)
}

// giveBack gives frames back at each tick until done is closed.
func (r *Reserve) giveBack(tick <-chan time.Time, done <-chan struct{}) {
	for {
		select {
		case <-done:
			return
		case <-tick:
		}
		r.mu.Lock()
		if r.tick != nil {
			for _, p := range r.ports() {
				p.Thin()
			}
		}
		r.mu.Unlock()
	}
}

// ports are all that were not handed out. The caller holds r.mu.
func (r *Reserve) ports() (all []Port) {
	for _, g := range r.ready {
		all = append(all, g.ports...)
	}
	return all
}

// Hold has all frames wait that come from now on.
func (r *Reserve) Hold() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.stop()
}

// stop ends the giving back. The caller holds r.mu.
func (r *Reserve) stop() {
	if r.tick != nil {
		r.tick.Stop()
		close(r.done)
		r.tick = nil
	}
}

// Cut gives back those of the waiting frames that the other process has done: all that came before
// cut, in nanoseconds of CLOCK_REALTIME, but for a margin.
func (r *Reserve) Cut(cut int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, p := range r.ports() {
		p.Discard(cut - int64(margin))
	}
}

// Open is Config.Open of a NICs: it hands out what was prepared, with the addresses of c, and opens
// what was not.
func (r *Reserve) Open(c afpacket.Config, n int) ([]Port, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	what := reservedFor{c.Interface.Index, share(c.Protocol)}
	g := r.ready[what]
	if g == nil || g.cfg.Interface.Name != c.Interface.Name || g.cfg.Slots != c.Slots || len(g.ports) != n {
		return r.cfg.Open(c, n)
	}
	delete(r.ready, what)
	if !slices.Equal(g.cfg.VIPs, c.VIPs) {
		for _, p := range g.ports {
			if err := p.SetVIPs(c.VIPs); err != nil {
				return nil, errors.Join(err, closeAll(g.ports))
			}
		}
	}
	return g.ports, nil
}

// Close closes the ports that were not handed out.
func (r *Reserve) Close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.stop()
	var errs []error
	for i, g := range r.ready {
		errs = append(errs, closeAll(g.ports))
		delete(r.ready, i)
	}
	return errors.Join(errs...)
}

// closeAll closes ports.
func closeAll(ports []Port) error {
	var errs []error
	for _, p := range ports {
		errs = append(errs, p.Close())
	}
	return errors.Join(errs...)
}

// ports is how the ports of w are opened, and how many.
func (c *Config) ports(w *Wish) (afpacket.Config, int) {
	out := afpacket.Config{Interface: &net.Interface{Index: w.Index, Name: w.Name, MTU: w.MTU},
		VIPs: w.VIPs, Sources: w.Sources, Errors: w.Errors, Neighbours6: !w.Local, XDP: c.XDP && !w.Local, Spin: c.Spin}
	if w.Local {
		out.Slots, out.SYNSlots = localSlots, localSYNSlots
		return out, 1
	}
	return out, c.Workers
}
