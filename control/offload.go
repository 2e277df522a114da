package control

import (
	"context"
	"fmt"
	"time"

	"lvsdr/conntrack"
	"lvsdr/control/api"
	"lvsdr/control/nics"
	"lvsdr/control/policyroute"
	"lvsdr/dataplane/offload"
)

// An Offload says whether the kernel forwards established flows.
type Offload string

// The kinds of offload.
const (
	NoOffload Offload = "off"
	TCOffload Offload = "tc" // by a BPF program at the ingress of interfaces
	// PeerOffload is TCOffload, and frames go past the queue of the interface by which they leave, where that has
	// a peer in another network namespace.
	PeerOffload Offload = "tc,peer"
)

// Check says what is wrong with o; nil: nothing.
func (o Offload) Check() error {
	switch o {
	case NoOffload, TCOffload, PeerOffload, "":
		return nil
	}
	return fmt.Errorf("%q: not off, tc or tc,peer", o)
}

// wanted reports whether the kernel is to forward flows.
func (o Offload) wanted() bool { return o == TCOffload || o == PeerOffload }

// offloadTick is how often the kernel is told the time, and what connections ended.
const offloadTick = 100 * time.Millisecond

// openOffload makes ready for offload, where it is asked for. Where the kernel refuses, the
// director forwards everything, and says why.
func (d *daemon) openOffload(c *nics.Config) {
	if !d.o.Offload.wanted() {
		return
	}
	if d.o.Takeover != NoTakeover {
		d.offloadProblem = "the kernel forwards no established flows: it cannot take over those of another process"
		d.o.Log.Warn(d.offloadProblem)
		return
	}
	o, err := offload.Open(offload.Config{Core: d.director, Now: d.clock.Now, Mark: policyroute.OffloadMark, Peer: d.o.Offload == PeerOffload})
	if err != nil {
		d.offloadProblem = fmt.Sprintf("the kernel forwards no established flows: %v", err)
		d.o.Log.Warn("the kernel cannot forward established flows; the director does", "error", err)
		return
	}
	d.offload = o
	d.director.SetOffloader(o)
	c.Offload, c.OffloadMark = o, policyroute.OffloadMark
}

// keepOffload tells the kernel the time and takes back what has ended, until ctx ends. While
// packets are traced it forwards none.
func (d *daemon) keepOffload(ctx context.Context) error {
	events := d.director.FollowFlows()
	defer events.Stop()
	buf := make([]conntrack.Flow, 256)
	tick := time.NewTicker(offloadTick)
	defer tick.Stop()
	paused := false
	for {
		if now, traced := d.clock.Now(), d.director.Traced(); traced != paused {
			if paused = traced; traced {
				d.offload.Pause(now)
			} else {
				d.offload.Resume()
			}
		}
		d.offload.Tick(d.clock.Now(), events, buf)
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// closeOffload ends it. The ports are closed.
func (d *daemon) closeOffload() error {
	if d.offload == nil {
		return nil
	}
	d.director.SetOffloader(nil)
	n := d.offload.Counts()
	d.o.Log.Info("the kernel forwards no flows any more", "begun", n.Begun, "ended", n.Ended, "forced", n.Forced, "full", n.Full, "failures", n.Failures)
	return d.offload.Close()
}

// offloadState returns the function that reports the state of offload; nil: offload is not asked for.
func (d *daemon) offloadState() func() *api.Offload {
	if !d.o.Offload.wanted() {
		return nil
	}
	return func() *api.Offload {
		if d.offload == nil {
			return &api.Offload{Problem: d.offloadProblem, Hooks: map[string]string{}}
		}
		n, hooks := d.offload.Counts(), map[string]string{}
		for i, how := range d.offload.Hooks() {
			hooks[d.nics.Name(i)] = how
		}
		exits := map[string]string{}
		for i, why := range d.offload.Exits() {
			exits[d.nics.Name(i)] = why
		}
		return &api.Offload{Hooks: hooks, Exits: exits, Flows: n.Now, Packets: d.director.Offloaded(), Begun: n.Begun, Ended: n.Ended, Forced: n.Forced, Full: n.Full, Refused: n.Failures}
	}
}
