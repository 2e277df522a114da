package control

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"lvsdr/control/api"
	"lvsdr/control/handover"
	"lvsdr/control/keepalived"
	"lvsdr/control/lock"
	"lvsdr/control/nics"
	"lvsdr/control/policyroute"
	"lvsdr/control/shield"
	"lvsdr/control/site"
)

// A Takeover says what a start does about a director that runs.
type Takeover string

// The ways of a start.
const (
	NoTakeover    Takeover = ""        // it is an error
	PlainTakeover Takeover = "wait"    // its work is taken over; an error, if it does not answer
	KillTakeover  Takeover = "kill"    // likewise; one that does not answer is killed
	StandBy       Takeover = "standby" // it is left alone until it has ended
)

// runSuccessor runs a director that takes over from the one that runs, if there is one.
func runSuccessor(ctx context.Context, o Options, reload <-chan struct{}) error {
	first, err := readFile(ctx, &o)
	if ctx.Err() != nil {
		return nil
	}
	if err != nil {
		return err
	}
	from, err := handover.Dial(handover.Path(o.Socket), o.Version)
	if from != nil {
		defer func() { _ = from.Close() }()
	}
	if err == nil && first.cfg != nil && len(first.cfg.VRRP.Instances) > 0 {
		return fmt.Errorf("take over from process %d: the roles of VRRP instances cannot be taken over yet: restart the director, and another one has the addresses meanwhile", from.PID())
	}
	if errors.Is(err, handover.ErrNobody) {
		o.Log.Info("there is no director to take over from")
		return runAlone(ctx, o, &first, reload)
	}
	if err == nil {
		defer withSpare(max(o.Workers, 1) + 1)()
		usual := collectSeldom()
		rest := o.giveBack(&first)
		var d *daemon
		if d, err = takeOver(&o, from, first); err == nil {
			d.served = func() { usual(); rest() }
			return errors.Join(d.run(ctx, first, reload), d.close(), d.only.Close())
		}
	}
	if errors.Is(err, handover.ErrSilent) && o.Takeover == KillTakeover {
		o.Log.Warn("the director that runs is killed, as it does not answer", "process", from.PID())
		if err := from.Kill(); err != nil {
			return err
		}
		return runAlone(ctx, o, &first, reload)
	}
	return err
}

// takeOver takes the work of the director at the other end. Where it fails that one goes on, and what was opened is closed,
// unless the work was taken already.
func takeOver(o *Options, from *handover.Taker, first loaded) (d *daemon, err error) {
	var h heritage
	if err := from.State(&h); err != nil {
		return nil, err
	}
	if h.Site == nil || h.Table != tableForm() {
		return nil, fmt.Errorf("take over from process %d: the connection table of its version %s has another form: stop it and start this one; with --resume and a scheduler that hashes its connections go on",
			from.PID(), from.Version)
	}
	if !h.Kept || o.tableFile() == "" {
		o.Log.Warn("the connection table is in no file and is not taken over; packets of connections from before are scheduled", "for", o.Resume, "remedy", "--table")
	}
	o.Log.Info("taking over", "process", from.PID(), "version", from.Version)
	d = &daemon{o: o, heritage: &h, left: true} // until the commit nothing on the host is ours
	defer func() {
		if err != nil {
			err = errors.Join(err, d.close())
		}
	}()
	if err := d.openOutside(); err != nil {
		return d, err
	}
	wishes, err := d.loop.inherit(&h, first)
	if err != nil {
		return d, err
	}
	o.lowest()
	c := d.nicsConfig()
	c.OffloadMark = policyroute.OffloadMark
	var offloaded []int
	if o.Offload.wanted() {
		offloaded = h.Offloaded
	}
	d.reserve = nics.NewReserve(c)
	if err := d.reserve.Prepare(wishes, offloaded); err != nil {
		o.Log.Warn("ports that the director that runs may have cannot be opened", "error", err)
	}
	if err := d.prepareDirector(); err != nil {
		return d, err
	}
	if err := d.commit(from); err != nil {
		return d, err
	}
	return d, d.openEngine()
}

// commit takes the work.
func (d *daemon) commit(from *handover.Taker) error {
	d.reserve.Hold()
	cut, files, err := from.Stop()
	if err != nil {
		return err
	}
	d.reserve.Cut(cut)
	d.loop.converge.cut = time.Unix(0, cut)
	err = from.Commit()
	if err != nil {
		for _, f := range files {
			_ = unix.Close(f.FD)
		}
		return err
	}
	d.left = false
	return d.inheritFiles(files)
}

// inheritFiles takes over the sockets of the process before this one.
func (d *daemon) inheritFiles(files []handover.File) (err error) {
	d.files = map[string]net.Listener{}
	for _, f := range files {
		if f.Name == lockFile {
			var lockErr error
			d.only, lockErr = lock.Inherit(f.FD)
			err = errors.Join(err, lockErr)
			continue
		}
		file := os.NewFile(uintptr(f.FD), f.Name)
		l, fileErr := net.FileListener(file)
		_ = file.Close() // l has its own
		if fileErr != nil {
			d.o.Log.Warn("a socket cannot be taken over, and is opened anew", "socket", f.Name, "error", fileErr)
			continue
		}
		d.files[f.Name] = l
	}
	return err
}

// inherited is the listener that the process before this one had handed over by name, if it is at addr; nil: there is none. One
// at another address is closed.
func (d *daemon) inherited(name, addr string) net.Listener {
	l := d.files[name]
	if l == nil {
		return nil
	}
	delete(d.files, name)
	unixAt, isUnix := l.(*net.UnixListener)
	if isUnix {
		unixAt.SetUnlinkOnClose(true)
	}
	if !sameAddr(l.Addr(), addr) {
		_ = l.Close() // another one is opened
		return nil
	}
	if isUnix {
		if fd, ok := descriptor(l); ok {
			_ = unix.Listen(fd, unix.SOMAXCONN) // those who connect are told of this process from here on
		}
	}
	return l
}

// sameAddr reports whether a listener's address is the one that addr asks for.
func sameAddr(a net.Addr, addr string) bool {
	if a.String() == addr {
		return true
	}
	is, err := netip.ParseAddrPort(a.String())
	want, wantErr := netip.ParseAddrPort(addr)
	if err != nil || wantErr != nil || is.Port() != want.Port() {
		return false
	}
	return is.Addr().Unmap() == want.Addr().Unmap() || is.Addr().IsUnspecified() && want.Addr().IsUnspecified()
}

// inherit makes the State that of the successor of the process that knows h, with the file first in force, and gives
// the interfaces on which ports are wanted. It changes nothing on the host, but that VIPs are hidden which were not.
func (l *loop) inherit(h *heritage, first loaded) ([]nics.Wish, error) {
	l.reading.want()
	if !l.readNow() {
		return nil, fmt.Errorf("take over: %w", errors.Join(errors.New("the networks of this host cannot be read"), l.reading.err))
	}
	cfg := first.cfg
	if cfg == nil {
		cfg = &keepalived.Config{}
	}
	next, _, err := l.state.Apply(site.Inherited{Heritage: h.Site, Host: l.snap})
	if err == nil {
		next, l.untold, err = next.Apply(site.Loaded{Config: cfg, Host: l.snap, At: l.now()})
	}
	if err != nil {
		return nil, fmt.Errorf("take over: %w", err)
	}
	l.state, l.heir = next, true
	for _, path := range h.Filled {
		l.reloads.filled[path] = true
	}
	return l.converge.prepare(l.state, h.Guards), nil
}

// prepare does what can be done while another process serves what s wishes, whose guards stand, and gives
// the interfaces on which ports are wanted.
func (c *converger) prepare(s *site.State, standing []shield.Guard) []nics.Wish {
	for _, g := range standing {
		c.guarded[g] = true
	}
	c.openRedirect(s)
	c.raiseGuards(s)
	return c.portsOf(s)
}

// enter has what was inherited come into force: the process before this one has left.
func (l *loop) enter(first loaded) {
	if first.cfg == nil {
		return
	}
	report(l.log, first.found)
	l.configure(first.cfg)
	l.note(first)
	for i := range l.untold {
		l.tell(&l.untold[i])
	}
	l.untold = nil
}

// listen opens the control socket, or takes over that of the process before this one.
func (d *daemon) listen() (err error) {
	if d.listener = d.inherited(apiFile, d.o.Socket); d.listener != nil {
		return nil
	}
	d.listener, err = api.Listen(d.o.Socket)
	return err
}
