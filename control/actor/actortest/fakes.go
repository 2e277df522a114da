package actortest

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"sync"
	"time"

	"lvsdr/arp"
	"lvsdr/control/actor"
	"lvsdr/control/addresses"
	"lvsdr/control/check"
	"lvsdr/control/connsync/daemon"
	"lvsdr/control/drroute"
	"lvsdr/control/hostnet"
	"lvsdr/control/localclient"
	"lvsdr/control/nics"
	"lvsdr/control/notify"
	"lvsdr/control/routing"
	"lvsdr/control/shield"
	"lvsdr/control/site"
	"lvsdr/control/track"
	"lvsdr/control/vrrp"
	"lvsdr/dataplane"
	"lvsdr/dataplane/frame"
)

// A Fakes is a fake of every actor. Its fields are read while the loop rests.
type Fakes struct {
	Table      *site.Table // what the engine was edited to
	Own        []frame.Addr
	Martians   []frame.Addr
	Hops       map[netip.Addr]site.Hop
	Timeouts   site.Timeouts
	Edits      []site.Edit // that the engine has made, all so far
	Guards     map[shield.Guard]bool
	Answers    []shield.Answer
	Interfaces []dataplane.Interface
	NICs       map[int]nics.Wish // by interface index
	Targets    []arp.Target
	VIPs       map[netip.Addr]arp.VIP
	Looked     int          // that Unannounced gives
	Held       []arp.Holder // as well
	Checks     []check.Spec
	States     map[string]check.State // what State gives
	Paths      []drroute.Path
	Redirects  []localclient.VIP
	Snapshot   site.Host // that Read gives
	Settings   notify.Settings
	Messages   []notify.Message // that the notifier was told, all so far
	Sync       daemon.Wish

	Election  vrrp.Settings // that VRRP has
	Trackers  track.Settings
	Addresses addresses.Wish
	Routing   routing.Wish
	Tracked   map[vrrp.Tracker]vrrp.Tracked
	Repeated  []string // calls of Repeat

	// Calls are all calls so far, such as "shield.Set".
	Calls []string
	// Fail is asked at each call; what it returns is what the call returns, and
	// nothing is done. nil: none fails.
	Fail func(call string) error
	// Refuse is asked for each edit of the engine, as Fail for calls.
	Refuse func(site.Edit) error

	mu    sync.Mutex
	hangs map[string]chan struct{}
}

// New makes fakes that have nothing.
func New(host site.Host) *Fakes {
	return &Fakes{Snapshot: host, Hops: map[netip.Addr]site.Hop{}, Guards: map[shield.Guard]bool{}, NICs: map[int]nics.Wish{},
		VIPs: map[netip.Addr]arp.VIP{}, Tracked: map[vrrp.Tracker]vrrp.Tracked{}, hangs: map[string]chan struct{}{}}
}

// Actors are the actors.
func (f *Fakes) Actors() actor.All {
	return actor.All{Engine: engine{f}, Guard: guard{f}, NICs: ports{f}, ARP: responder{f}, Checks: checks{f}, Routes: routes{f}, Redirect: redirect{f}, Host: host{f}, Notifier: notifier{f}, Sync: syncer{f}, VRRP: router{f}, Trackers: trackers{f}, Addresses: placer{f}, Routing: ways{f}}
}

// Hang has the next calls with this name wait until release is called.
func (f *Fakes) Hang(call string) (release func()) {
	c := make(chan struct{})
	f.mu.Lock()
	f.hangs[call] = c
	f.mu.Unlock()
	return func() {
		f.mu.Lock()
		delete(f.hangs, call)
		f.mu.Unlock()
		close(c)
	}
}

// call notes a call, and hangs, or fails if it may.
func (f *Fakes) call(name string, may bool) error {
	f.mu.Lock()
	c := f.hangs[name]
	f.mu.Unlock()
	if c != nil {
		<-c
	}
	f.Calls = append(f.Calls, name)
	if f.Fail == nil || !may {
		return nil
	}
	return f.Fail(name)
}

type engine struct{ *Fakes }

// Change is part of actor.Engine. A call that fails refuses every edit; one
// without edits cannot fail.
func (f engine) Change(c actor.Change) []error {
	fail := f.call("director.Change", len(c.Edits) > 0)
	for _, h := range c.Hops {
		if f.Hops[h.Addr] = h; h.MAC == (frame.MAC{}) {
			delete(f.Hops, h.Addr)
		}
	}
	if c.Interfaces != nil {
		f.Interfaces = c.Interfaces
	}
	var errs []error
	for i, e := range c.Edits {
		err := fail
		if err == nil && f.Refuse != nil {
			err = f.Refuse(e)
		}
		if err == nil {
			f.Table, err = f.Table.Do(e, site.File)
		}
		if err == nil {
			f.Edits = append(f.Edits, e)
			continue
		}
		if errs == nil {
			errs = make([]error, len(c.Edits))
		}
		errs[i] = err
	}
	if c.Own != nil {
		f.Own = slices.Clone(c.Own)
	}
	if c.Martians != nil {
		f.Martians = slices.Clone(c.Martians)
	}
	if c.Timeouts != nil {
		f.Timeouts = *c.Timeouts
	}
	return errs
}

type guard struct{ *Fakes }

// Set is part of actor.Guard.
func (f guard) Set(all []shield.Guard) error {
	if err := f.call("shield.Set", true); err != nil {
		return err
	}
	clear(f.Guards)
	for _, g := range all {
		f.Guards[g] = true
	}
	return nil
}

// Standing is part of actor.Guard.
func (f guard) Standing() []shield.Guard { return slices.Collect(maps.Keys(f.Guards)) }

// SetAnswers is part of actor.Guard.
func (f guard) SetAnswers(all []shield.Answer) error {
	if err := f.call("shield.SetAnswers", len(all) > 0); err != nil {
		return err
	}
	f.Answers = all
	return nil
}

// Close is part of actor.Guard.
func (f guard) Close(keep bool) error {
	if err := f.call(fmt.Sprintf("shield.Close(%v)", keep), true); err != nil {
		return err
	}
	if !keep {
		clear(f.Guards)
	}
	return nil
}

type ports struct{ *Fakes }

// Set is part of actor.NICs. A call that fails fails for the first interface,
// whose ports stay as they are; that there are none, where there were none.
func (f ports) Set(all []nics.Wish) map[int]error {
	err := f.call("interfaces.Set", true)
	before := maps.Clone(f.NICs)
	clear(f.NICs)
	for i, w := range all {
		was, had := before[w.Index]
		switch {
		case err == nil || i > 0:
			f.NICs[w.Index] = w
		case had:
			f.NICs[w.Index] = was
		}
	}
	if err == nil || len(all) == 0 {
		return nil
	}
	return map[int]error{all[0].Index: err}
}

// Close is part of actor.NICs.
func (f ports) Close() error {
	clear(f.NICs)
	return f.call("interfaces.Close", true)
}

type responder struct{ *Fakes }

// SetTargets is part of actor.ARP.
func (f responder) SetTargets(all []arp.Target) error {
	if err := f.call("ARP.SetTargets", true); err != nil {
		return err
	}
	f.Targets = slices.Clone(all)
	return nil
}

// Unannounced is part of actor.ARP.
func (f responder) Unannounced() (looked int, held []arp.Holder) { return f.Looked, f.Held }

// Repeat is part of actor.ARP.
func (f responder) Repeat(ifindex int32, vips []netip.Addr, rounds int, delay time.Duration) {
	f.Repeated = append(f.Repeated, fmt.Sprintln(ifindex, vips, rounds, delay))
}

// SetVIPs is part of actor.ARP.
func (f responder) SetVIPs(all []arp.VIP) error {
	if err := f.call("ARP.SetVIPs", true); err != nil {
		return err
	}
	clear(f.VIPs)
	for _, v := range all {
		f.VIPs[v.Addr] = v
	}
	return nil
}

type checks struct{ *Fakes }

// Set is part of actor.Checks.
func (f checks) Set(all []check.Spec) error {
	if err := f.call("checks.Set", true); err != nil {
		return err
	}
	f.Checks = slices.Clone(all)
	return nil
}

// State is part of actor.Checks.
func (f checks) State(id string) (check.State, bool) {
	st, ok := f.States[id]
	return st, ok
}

// Close is part of actor.Checks.
func (f checks) Close() {
	_ = f.call("checks.Close", false)
	f.Checks = nil
}

type routes struct{ *Fakes }

// Set is part of actor.Routes.
func (f routes) Set(all []drroute.Path) error {
	if err := f.call("routes.Set", true); err != nil {
		return err
	}
	f.Paths = slices.Clone(all)
	return nil
}

// Mark returns the mark that probes ask a router for.
func (f routes) Mark(drroute.Path) (uint32, error) { return 1, nil }

// Gateway returns the gateway that probes ask a router for.
func (f routes) Gateway(p drroute.Path) (netip.Addr, error) { return p.RS, nil }

// Close is part of actor.Routes.
func (f routes) Close() error {
	f.Paths = nil
	return f.call("routes.Close", true)
}

// Near is the interface by which clients on this host come in.
var Near = hostnet.Link{Name: localclient.DirectorEnd, Index: 99, MAC: frame.MAC{2, 0, 0, 0, 0, 99}, MTU: 1500, Up: true, Kind: "veth"}

type redirect struct{ *Fakes }

// Open is part of actor.Redirect.
func (f redirect) Open(mtu int) (hostnet.Link, error) {
	if err := f.call("redirect.Open", true); err != nil {
		return hostnet.Link{}, err
	}
	link := Near
	link.MTU = mtu
	return link, nil
}

// Set is part of actor.Redirect.
func (f redirect) Set(all []localclient.VIP) error {
	if err := f.call("redirect.Set", true); err != nil {
		return err
	}
	f.Redirects = slices.Clone(all)
	return nil
}

// Close is part of actor.Redirect.
func (f redirect) Close() error {
	f.Redirects = nil
	return f.call("redirect.Close", true)
}

type host struct{ *Fakes }

// Read is part of actor.Host.
func (f host) Read() (site.Host, error) {
	if err := f.call("host.Read", true); err != nil {
		return nil, err
	}
	return f.Snapshot, nil
}

// Announced are the VIPs that ARP answers for, in order.
func (f *Fakes) Announced() []netip.Addr {
	return slices.SortedFunc(maps.Keys(f.VIPs), netip.Addr.Compare)
}

// Received are the VIPs whose frames are taken, with the interface, in order.
func (f *Fakes) Received() []string {
	var all []string
	for _, w := range f.NICs {
		for _, v := range w.VIPs {
			all = append(all, v.String()+" "+w.Name)
		}
	}
	slices.Sort(all)
	return all
}

type notifier struct{ *Fakes }

func (f notifier) Configure(s notify.Settings) { f.Settings = s }

func (f notifier) Tell(m notify.Message) { f.Messages = append(f.Messages, m) }

func (f notifier) Close(time.Duration) { _ = f.call("notifier.Close", false) }

type syncer struct{ *Fakes }

// Set is part of actor.Sync.
func (f syncer) Set(w daemon.Wish) error {
	if err := f.call("sync.Set", true); err != nil {
		return err
	}
	f.Fakes.Sync = w
	return nil
}

// Close is part of actor.Sync.
func (f syncer) Close() error {
	f.Fakes.Sync = daemon.Wish{}
	return f.call("sync.Close", true)
}

type placer struct{ *Fakes }

// Set is part of actor.Addresses.
func (f placer) Set(w addresses.Wish) error {
	if err := f.call("addresses.Set", true); err != nil {
		return err
	}
	f.Fakes.Addresses = w
	return nil
}

// Close is part of actor.Addresses.
func (f placer) Close() error {
	f.Fakes.Addresses = addresses.Wish{}
	return f.call("addresses.Close", true)
}

type ways struct{ *Fakes }

// Set is part of actor.Routing.
func (f ways) Set(w routing.Wish) error {
	if err := f.call("routing.Set", true); err != nil {
		return err
	}
	f.Fakes.Routing = w
	return nil
}

// Close is part of actor.Routing.
func (f ways) Close() error {
	f.Fakes.Routing = routing.Wish{}
	return f.call("routing.Close", true)
}

type trackers struct{ *Fakes }

// Set is part of actor.Trackers.
func (f trackers) Set(s track.Settings) error {
	if err := f.call("trackers.Set", true); err != nil {
		return err
	}
	f.Fakes.Trackers = s
	return nil
}

// Close is part of actor.Trackers.
func (f trackers) Close() {
	_ = f.call("trackers.Close", false)
	f.Fakes.Trackers = track.Settings{}
}

type router struct{ *Fakes }

// Set is part of actor.VRRP.
func (f router) Set(s vrrp.Settings) error {
	if err := f.call("VRRP.Set", true); err != nil {
		return err
	}
	f.Election = s
	return nil
}

// Track is part of actor.VRRP.
func (f router) Track(t vrrp.Tracked) { f.Tracked[t.Tracker] = t }

// Close is part of actor.VRRP.
func (f router) Close() error {
	f.Election = vrrp.Settings{}
	return f.call("VRRP.Close", true)
}

func (f notifier) Leave(time.Duration) { _ = f.call("notifier.Leave", false) }
