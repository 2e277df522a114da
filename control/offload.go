package control

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"lvsdr/conntrack"
	"lvsdr/control/api"
	"lvsdr/control/boot"
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

// PinsDir is where what the kernel forwards outlives the director, unless Options.OffloadPins says otherwise.
const PinsDir = "/sys/fs/bpf/lvsdr"

// offloadTick is how often the kernel is told the time, and what connections ended.
const offloadTick = 100 * time.Millisecond

// offloadSettle is how long after a start the flows of the process before are forwarded to
// addresses that this one does not serve yet, and to servers whose MAC addresses it does not
// know yet. An instance of VRRP is a master again within it.
const offloadSettle = 5 * time.Second

// pinsDir is the folder of this network namespace in base; "": there can be none.
func pinsDir(base string) string {
	cookie, err := boot.Namespace()
	if base == "" || base == TableOff || err != nil || cookie == 0 {
		return ""
	}
	return filepath.Join(base, fmt.Sprintf("net-%x", cookie))
}

// pins say what of the kernel's part outlives the process: all, if the connection table does.
func (d *daemon) pins() offload.Pins {
	p := offload.Pins{Dir: pinsDir(d.o.OffloadPins)}
	if d.table == nil {
		return offload.Pins{}
	}
	was, _ := d.director.TakenOver()
	p.Own = offload.Owner{PID: os.Getpid(), Since: d.table.Kept().Head.Since}
	p.From = offload.Owner{PID: was.PID, Since: was.Since}
	return p
}

// openOffload makes ready for offload, where it is asked for. Where the kernel refuses, the
// director forwards everything, and says why.
func (d *daemon) openOffload(c *nics.Config) {
	pins := d.pins()
	if !d.o.Offload.wanted() || pins.Dir == "" {
		if err := offload.Unpin(pinsDir(d.o.OffloadPins)); err != nil {
			d.o.Log.Warn("what the kernel forwards for a director before this one could not be removed", "error", err)
		}
	}
	if !d.o.Offload.wanted() {
		return
	}
	o, err := offload.Open(offload.Config{Core: d.director, Now: d.clock.Now, Mark: policyroute.OffloadMark, Pins: pins, Peer: d.o.Offload == PeerOffload})
	if err != nil {
		d.offloadProblem = fmt.Sprintf("the kernel forwards no established flows: %v", err)
		d.o.Log.Warn("the kernel cannot forward established flows; the director does", "error", err)
		return
	}
	d.offload = o
	d.director.SetOffloader(o)
	c.Offload, c.OffloadMark = o, policyroute.OffloadMark
	dir, why := o.Kept()
	if n := o.Counts().Adopted; n > 0 {
		d.o.Log.Info("the kernel has gone on forwarding established flows", "flows", n)
	}
	if dir == "" || why != "" {
		d.o.Log.Info("established flows that the kernel forwards", "outlive_the_director", dir != "", "reason", why)
	}
}

// keepOffload tells the kernel the time and takes back what has ended, until ctx ends. While
// packets are traced it forwards none.
func (d *daemon) keepOffload(ctx context.Context) error {
	events := d.director.FollowFlows()
	defer events.Stop()
	buf := make([]conntrack.Flow, 256)
	tick := time.NewTicker(offloadTick)
	defer tick.Stop()
	settled, paused, warned := false, false, false
	for {
		d.loop.gate.Lock()
		if ctx.Err() != nil { // a successor may have the kernel's part
			d.loop.gate.Unlock()
			return nil
		}
		now := d.clock.Now()
		if traced := d.director.Traced(); traced != paused {
			if paused = traced; traced {
				d.offload.Pause(now)
			} else {
				d.offload.Resume()
			}
		}
		if !settled && now-d.began >= int64(offloadSettle) {
			settled = true
			if err := d.offload.Settle(); err != nil {
				d.o.Log.Warn("not all that the kernel forwarded for the director before this one is removed", "error", err)
			}
		}
		err := d.offload.Tick(now, events, buf)
		d.loop.gate.Unlock()
		if err != nil && !warned {
			warned = true
			d.o.Log.Warn("the kernel is not told that the director runs, and forwards no flows before long", "error", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// leaveOffload has the next process go on with what the kernel forwards.
func (d *daemon) leaveOffload() {
	if d.offload != nil {
		d.offload.Leave()
	}
}

// closeOffload ends it. The ports are closed.
func (d *daemon) closeOffload() error {
	if d.offload == nil {
		return nil
	}
	d.director.SetOffloader(nil)
	n := d.offload.Counts()
	d.o.Log.Info("the director is done with what the kernel forwards", "begun", n.Begun, "ended", n.Ended, "forced", n.Forced, "full", n.Full, "failures", n.Failures)
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
		dir, why := d.offload.Kept()
		for i, how := range d.offload.Hooks() {
			hooks[d.nics.Name(i)] = how
		}
		exits := map[string]string{}
		for i, why := range d.offload.Exits() {
			exits[d.nics.Name(i)] = why
		}
		return &api.Offload{Hooks: hooks, Exits: exits, Flows: n.Now, Packets: d.director.Offloaded(), Begun: n.Begun, Ended: n.Ended, Forced: n.Forced, Full: n.Full, Refused: n.Failures,
			Adopted: n.Adopted, Pinned: dir, Unpinned: why}
	}
}
