package site

import (
	"errors"
	"fmt"
	"net/netip"
	"time"

	"lvsdr/control/connsync/daemon"
	"lvsdr/control/health"
	"lvsdr/control/keepalived"
	"lvsdr/control/site/tree"
	"lvsdr/control/vrrp"
)

// Options say what a site is like, apart from its file.
type Options struct {
	// Interface is where VIPs are received, by name; empty: default_interface of
	// the file, or the interface whose network has the VIP.
	Interface string
	// LocalInterface is where this host's own clients come in, and where what is for real
	// servers on this host goes out; empty: they are not served.
	LocalInterface string
	// DRChecks says that checks by Direct Routing can be made.
	DRChecks bool
}

// A State is all that is decided about a site. It never changes; events lead to
// others.
type State struct {
	options Options
	host    Host
	now     time.Duration // the latest that an event said

	plan    *plan
	demands demands // the services of the file
	// health is that of the probed servers whose health is not as at the start,
	// by their index in plan.probed.
	health tree.Map[index, *health.Server]
	// growing are those of them that change by the time alone: whose weight grows, or that are
	// kept down for a time.
	growing tree.Map[index, bool]
	// windows hold the SYNs that clients sent to the servers which are watched, by index as
	// health; the map is not changed.
	windows map[int]health.Window
	// panicked counts how often a service began or ended to ignore health.
	panicked uint64

	roles  map[string]vrrp.Role // of the VRRP instances, by name; never changed
	drains drains               // servers that get no new connections

	table    *Table
	refused  []string // what the table refused of the file
	vips     tree.Map[netip.Addr, vip]
	places   tree.Map[netip.Addr, *place]    // of real servers
	macs     tree.Map[netip.Addr, neighbour] // likewise
	gateways gateways                        // that lead to some of them
	answers  answers                         // servers of the table that NAT reaches, by where they answer from
	tunnels  int                             // servers of the table behind tunnels
	runtime  tree.Map[netip.Addr, added]     // the servers that ipvsadm added, by address
	// strangers are servers in no service that connections of other directors go to.
	strangers tree.Map[netip.Addr, *place]
	missing   int    // places whose MAC address is not known
	layout    uint64 // changes with what is configured, not with health
	timeouts  Timeouts
	daemons   daemon.Set     // of connection sync, that are to run
	fromFile  daemon.Set     // what the file asked for last
	backups   uint64         // backup daemons so far; the one that runs has this number
	fetching  bool           // the backup daemon has no table of another director yet
	links     map[int]string // why links of VIPs and servers are down, by index; never changed
}

// An index orders the probed servers.
type index int

// Compare is for tree.Map.
func (i index) Compare(o index) int { return int(i - o) }

// New is a site without services, on a host of which nothing is known.
func New(o Options) *State {
	return &State{options: o, host: noHost{}, plan: newPlan(&keepalived.Config{})}
}

// Apply is s after e, with what is to be told about it. An error says that e was
// refused, and s is returned; where it is of type Refusals, a part was.
func (s *State) Apply(e Event) (*State, []Notice, error) {
	next := *s
	notices, err := e.apply(&next)
	next.followFile()
	next.followBackup(s)
	var partly Refusals
	if err != nil && !errors.As(err, &partly) {
		return s, nil, err
	}
	return &next, notices, err
}

// The apply methods of the events change a State that is not known elsewhere yet.
// What it shares with the one before does not change.

// maxTimeout is the longest timeout of connections, in seconds: 31 days.
const maxTimeout = 31 * 86400

func (e TimeoutsSet) apply(s *State) ([]Notice, error) {
	for _, t := range []struct {
		in  *int
		set int
	}{{&s.timeouts.TCP, e.TCP}, {&s.timeouts.TCPFin, e.TCPFin}, {&s.timeouts.UDP, e.UDP}} {
		if t.set < 0 || t.set > maxTimeout {
			return nil, fmt.Errorf("timeout of %d seconds: not 0 to %d", t.set, maxTimeout)
		}
		if t.set > 0 {
			*t.in = t.set
		}
	}
	return nil, nil
}

// passed notes how late it is. Time does not go back.
func (s *State) passed(now time.Duration) { s.now = max(s.now, now) }

// Config is the configuration in force; before the first it is an empty one.
func (s *State) Config() *keepalived.Config { return s.plan.config }

// Table returns the table that the director is to have.
func (s *State) Table() *Table { return s.table }

// Timeouts are the timeouts that are to be in force.
func (s *State) Timeouts() Timeouts { return s.timeouts }
