package arp

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"lvsdr/arp/ndp"
	"lvsdr/dataplane/frame"
)

// The times of the Resolver.
const (
	askSpacing   = time.Second      // between the requests of one series
	askTries     = 3                // requests in one series
	reachableFor = 30 * time.Second // after it a MAC address is asked for again
	backoffFirst = 2 * time.Second  // after the last of a series in vain
	backoffMax   = 30 * time.Second
)

// A Target is a real server whose MAC address is wanted. It must be on-link: an
// address behind a router has no MAC address to be sent to.
type Target struct {
	IP      netip.Addr // IPv4 or IPv6, without a zone
	Ifindex int32      // where it is asked for
	// SourceIP is the host's own address on that interface, of IP's family and
	// for IPv6 of whichever scope; the zero Addr if it has none. Then IPv4
	// requests come from 0.0.0.0, which Linux answers, and IPv6 ones from the
	// link-local address that belongs to SourceMAC (ndp.LinkLocal), also if the
	// host has not given it to itself: the answer finds us by the MAC address.
	// It must not be a VIP: the real server has that address itself and drops
	// such a request.
	SourceIP  netip.Addr
	SourceMAC frame.MAC // of the interface
	Name      string    // for messages; default IP
}

// check says what is wrong with t.
func (t Target) check() error {
	switch {
	case !resolvable(t.IP):
		return fmt.Errorf("real server %v: not the address of a host on a link", t.IP)
	case t.SourceIP.IsValid() && !t.canAskFrom(t.SourceIP):
		return fmt.Errorf("real server %v: cannot be asked for from %v", t.IP, t.SourceIP)
	case t.Ifindex <= 0:
		return fmt.Errorf("real server %v: interface index %d", t.IP, t.Ifindex)
	case !station(t.SourceMAC):
		return fmt.Errorf("real server %v: %s is not the MAC address of an interface", t.IP, t.SourceMAC)
	}
	return nil
}

// canAskFrom reports whether a can be the source of requests for t. 0.0.0.0 can;
// with :: they would be probes (RFC 4862 section 5.4).
func (t Target) canAskFrom(a netip.Addr) bool {
	return a.Is4() == t.IP.Is4() && (resolvable(a) || a == netip.IPv4Unspecified())
}

// source is what t is asked for from.
func (t Target) source() netip.Addr {
	switch {
	case t.SourceIP.IsValid():
		return t.SourceIP
	case t.IP.Is4():
		return netip.IPv4Unspecified()
	}
	return ndp.LinkLocal(t.SourceMAC)
}

// A State is the state of a neighbour; Resolver draws them.
type State uint8

// The states. The names are the kernel's where the meaning is.
const (
	Incomplete State = iota // asked for, never heard of
	Reachable               // heard of within the last 30 s
	Probe                   // being asked again; the MAC address is still good
	Failed                  // it did not answer; there is no MAC address
)

// String is the state in lower case.
func (s State) String() string {
	switch s {
	case Incomplete:
		return "incomplete"
	case Reachable:
		return "reachable"
	case Probe:
		return "probe"
	case Failed:
		return "failed"
	}
	return "state?"
}

// A Neighbour is what is known of one real server.
type Neighbour struct {
	IP      netip.Addr
	Ifindex int32
	Name    string
	MAC     frame.MAC // zero: none that can be used
	State   State
	// Age is the time since the real server was last heard of; since it was
	// set, if it never was.
	Age time.Duration
}

// A Change says that the MAC address to be used for a real server is another
// one. The zero MAC means that there is none. Both are zero when a real server
// was asked for in vain and had none before.
type Change struct {
	IP       netip.Addr
	Ifindex  int32
	Name     string
	Old, New frame.MAC
}

// event is c for the log.
func (c Change) event() Event {
	e := Event{Kind: RealServerMoved, Ifindex: c.Ifindex, RealServer: c.IP, Name: c.Name, MAC: c.New, OldMAC: c.Old}
	switch (frame.MAC{}) {
	case c.New:
		e.Kind = RealServerLost
	case c.Old:
		e.Kind = RealServerFound
	}
	return e
}

// An Ask is a request for a real server's MAC address.
type Ask struct {
	Ifindex int32
	Packet  Packet
}

// A Resolver keeps the MAC addresses of the real servers. It is not safe for
// concurrent use.
//
//	Set ──▶ Incomplete ──────────────heard────────────▶ Reachable ◀──heard──┐
//	         broadcast at 0, 1, 2 s                      │       ▲          │
//	            │                                       30 s   heard        │
//	            │ 3 s                                    ▼       │          │
//	            │                                       Probe ───┘          │
//	            │                                        unicast at 0, 1, 2 s,
//	            │                                        broadcast at 3, 4, 5 s
//	            ▼                                        │                  │
//	          Failed ◀───────────────6 s─────────────────┘                  │
//	           broadcast 2 s after the last request, then 4, 8, 16,         │
//	           30, 30 … s apart ────────────────────────────────────────────┘
//
// Heard is any packet whose sender IP is the real server's, request or reply,
// but one that is weak only if it confirms what is known or nothing is. What is
// called broadcast goes by multicast to the solicited-node group in IPv6. The
// MAC address is usable in Reachable and in Probe.
type Resolver struct {
	own     map[frame.MAC]bool
	entries []neighbour // by interface and address
}

type neighbour struct {
	Target
	state   State
	mac     frame.MAC
	tries   int           // requests sent in this state
	backoff time.Duration // to the request after the next; in Failed
	due     time.Duration // next thing to do
	heard   time.Duration // when last heard of, or when set
}

// NewResolver makes a Resolver without targets.
func NewResolver() *Resolver { return &Resolver{} }

// Set replaces the targets at now. A target with the address and interface of
// an earlier one keeps its MAC address and state. The addresses of own, and
// every target's SourceMAC, are this host's and never accepted for a real
// server; an entry that has one is started anew, which the changes returned
// tell. Of two targets with one address and interface the last counts.
func (r *Resolver) Set(targets []Target, own []frame.MAC, now time.Duration) []Change {
	before := make(map[place]neighbour, len(r.entries))
	for _, n := range r.entries {
		before[place{n.Ifindex, n.IP}] = n
	}
	r.own = make(map[frame.MAC]bool, len(own)+1)
	for _, m := range own {
		r.own[m] = true
	}
	last := make(map[place]Target, len(targets))
	for _, t := range targets {
		r.own[t.SourceMAC] = true
		t.SourceIP = t.source()
		t.Name = cmp.Or(t.Name, t.IP.String())
		last[place{t.Ifindex, t.IP}] = t
	}
	delete(r.own, frame.MAC{}) // it is nobody's, and the entries without a MAC hold it
	r.entries = make([]neighbour, 0, len(last))
	for at, t := range last {
		n, ok := before[at]
		if !ok {
			n = neighbour{due: now, heard: now}
		}
		n.Target = t
		r.entries = append(r.entries, n)
	}
	slices.SortFunc(r.entries, func(x, y neighbour) int { return x.compare(y.Ifindex, y.IP) })
	return r.dropOwn(now)
}

// dropOwn starts the entries anew whose MAC address turned out to be ours.
func (r *Resolver) dropOwn(now time.Duration) []Change {
	var out []Change
	for i := range r.entries {
		n := &r.entries[i]
		if r.own[n.mac] {
			out = append(out, n.change(frame.MAC{}))
			n.enter(Incomplete, now)
		}
	}
	return out
}

func (n neighbour) compare(ifindex int32, ip netip.Addr) int {
	return cmp.Or(cmp.Compare(n.Ifindex, ifindex), n.IP.Compare(ip))
}

// change sets the MAC address of n and says so.
func (n *neighbour) change(mac frame.MAC) Change {
	c := Change{IP: n.IP, Ifindex: n.Ifindex, Name: n.Name, Old: n.mac, New: mac}
	n.mac = mac
	return c
}

// enter puts n into state s, with something to do at due.
func (n *neighbour) enter(s State, due time.Duration) {
	n.state, n.tries, n.due = s, 0, due
}

// Learn tells that on interface ifindex a packet was heard at now whose sender
// is ip at mac. The bool says whether the MAC address to be used changed. A
// group address, the zero MAC and our own are refused.
func (r *Resolver) Learn(ifindex int32, ip netip.Addr, mac frame.MAC, now time.Duration) (Change, bool) {
	return r.learn(ifindex, ip, mac, false, now)
}

// LearnWeakly is Learn of a packet that must not put one MAC address in the
// place of another: it is ignored then (RFC 4861 section 7.2.5, without its
// STALE state; there the entry would be asked for soon, here it is in any case).
func (r *Resolver) LearnWeakly(ifindex int32, ip netip.Addr, mac frame.MAC, now time.Duration) (Change, bool) {
	return r.learn(ifindex, ip, mac, true, now)
}

func (r *Resolver) learn(ifindex int32, ip netip.Addr, mac frame.MAC, weak bool, now time.Duration) (Change, bool) {
	if !station(mac) || r.own[mac] {
		return Change{}, false
	}
	i, ok := slices.BinarySearchFunc(r.entries, place{ifindex, ip}, func(n neighbour, p place) int {
		return n.compare(p.ifindex, p.addr)
	})
	if !ok {
		return Change{}, false
	}
	n := &r.entries[i]
	if weak && n.mac != mac && n.mac != (frame.MAC{}) {
		return Change{}, false
	}
	n.heard = now
	n.enter(Reachable, now+reachableFor)
	if n.mac == mac {
		return Change{}, false
	}
	return n.change(mac), true
}

// Due takes the requests to be sent at now, and tells which real servers are
// given up: at most one request for each, however late the caller is.
func (r *Resolver) Due(now time.Duration) (asks []Ask, changes []Change) {
	for i := range r.entries {
		n := &r.entries[i]
		if n.due > now {
			continue
		}
		if n.state == Reachable {
			n.enter(Probe, now)
		}
		if n.exhausted() {
			changes = append(changes, n.change(frame.MAC{}))
			n.enter(Failed, n.due-askSpacing+backoffFirst)
			n.backoff = 2 * backoffFirst
			continue
		}
		asks = append(asks, n.ask(now))
	}
	return asks, changes
}

// exhausted reports whether n was asked as often as its state allows.
func (n *neighbour) exhausted() bool {
	switch n.state {
	case Incomplete:
		return n.tries == askTries
	case Probe:
		return n.tries == 2*askTries
	}
	return false
}

// ask makes the next request for n and sets when the one after it is due.
func (n *neighbour) ask(now time.Duration) Ask {
	dst, target := askedAt(n.IP), frame.MAC{}
	if n.state == Probe && n.tries < askTries {
		dst, target = n.mac, n.mac
	}
	n.tries++
	n.due = now + askSpacing
	if n.state == Failed {
		n.due = now + n.backoff
		n.backoff = min(2*n.backoff, backoffMax)
	}
	return Ask{
		Ifindex: n.Ifindex,
		Packet: Packet{
			Dst: dst, Src: n.SourceMAC, Op: Request,
			SenderMAC: n.SourceMAC, SenderIP: n.SourceIP, TargetMAC: target, TargetIP: n.IP,
		},
	}
}

// Next is the moment Due has something to do; false: there are no targets.
func (r *Resolver) Next() (time.Duration, bool) {
	next := never
	for i := range r.entries {
		next = min(next, r.entries[i].due)
	}
	return next, next != never
}

// Neighbours is what is known at now, ordered by interface and address.
func (r *Resolver) Neighbours(now time.Duration) []Neighbour {
	out := make([]Neighbour, len(r.entries))
	for i, n := range r.entries {
		out[i] = Neighbour{IP: n.IP, Ifindex: n.Ifindex, Name: n.Name, MAC: n.mac, State: n.state, Age: now - n.heard}
	}
	return out
}
