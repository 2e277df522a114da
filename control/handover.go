package control

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"slices"
	"syscall"
	"time"

	"lvsdr/arp"
	"lvsdr/control/check"
	"lvsdr/control/handover"
	"lvsdr/control/shield"
	"lvsdr/control/site"
)

// A heritage is the message of a director to its successor. A build that knows more leaves what it
// is not told at its start value.
type heritage struct {
	Site      *site.Heritage
	Checks    []check.Saved
	Announced []arp.VIP
	Known     []arp.Known     // MAC addresses of real servers
	Guards    []shield.Guard  // that stand
	Answers   []shield.Answer // that the host is kept from; nil: not told
	FIFOs     []string        // that this process, or one before it, made
	Filled    []string        // files of checks that have got their numbers
	Table     string          // the form of the connection table
	Kept      bool            // the table is in a file
	Offloaded []int           // interfaces at which the kernel forwards flows
}

// The names of the descriptors that are handed over.
const (
	lockFile    = "lock"
	apiFile     = "api"
	metricsFile = "metrics"
	ownFile     = "handover"
)

// errLeft says that a successor has the work. It ends the loop, and is no error.
var errLeft = errors.New("a successor has taken over")

// A handRequest asks the loop to hand over.
type handRequest struct {
	session *handover.Session
	done    chan<- struct{} // closed when the loop goes on, or has ended
}

// openHandover opens the socket at which successors ask, unless a process before this one has handed it over. A
// director without it works, and cannot be taken over.
func (d *daemon) openHandover() {
	if l := d.inherited(ownFile, handover.Path(d.o.Socket)); l != nil {
		d.succession, _ = l.(*net.UnixListener)
	}
	if d.succession != nil {
		return
	}
	l, err := handover.Listen(handover.Path(d.o.Socket))
	if err != nil {
		d.o.Log.Warn("another process cannot take over from this one", "error", err)
		return
	}
	d.succession = l
}

// handOver answers processes that want to take over.
func (d *daemon) handOver(ctx context.Context) error {
	h := &handover.Handler{Version: d.o.Version,
		Give: func(s *handover.Session) {
			done := make(chan struct{})
			d.loop.box.put(nil, handRequest{s, done})
			select {
			case <-done:
			case <-d.loop.ended:
			}
		}}
	return h.Serve(ctx, d.succession)
}

// handOver is the loop's part: until it is over, no event is taken. It reports whether a successor has the work.
func (l *loop) handOver(m handRequest) (gone bool) {
	defer close(m.done)
	defer l.busy()()
	l.log.Info("a process asks to take over", "process", m.session.PID(), "version", m.session.Version)
	gone, err := m.session.Give(l.giver)
	if gone {
		l.log.Info("it has taken over, and this process ends", "process", m.session.PID())
		return true
	}
	l.log.Warn("it has not taken over; nothing has changed", "process", m.session.PID(), "error", err)
	return false
}

// busy answers the watchdog for the loop until the returned function is called: the time is bounded.
func (l *loop) busy() (over func()) {
	tick := time.NewTicker(time.Second)
	done := make(chan struct{})
	go func() {
		for {
			select {
			case <-done:
				return
			case <-tick.C:
				l.owes.Store(false)
			}
		}
	}()
	return func() { tick.Stop(); close(done) }
}

// A giver is a daemon that hands over. The loop calls its methods.
type giver struct {
	*daemon
	rests bool // the workers do
	quiet bool // nothing else writes to the connection table
}

var _ handover.Giver = (*giver)(nil)

// State implements handover.Giver.
func (g *giver) State() any {
	g.loop.gate.Lock() // the sweep may take a while; frames do not wait for it
	g.quiet = true
	l := g.loop
	h := &heritage{Site: l.state.Heritage(), Checks: g.checks.Save(), FIFOs: g.notifier.Made(), Table: tableForm(), Kept: g.table != nil}
	for _, v := range l.converge.announced {
		h.Announced = append(h.Announced, v)
	}
	for i := range h.Site.MACs {
		n := &h.Site.MACs[i]
		h.Known = append(h.Known, arp.Known{IP: n.Addr, Ifindex: int32(n.Ifindex), MAC: n.MAC})
	}
	if g.offload != nil {
		h.Offloaded = slices.Sorted(maps.Keys(g.offload.Hooks()))
	}
	for guard := range l.converge.guarded {
		h.Guards = append(h.Guards, guard)
	}
	h.Answers = append([]shield.Answer{}, l.converge.answered...)
	for path := range l.reloads.filled {
		h.Filled = append(h.Filled, path)
	}
	return h
}

// Stop implements handover.Giver.
func (g *giver) Stop() (cut int64, files []handover.File) {
	g.rests = true
	cut = g.nics.Pause()
	for name, l := range map[string]net.Listener{lockFile: g.only.Listener(), apiFile: g.listener, metricsFile: g.metrics.get(), ownFile: g.succession} {
		if fd, ok := descriptor(l); ok {
			files = append(files, handover.File{Name: name, FD: fd})
		}
	}
	return cut, files
}

// descriptor is that of l, which stays l's own; false: there is none.
func descriptor(l net.Listener) (fd int, ok bool) {
	c, is := l.(syscall.Conn)
	if !is {
		return -1, false
	}
	raw, err := c.SyscallConn()
	if err != nil {
		return -1, false
	}
	err = raw.Control(func(p uintptr) { fd = int(p) })
	return fd, err == nil
}

// Leave implements handover.Giver.
func (g *giver) Leave(pid int) {
	g.left = true
	g.leaveOffload()
	if err := g.sealTable(); err != nil {
		g.o.Log.Error("the successor cannot have the connection table", "error", err)
	}
	g.o.Notify(fmt.Sprintf("MAINPID=%d", pid)) // from here on the service manager listens to the successor
	for _, l := range []net.Listener{g.listener, g.succession, g.metrics.get()} {
		leave(l)
	}
	if g.remote != nil {
		_ = g.remote.Close()
	}
	_ = g.only.Close() // the successor has it, too
	g.only = nil
}

// leave closes l, whose socket the successor has, and leaves its name where it is.
func leave(l net.Listener) {
	if u, ok := l.(*net.UnixListener); ok && u != nil {
		u.SetUnlinkOnClose(false)
	}
	if fd, ok := descriptor(l); ok && fd >= 0 {
		_ = l.Close()
	}
}

// Resume implements handover.Giver.
func (g *giver) Resume() {
	if g.rests {
		g.rests = false
		g.nics.Resume()
	}
	if g.quiet {
		g.quiet = false
		g.loop.gate.Unlock()
	}
}
