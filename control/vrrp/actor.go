package vrrp

import (
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"slices"
	"sync"
	"time"

	"lvsdr/dataplane/frame"
)

// Options say how an Actor works. The zero Options is fit for use.
type Options struct {
	// Report is told of every Change, in order, from one goroutine. It must not wait, and must not call the Actor.
	Report func(Change)
	Log    *slog.Logger
}

// An Actor runs a Machine on the interfaces of the host. It needs CAP_NET_RAW. Its methods are safe for concurrent use.
type Actor struct {
	report func(Change)
	log    *slog.Logger
	net    network

	mu    sync.Mutex
	queue []func() // to be run by the loop
	ended bool     // no more is queued
	ring  chan struct{}
	done  chan struct{}

	// The loop's.
	start   time.Time
	machine *Machine
	sources []sourceKey
	unknown bool                // Settings.LogUnknown
	spoken  map[complaint]int64 // when something was logged last
	stop    bool
}

// A network is the host's interfaces; the real one is made of raw sockets.
type network interface {
	// Listen makes the sockets those of ports, and keeps what is the same. What fails is tried again by the next
	// call; the error tells of all that has failed.
	Listen(ports []port) error
	// Source is the address of adverts on an interface, which is none of these; invalid: it has none.
	Source(iface string, is6 bool, not []netip.Addr) netip.Addr
	Send(Packet) error
	// Ready gets a value when packets may have come.
	Ready() <-chan struct{}
	// Receive takes in what has come, at most some dozens of packets, and reports whether there may be more.
	// The payload is valid until f returns. Where more comes than that, only packets from trusted are received for
	// some seconds; none: all are.
	Receive(f func(Packet), trusted func(iface string, is6 bool) []netip.Addr)
	Close()
}

// A port is one family of an interface, and what is wanted on it.
type port struct {
	iface string
	is6   bool
	// groups are those to be members of. ids are the virtual router IDs of interest; all others are not received.
	groups []netip.Addr
	ids    []uint8
	all    bool // others are received, too
	// far says that adverts with a TTL other than 255 are received, too.
	far bool
	// buffer is the size of the socket's in bytes; 0: as the host has it.
	buffer int
	// mac is whether adverts are sent from other MAC addresses than the interface's.
	mac bool
}

type sourceKey struct {
	link
	not []netip.Addr
}

// A complaint is something that is logged seldom.
type complaint struct {
	name string
	why  Reason
}

const (
	lookEvery     = time.Second // at the interfaces
	complainEvery = int64(time.Minute)
)

// Open starts an Actor without instances.
func Open(o Options) *Actor { return open(o, newNetwork()) }

func open(o Options, n network) *Actor {
	a := &Actor{
		report: o.Report, log: o.Log, net: n, ring: make(chan struct{}, 1), done: make(chan struct{}),
		start: time.Now(), machine: NewMachine(), spoken: map[complaint]int64{},
	}
	if a.log == nil {
		a.log = slog.New(slog.DiscardHandler)
	}
	if a.report == nil {
		a.report = func(Change) {}
	}
	go a.run()
	return a
}

// now is the Machine's time.
func (a *Actor) now() int64 { return int64(time.Since(a.start)) + 1 }

// put lets the loop call f; false: the Actor is closed.
func (a *Actor) put(f func()) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.ended {
		return false
	}
	a.queue = append(a.queue, f)
	select {
	case a.ring <- struct{}{}:
	default:
	}
	return true
}

// call runs f in the loop and waits for it.
func (a *Actor) call(f func()) error {
	did := make(chan struct{})
	if !a.put(func() { f(); close(did) }) {
		return fmt.Errorf("vrrp: %w", os.ErrClosed)
	}
	<-did
	return nil
}

// Set makes the instances and groups those of s. An instance keeps its role if its interface, version and virtual
// router ID stay. The error tells of interfaces that cannot be listened on: their instances run, and they are tried
// again each second.
func (a *Actor) Set(s Settings) error {
	var failed error
	err := a.call(func() {
		a.unknown = s.LogUnknown
		want := ports(s.Instances)
		for k := range want {
			want[k].all = s.LogUnknown
		}
		failed = a.net.Listen(want)
		a.sources = sourcesOf(s.Instances)
		a.look()
		a.machine.Set(a.now(), s)
	})
	return errors.Join(err, failed)
}

// Track takes in what a tracker says. It does not wait.
func (a *Actor) Track(t Tracked) { a.put(func() { a.machine.Track(a.now(), t) }) }

// States are all instances as they are now, in the order of the settings; unknown counts the packets for none of them.
func (a *Actor) States() (all []State, unknown [Reasons]uint64) {
	// A closed Actor has none.
	_ = a.call(func() { all, unknown = a.machine.States(), a.machine.Unknown() })
	return all, unknown
}

// Close stops all instances. Masters say so, so that the next one need not wait. It may be called more than once.
func (a *Actor) Close() error {
	a.put(func() { a.machine.Close(a.now()); a.stop = true })
	a.mu.Lock()
	a.ended = true
	a.mu.Unlock()
	<-a.done
	return nil
}

// run is the loop.
func (a *Actor) run() {
	defer close(a.done)
	defer a.net.Close()
	timer, look := time.NewTimer(time.Hour), time.NewTicker(lookEvery)
	defer timer.Stop()
	defer look.Stop()
	for !a.stop {
		a.flush()
		timer.Reset(a.wait())
		select {
		case <-a.ring:
			a.obey()
		case <-a.net.Ready():
			a.receive()
		case <-timer.C:
			// What has come while this host was busy counts before a timer does.
			a.receive()
			a.machine.Tick(a.now())
		case <-look.C:
			a.lookAgain()
		}
	}
	a.flush()
}

// wait is how long no timer runs out.
func (a *Actor) wait() time.Duration {
	at, ok := a.machine.Wake()
	if !ok {
		return time.Hour
	}
	return max(time.Duration(at-a.now()), 0)
}

// obey runs what is queued.
func (a *Actor) obey() {
	a.mu.Lock()
	queue := a.queue
	a.queue = nil
	a.mu.Unlock()
	for _, f := range queue {
		f()
	}
}

// flush sends and reports.
func (a *Actor) flush() {
	out, changes := a.machine.Take()
	for _, p := range out {
		if err := a.net.Send(p); err != nil {
			a.complain(complaint{p.Interface, Reasons}, "an advert was not sent", "interface", p.Interface, "error", err)
		}
	}
	for _, c := range changes {
		a.report(c)
	}
}

// receive takes in what has come.
func (a *Actor) receive() {
	take := func(p Packet) {
		why := a.machine.Receive(a.now(), p)
		if why == UnknownRouter && a.unknown {
			id := p.Payload[1]
			a.complain(complaint{fmt.Sprint(p.Interface, " ", id), why}, "an advert is of no virtual router here", "interface", p.Interface, "from", p.Src, "virtual_router_id", id)
		}
		if why != Accepted && why != UnknownRouter && why != Looped && why != NotListening {
			a.complain(complaint{p.Interface, why}, "an advert was refused", "interface", p.Interface, "from", p.Src, "reason", why)
		}
	}
	a.net.Receive(take, func(iface string, is6 bool) []netip.Addr {
		a.complain(complaint{iface, OverRate}, "adverts come too fast; only those of known routers count for a time", "interface", iface)
		return a.machine.Trusted(iface, is6)
	})
}

// complain logs the same thing once a minute.
func (a *Actor) complain(c complaint, text string, args ...any) {
	now := a.now()
	if last, ok := a.spoken[c]; ok && now-last < complainEvery {
		return
	}
	a.spoken[c] = now
	a.log.Warn(text, args...)
}

// lookAgain opens what could not be opened, and looks at the interfaces.
func (a *Actor) lookAgain() {
	if err := a.net.Listen(nil); err != nil {
		a.complain(complaint{"", Reasons}, "VRRP cannot listen", "error", err)
	}
	a.look()
}

// look tells the machine the source addresses.
func (a *Actor) look() {
	for _, s := range a.sources {
		a.machine.Source(a.now(), s.iface, s.is6, a.net.Source(s.iface, s.is6, s.not))
	}
}

// ports are those that instances need; not nil, which Listen takes for those it has.
func ports(instances []Instance) []port {
	all := []port{}
	for _, i := range instances {
		k := slices.IndexFunc(all, func(p port) bool { return p.iface == i.Interface && p.is6 == i.IPv6 })
		if k < 0 {
			k = len(all)
			all = append(all, port{iface: i.Interface, is6: i.IPv6})
		}
		p := &all[k]
		if !slices.Contains(p.ids, i.ID) {
			p.ids = append(p.ids, i.ID)
		}
		one := instance{s: i}
		if group := one.destination(); len(i.Peers) == 0 && !slices.Contains(p.groups, group) {
			p.groups = append(p.groups, group)
		}
		p.far = p.far || len(i.Peers) > 0
		p.buffer = max(p.buffer, i.ReceiveBuffer)
		p.mac = p.mac || i.MAC != frame.MAC{}
	}
	return all
}

// sourcesOf are the families of interfaces whose address is needed.
func sourcesOf(instances []Instance) []sourceKey {
	var all []sourceKey
	for _, i := range instances {
		l := link{i.Interface, i.IPv6}
		k := slices.IndexFunc(all, func(s sourceKey) bool { return s.link == l })
		if k < 0 {
			k = len(all)
			all = append(all, sourceKey{link: l})
		}
		all[k].not = append(all[k].not, i.Addresses...)
	}
	return all
}
