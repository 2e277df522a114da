package doctor

import (
	"context"
	"fmt"
	"net/netip"
	"sync/atomic"
	"time"

	"lvsdr/control/api"
	"lvsdr/control/keepalived"
	"lvsdr/dataplane/frame"
)

// An Exam is what an examination knows. The first fields are given by the
// caller; checks add to the others, each for those behind it in the list.
type Exam struct {
	Host *Host
	// Net asks the network; nil: nothing is sent, and nothing is heard.
	Net Net
	// Passive says that nothing may be sent.
	Passive bool
	// Listen is how long, from the start of the examination on, traffic is
	// watched.
	Listen time.Duration

	// On the host of the director:

	File   string // the configuration's name
	Config *keepalived.Config
	Diags  keepalived.Diagnostics
	Status *api.Status // of the running director; nil: none runs
	// Interface is where the VIPs are received; empty: where their network is.
	Interface string

	// On a real server:

	VIPs []netip.Addr
	Port uint16 // of the service; 0: any

	vips    map[netip.Addr]site      // VIPs with an interface
	servers map[netip.Addr]*neighbor // real servers on a network of this host
}

// A site is an interface by which an address is reached, and this host's
// address there.
type site struct {
	Link   *Link
	Source netip.Addr // invalid: none
}

// A neighbor is a real server as it is met on its link.
type neighbor struct {
	site
	mac frame.MAC // zero: no answer
	// answers says that it has answered for a VIP.
	answers atomic.Bool
}

// A Check looks at one thing.
type Check struct {
	Title   string // what it looks at, in a few words
	Active  bool   // it sends; left out of a passive examination
	Listens bool   // it needs Net
	Examine func(context.Context, *Exam) []Finding
}

// DirectorChecks are the checks of the director's host, in their order.
func DirectorChecks() []Check {
	return []Check{
		{Title: "configuration", Examine: checkConfiguration},
		{Title: "services and weights", Examine: checkServices},
		{Title: "interfaces of the VIPs", Examine: checkVIPPlaces},
		{Title: "networks of the real servers", Examine: checkServerPlaces},
		{Title: "the running director", Examine: checkDirector},
		{Title: "the host's own IP stack", Examine: checkStack},
		{Title: "MAC addresses of the real servers", Active: true, Listens: true, Examine: checkNeighbors},
		{Title: "who answers for the VIPs", Active: true, Listens: true, Examine: checkClaims},
		{Title: "real servers, on their own address and for the VIPs", Active: true, Listens: true, Examine: checkServers},
		{Title: "packets as long as the MTU", Active: true, Listens: true, Examine: checkSizes},
		{Title: "traffic", Listens: true, Examine: checkTraffic},
	}
}

// ServerChecks are the checks of a real server.
func ServerChecks() []Check {
	return []Check{
		{Title: "VIP on the loopback", Examine: checkLoopback},
		{Title: "ARP settings", Examine: checkARPSettings},
		{Title: "listener", Examine: checkListener},
		{Title: "reverse path filter", Examine: checkRPFilter},
		{Title: "routes and MTU", Examine: checkRoutes},
		{Title: "firewall", Examine: checkFirewall},
		{Title: "clients on this host", Examine: checkOwnClients},
	}
}

// Run makes the checks and reports. After each of them progress, if it is not
// nil, is told what was found. An error is that of ctx.
func Run(ctx context.Context, x *Exam, where string, checks []Check, progress func(c Check, found []Finding)) (*Report, error) {
	x.vips, x.servers = map[netip.Addr]site{}, map[netip.Addr]*neighbor{}
	r := &Report{Place: where, Findings: []Finding{}}
	for _, c := range checks {
		if c.Active && x.Passive || c.Listens && x.Net == nil {
			continue
		}
		found := c.Examine(ctx, x)
		if err := ctx.Err(); err != nil {
			return nil, fmt.Errorf("examine the %s: %w", c.Title, err)
		}
		r.Checks = append(r.Checks, c.Title)
		r.Findings = append(r.Findings, found...)
		if progress != nil {
			progress(c, found)
		}
	}
	r.finish()
	return r, nil
}
