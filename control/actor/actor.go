package actor

import (
	"net/netip"
	"time"

	"lvsdr/arp"
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

// An Engine is the director.
type Engine interface {
	// Change returns the errors of c.Edits, one for each; nil: none was refused.
	// An edit that is refused changes nothing; those after it are made.
	Change(c Change) []error
}

// A Change lists the edits that an Engine is to make, in this order.
type Change struct {
	// Keep are the VIPs that stay: all others go before their services do, so
	// that their clients are not refused meanwhile. nil: none goes.
	Keep  []frame.Addr
	Hops  []site.Hop // how servers are reached from now on; a zero MAC: not at all
	Edits []site.Edit
	Own   []frame.Addr // all VIPs; nil: they stay as they are
	// Martians are the addresses that no packet of another host has as its source;
	// nil: they stay as they are.
	Martians []frame.Addr
	// Marks are the rules by which packets get firewall marks; nil: they stay as they are.
	Marks *[]dataplane.MarkRule
	// Interfaces are those by which clients and masqueraded servers send; nil: they stay as
	// they are.
	Interfaces []dataplane.Interface
	// Timeouts are those of connections from now on; nil: they stay as they are.
	Timeouts *site.Timeouts
}

// A Guard keeps the host's own stack silent about VIPs; see shield.
type Guard interface {
	Set([]shield.Guard) error
	// Standing are the guards that a process before this one has left.
	Standing() []shield.Guard
	// SetAnswers keeps the stack from answers that the director takes back.
	SetAnswers([]shield.Answer) error
	// Close removes the guards, or keeps them for the next start.
	Close(keep bool) error
}

// NICs receive and send frames; see nics.
type NICs interface {
	// Set returns what failed by interface index.
	Set([]nics.Wish) map[int]error
	Close() error
}

// ARP answers and asks, for both address families; see arp.
type ARP interface {
	SetTargets([]arp.Target) error
	SetVIPs([]arp.VIP) error
	Unannounced() (looked int, held []arp.Holder)
	// Repeat announces VIPs again that VRRP has given to this host.
	Repeat(ifindex int32, vips []netip.Addr, rounds int, delay time.Duration)
}

// Addresses are those of VRRP instances on the interfaces of this host; see addresses.
type Addresses interface {
	Set(addresses.Wish) error
	// Close takes them off.
	Close() error
}

// Routing is the routes and rules of VRRP on this host; see routing.
type Routing interface {
	Set(routing.Wish) error
	// Close removes them.
	Close() error
}

// Trackers watch what decides about priorities; see track.
type Trackers interface {
	Set(track.Settings) error
	Close()
}

// VRRP decides with other routers who is the master of an instance; see vrrp.
type VRRP interface {
	Set(vrrp.Settings) error
	// Track does not wait.
	Track(vrrp.Tracked)
	// Close gives up what this host is the master of.
	Close() error
}

// Checks are the health checks; see check.
type Checks interface {
	Set([]check.Spec) error
	// State is a check as it is now; false: there is none with this ID.
	State(id string) (check.State, bool)
	Close()
}

// Routes lead checks by Direct Routing; see drroute.
type Routes interface {
	Set([]drroute.Path) error
	Close() error
}

// A Redirect leads clients on this host to the director; see localclient.
type Redirect interface {
	Open(mtu int) (hostnet.Link, error)
	Set([]localclient.VIP) error
	Close() error
}

// A Sync shares connections with other directors; see syncnet.
type Sync interface {
	// Set starts and stops daemons. Its error is about those that could not be
	// started; the others run.
	Set(daemon.Wish) error
	Close() error
}

// A Host is where the director runs; see hostnet.
type Host interface {
	Read() (site.Host, error)
}

// A Notifier tells programs of the administrator of changes; see notify.
type Notifier interface {
	Configure(notify.Settings)
	// Tell does not wait.
	Tell(notify.Message)
	// Close waits for commands that run, for patience at most.
	Close(patience time.Duration)
	// Leave is Close, but for what a successor goes on with.
	Leave(patience time.Duration)
}

// All are the actors of a director.
type All struct {
	Engine   Engine
	Guard    Guard
	NICs     NICs
	ARP      ARP
	Checks   Checks
	Routes   Routes   // nil: no checks by Direct Routing
	Redirect Redirect // nil: clients on this host are not served
	Host     Host
	Notifier Notifier // nil: no program is told
	Sync     Sync     // nil: connections are not shared
	// Addresses nil: instances have those of virtual services alone.
	Addresses Addresses
	Routing   Routing  // nil: no routes and rules are set
	Trackers  Trackers // nil: nothing is tracked
	VRRP      VRRP     // nil: no instance takes part
}
