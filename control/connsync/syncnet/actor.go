package syncnet

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"

	"lvsdr/control/certs"
	"lvsdr/control/connsync/daemon"
)

// A Config holds the parts that an Actor needs. All fields but Dial and Fetched are required.
type Config struct {
	Engine Engine
	Log    *slog.Logger
	Wall   func() time.Time
	// Dial connects to another director by TCP; nil: as net.Dialer does.
	Dial func(ctx context.Context, to string) (net.Conn, error)
	// Fetched is told once by each backup daemon, with the number of its Wish, that it has
	// the table of another director, or hears none that gives its table. It must not wait.
	// nil: nothing is told.
	Fetched func(number uint64)
}

// An Actor runs daemons. Set and Close are for one goroutine, Status for any.
type Actor struct {
	c Config

	mu       sync.Mutex // guards what follows
	running  [len(daemon.Roles)]*running
	sent     Sent     // by all masters so far
	received Received // by all backups so far
}

// A running daemon.
type running struct {
	role   daemon.Role
	config daemon.Config
	link   int
	daemon.Peering
	tls      *certs.Source // nil: connections are made without TLS
	tunables Tunables
	number   uint64

	stop   context.CancelFunc
	group  sync.WaitGroup
	master *master
	backup *backup
	joiner *joiner
}

// New makes an Actor without daemons.
func New(c Config) *Actor {
	if c.Dial == nil {
		c.Dial = dialTCP
	}
	return &Actor{c: c}
}

// errNoLink says that the interface of a daemon is not there.
var errNoLink = errors.New("there is no such interface")

// Set starts, changes and stops daemons; see actor.Sync.
func (a *Actor) Set(w daemon.Wish) error {
	var errs []error
	for _, role := range daemon.Roles {
		if err := a.set(role, &w); err != nil {
			errs = append(errs, fmt.Errorf("%s daemon on %s: %w", role, w.Of(role).Interface, err))
		}
	}
	return errors.Join(errs...)
}

func (a *Actor) set(role daemon.Role, w *daemon.Wish) error {
	c, link := w.Of(role), w.Links[role]
	now := a.running[role]
	if now != nil && now.config == c && now.link == link && now.Peering.Equal(&w.Peering) && now.tunables == a.c.Engine.Tunables() {
		return nil
	}
	a.end(role)
	switch {
	case !c.Runs():
		return nil
	case link == 0:
		return errNoLink
	}
	r := &running{role: role, config: c, link: link, Peering: w.Peering, tunables: a.c.Engine.Tunables(), number: w.Number}
	ctx, cancel := context.WithCancel(context.Background())
	r.stop = cancel
	if err := a.openTLS(r); err != nil {
		cancel()
		return err
	}
	start := a.startMaster
	if role == daemon.Backup {
		start = a.startBackup
	}
	if err := start(ctx, r); err != nil {
		cancel()
		r.group.Wait()
		return err
	}
	a.mu.Lock()
	a.running[role] = r
	a.mu.Unlock()
	a.c.Log.Info("sync daemon started", "role", role.String(), "interface", c.Interface, "group", c.Group.String(), "port", c.Port, "syncid", c.SyncID)
	return nil
}

// end stops a role's daemon, if it runs.
func (a *Actor) end(role daemon.Role) {
	r := a.running[role]
	if r == nil {
		return
	}
	r.stop()
	r.group.Wait()
	if role == daemon.Backup {
		a.c.Engine.SetBackup(false)
	}
	a.mu.Lock()
	a.running[role] = nil
	a.mu.Unlock()
	a.c.Log.Info("sync daemon stopped", "role", role.String(), "interface", r.config.Interface)
}

// Close stops all daemons.
func (a *Actor) Close() error {
	for _, role := range daemon.Roles {
		a.end(role)
	}
	return nil
}

// openTLS opens the files of TLS, if there are any.
func (a *Actor) openTLS(r *running) (err error) {
	if r.TLS == (certs.Files{}) {
		return nil
	}
	r.tls, err = certs.Open(r.TLS, certs.SyncWords(), func(err error) {
		a.c.Log.Warn("the files of TLS of connection sync are no good; those before them stay in use", "error", err)
	})
	if err == nil {
		if late := r.tls.Pair().Valid(a.c.Wall()); late != nil {
			a.c.Log.Warn("other directors refuse the certificate of connection sync", "error", late)
		}
	}
	return err
}

// startMaster opens the sockets of a master.
func (a *Actor) startMaster(ctx context.Context, r *running) error {
	conn, err := dial(r.link, &r.config, r.tunables.SockSize)
	if err != nil {
		return err
	}
	r.master = newMaster(r.config, a.c.Engine, []byte(r.Secret), a.c.Wall, &a.sent, sender(conn, &r.config))
	device := ""
	if len(r.Peers) == 0 {
		device = r.config.Interface
	}
	l, err := listenTCP(ctx, &r.config, device)
	if err != nil {
		a.c.Log.Warn("directors that join cannot ask for this one's connections", "error", err)
	} else {
		r.master.port = r.config.Port
		s := &server{engine: a.c.Engine, secret: []byte(r.Secret), syncID: r.config.SyncID, allowed: r.allowed, tls: tlsOf{r.tls, a.c.Wall}}
		r.group.Go(func() {
			if err := s.serve(ctx, l); err != nil {
				a.c.Log.Warn("directors that join are not answered any more", "error", err)
			}
		})
	}
	r.group.Go(func() {
		defer func() { _ = conn.Close() }()
		r.master.run(ctx)
	})
	return nil
}

// allowed reports whether a director at an address may ask for the table: one that is
// configured, or, where none is, any on the network of the daemon.
func (r *running) allowed(from netip.Addr) bool {
	return len(r.Peers) == 0 || slices.ContainsFunc(r.Peers, func(p netip.AddrPort) bool { return p.Addr() == from })
}

// startBackup opens the sockets of a backup.
func (a *Actor) startBackup(ctx context.Context, r *running) error {
	r.joiner = &joiner{asker: asker{engine: a.c.Engine, secret: []byte(r.Secret), dial: a.c.Dial, tls: tlsOf{r.tls, a.c.Wall}}, wall: a.c.Wall, join: Join{State: Waiting}, digest: Digest{State: Unknown}}
	if a.c.Fetched != nil {
		r.joiner.fetched = func() { a.c.Fetched(r.number) }
	}
	for _, p := range r.Peers {
		r.joiner.peers = append(r.joiner.peers, netip.AddrPortFrom(p.Addr(), cmp.Or(p.Port(), r.config.Port)))
	}
	r.backup = &backup{c: r.config, engine: a.c.Engine, secret: []byte(r.Secret), wall: a.c.Wall, received: &a.received, heard: r.joiner.hear}
	for i := range max(r.tunables.Ports, 1) {
		conn, err := listen(r.link, &r.config, int(r.config.Port)+i, r.tunables.SockSize)
		if err != nil {
			return err
		}
		context.AfterFunc(ctx, func() { _ = conn.Close() })
		r.group.Go(func() {
			if err := r.backup.receive(ctx, conn); err != nil {
				a.c.Log.Error("messages of other directors are not received any more", "error", err)
			}
		})
	}
	a.c.Engine.SetBackup(true)
	r.group.Go(func() { r.joiner.run(ctx) })
	return nil
}

// dialTCP dials a director.
func dialTCP(ctx context.Context, to string) (net.Conn, error) {
	var d net.Dialer
	return d.DialContext(ctx, "tcp", to)
}

// A Peer is a master that a backup hears.
type Peer struct {
	Address  netip.Addr
	Heard    time.Time // its last message
	Messages uint64
	// Numbered says that it is a director of this kind, whose messages have numbers;
	// Lost are those of them that have not come.
	Numbered bool
	Lost     uint64
	Lag      time.Duration // of its last message, by both clocks
}

// A Status is how connection sync stands.
type Status struct {
	Running  daemon.Set
	Sent     Sent
	Received Received
	Peers    []Peer
	Join     Join   // zero: no backup runs
	Digest   Digest // likewise
}

// Status is how it stands now.
func (a *Actor) Status() Status {
	a.mu.Lock()
	defer a.mu.Unlock()
	st := Status{}
	for role, r := range a.running {
		if r != nil {
			st.Running = st.Running.With(daemon.Role(role), r.config)
		}
	}
	if r := a.running[daemon.Master]; r != nil {
		st.Sent = r.master.count()
	} else {
		st.Sent = a.sent
	}
	if r := a.running[daemon.Backup]; r == nil {
		st.Received = a.received
	} else {
		var peers []peer
		st.Received, peers = r.backup.state()
		for _, p := range peers {
			st.Peers = append(st.Peers, Peer{p.addr, p.heard, p.messages, p.stamped, p.lost, p.lag})
		}
		st.Join = r.joiner.joining()
		st.Digest = r.joiner.compared()
	}
	return st
}
