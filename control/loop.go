package control

import (
	"context"
	"log/slog"
	"maps"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"lvsdr/arp"
	"lvsdr/control/actor"
	"lvsdr/control/api"
	"lvsdr/control/handover"
	"lvsdr/control/inspect"
	"lvsdr/control/localclient"
	"lvsdr/control/neighbour"
	"lvsdr/control/site"
	"lvsdr/control/vrrp"
	"lvsdr/dataplane/frame"
)

// neighbourPatience is how long a VIP waits for the real servers' MAC addresses
// before it is announced.
const neighbourPatience = 1500 * time.Millisecond

// lookEvery is how often ARP is asked whether it still looks for VIPs.
const lookEvery = 50 * time.Millisecond

// A loop owns the State: one goroutine takes messages, makes the next State of
// them, has the actors follow and publishes a view. What others want to know
// they read from the view.
type loop struct {
	log    *slog.Logger
	now    func() time.Duration // the one clock of all events
	wall   func() time.Time
	load   Loader             // of the configuration file; nil: there is none
	notify func(state string) // to the service manager

	box   *mailbox
	feed  *api.Feed
	view  atomic.Pointer[inspect.View]
	ended chan struct{} // closed at the end: messages are not taken any more

	host    actor.Host
	reading part      // of host
	snap    site.Host // as read last

	state    *site.State
	compared *site.State // what the actors were told last
	unviewed bool        // what the actors were told has changed the problems, and no view has them yet
	converge *converger
	links    linkStates
	waiting  map[netip.Addr]time.Duration // VIPs to be announced, with the end of patience
	looked   int                          // VIPs that ARP still looks for before it announces them
	held     []arp.Holder                 // of VIPs that are not announced because of them
	ready    bool                         // READY=1 was sent
	reloads  reloads
	roles    map[string]inspect.Role // by instance, or "group NAME"
	noticed  []noticed               // to be logged
	answers  []func()                // to be given when the actors have followed
	unmet    []string                // what was not served when the view was published
	line     statusLine              // for the service manager
	owes     atomic.Bool             // an answer to wake
	base     inspect.View            // what of a view does not come from the State

	gate   sync.Mutex     // held by whoever writes to the connection table beside workers and the loop
	giver  handover.Giver // hands over to a successor; nil: never
	heir   bool           // the State is the successor's of another process, and the file in it
	untold []site.Notice  // of the file of a successor, which has not taken over yet
	lowest func()         // gives back the descriptors that are kept for ports
	served func()         // is called when the actors have followed the first State
	// patience is how long the first State's MAC addresses are waited for before all that is
	// not needed to forward frames; 0: not at all.
	patience  time.Duration
	strangers []frame.Addr // that tellStrangers has told of
}

// newLoop makes a loop without actors.
func newLoop(o *Options, now func() time.Duration) *loop {
	return &loop{log: o.Log, now: now, wall: time.Now, load: o.Load, notify: o.Notify,
		box: newMailbox(), feed: &api.Feed{}, ended: make(chan struct{}), lowest: func() {}, served: func() {}, patience: answerPatience,
		reloads: reloads{filled: map[string]bool{}}, roles: map[string]inspect.Role{},
		base: inspect.View{Version: o.Version, Started: time.Now(), Workers: max(o.Workers, 1)}}
}

// use gives the loop its actors.
func (l *loop) use(o *Options, a actor.All) {
	so := site.Options{Interface: o.Interface, DRChecks: a.Routes != nil}
	if a.Redirect != nil {
		so.LocalInterface = localclient.DirectorEnd
	}
	l.state = site.New(so)
	l.compared = l.state
	l.host = a.Host
	l.reading = part{name: "networks of this host", log: l.log, due: true}
	l.converge = newConverger(a, l.log, l.now)
	l.converge.links = &l.links
	l.publish(true)
}

// The messages of a loop, beside the events of site and arp.
type (
	// hostChanged says that links, addresses or routes may have changed.
	hostChanged struct{}
	// guardChanged says that somebody may have removed rules of the shield.
	guardChanged struct{}
	// redirectChanged says that somebody may have removed rules for clients on this
	// host.
	redirectChanged struct{}
	// portsLost says that the ports of an interface have failed.
	portsLost struct {
		ifindex int
		err     error
	}
	// taskFailed says that a task that is started again has ended.
	taskFailed struct {
		name string
		err  error
	}
)

// run puts the first configuration in force and takes messages until ctx ends
// or a task fails.
func (l *loop) run(ctx context.Context, first loaded, failed <-chan error) error {
	defer close(l.ended)
	switch {
	case l.heir:
		l.enter(first)
	case first.cfg != nil:
		report(l.log, first.found)
		if err := l.putInForce(first); err != nil {
			return err
		}
	}
	l.serve(ctx)
	l.turn()
	if err := l.converge.denied(); err != nil {
		return err
	}
	l.served()
	timer := time.NewTimer(l.rest())
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			l.farewell()
			return nil
		case err := <-failed:
			return err
		case <-l.box.ready:
		case <-timer.C:
		}
		for _, m := range l.box.take() {
			if ask, ok := m.(handRequest); ok && l.handOver(ask) {
				return errLeft
			}
			l.handle(m)
		}
		l.turn()
		timer.Reset(l.rest())
	}
}

// handle applies a message to the State.
func (l *loop) handle(m any) {
	switch m := m.(type) {
	case site.Event:
		_ = l.apply(m) // those that can be refused come with a request
	case arp.Event:
		l.noticed = append(l.noticed, noticedARP(&m))
	case vrrp.Change:
		l.changed(m)
	case neighbour.Event:
		l.noticed = append(l.noticed, noticedEntry(&m))
	case hostChanged:
		l.reading.want()
	case guardChanged:
		l.converge.checkGuards()
	case redirectChanged:
		l.converge.redirect.want()
	case portsLost:
		l.converge.lost(m.ifindex, m.err)
		l.reading.want()
	case taskFailed:
		l.log.Warn(m.name+" failed; it is started again", "error", m.err)
	case question:
		l.owes.Store(false)
	case reloadRequest:
		l.startLoad(m)
	case planRequest:
		m.reply <- l.planStart()
	case loaded:
		l.loaded(m)
	case editRequest:
		l.answers = append(l.answers, l.edit(m))
	}
}

// apply makes the State after an event.
func (l *loop) apply(e site.Event) error {
	next, notices, err := l.state.Apply(e)
	l.state = next
	for i := range notices {
		l.tell(&notices[i])
	}
	return err
}

// turn has the actors follow the State and publishes it.
func (l *loop) turn() {
	l.tellNoticed()
	l.readHost()
	if at, ok := l.state.NextTick(); ok && at <= l.now() {
		_ = l.apply(site.Tick{Now: l.now()}) // it is not refused
	}
	ch := l.compare()
	if len(l.waiting) == 0 {
		l.converge.openElections()
	}
	l.converge.converge(l.state, &ch)
	l.compareChecks()
	l.looked, l.held = l.converge.actors.ARP.Unannounced()
	if !l.ready && l.announced() {
		l.ready = true
		l.notify("READY=1")
	}
	l.publish(l.unviewed)
	l.unviewed = false
	l.tellStatus()
	for _, answer := range l.answers {
		answer()
	}
	l.answers = nil
	l.endReload()
}

// compare has VIPs announced that are due, and returns what the actors are to be told.
func (l *loop) compare() site.Changes {
	ch := site.Compare(l.compared, l.state)
	if ch.VIPs || ch.Targets {
		l.await()
	}
	if l.activate() {
		ch = site.Compare(l.compared, l.state)
	}
	l.compared, l.unviewed = l.state, l.unviewed || ch.Problems
	return ch
}

// readHost takes the host as it is, if it may have changed.
func (l *loop) readHost() {
	if !l.readNow() {
		return
	}
	before := l.state
	_ = l.apply(site.HostChanged{Host: l.snap}) // it is not refused
	l.links.see(l.state.LinksDown())
	if !maps.Equal(before.LinksDown(), l.state.LinksDown()) {
		return // that is told of as a problem
	}
	if ch := site.Compare(before, l.state); before.Table().Len() > 0 && (ch.VIPs || ch.Targets) {
		l.log.Info("an interface, address or route has changed: some virtual addresses or real servers are now reached another way")
	}
}

// readNow reads the host's links, addresses and routes, if they may have changed,
// and reports whether they have.
func (l *loop) readNow() bool {
	if !l.reading.ready(l.now()) {
		return false
	}
	snap, err := l.host.Read()
	l.reading.done(err, l.now())
	if err != nil || snap == l.snap {
		return false
	}
	l.snap = snap
	return true
}

// await notes which VIPs are to be announced.
func (l *loop) await() {
	was := l.waiting
	l.waiting = map[netip.Addr]time.Duration{}
	for _, v := range l.state.VIPs() {
		if v.Ready {
			continue
		}
		end, ok := was[v.Addr]
		if !ok {
			end = l.now() + neighbourPatience
		}
		l.waiting[v.Addr] = end
	}
}

// activate has VIPs announced that have waited for long enough, or do not have
// to. It reports whether there were any.
func (l *loop) activate() bool {
	var due []netip.Addr
	known := l.state.MissingMACs() == 0
	for vip, end := range l.waiting {
		if known || end <= l.now() {
			due = append(due, vip)
		}
	}
	if len(due) == len(l.waiting) && len(due) > 0 {
		_ = l.apply(site.Activate{Active: true}) // all at once; it is not refused
		clear(l.waiting)
		return true
	}
	for _, vip := range due {
		_ = l.apply(site.Activate{VIP: vip, Active: true}) // as above
		delete(l.waiting, vip)
	}
	return len(due) > 0
}

// announced reports whether no VIP is about to be announced.
func (l *loop) announced() bool { return len(l.waiting) == 0 && l.looked == 0 }

// rest is how long there is nothing to do if no message comes.
func (l *loop) rest() time.Duration {
	const longest = time.Hour
	now := l.now()
	at := now + longest
	if t, ok := l.state.NextTick(); ok {
		at = min(at, t)
	}
	if t, ok := l.converge.next(); ok {
		at = min(at, t)
	}
	if t, ok := l.reading.next(); ok {
		at = min(at, t)
	}
	for _, t := range l.waiting {
		at = min(at, t)
	}
	if t, ok := l.line.due(); ok {
		at = min(at, t)
	}
	if l.looked > 0 {
		at = min(at, now+lookEvery)
	}
	return max(at-now, 0)
}
