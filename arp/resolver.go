package arp

import (
	"net/netip"
	"slices"
	"time"

	"lvsdr/dataplane/frame"
)

// The times of the resolver.
const (
	askSpacing   = time.Second      // between the requests of one series
	askTries     = 3                // requests in one series
	reachableFor = 30 * time.Second // after it a MAC address is asked for again
	backoffFirst = 2 * time.Second  // after the last of a series in vain
	backoffMax   = 30 * time.Second
	claimSpacing = 300 * time.Millisecond // between requests while another MAC address is claimed
)

// An ask is a request for a target's MAC address.
type ask struct {
	ifindex int32
	packet  Packet
}

// A resolver keeps the MAC addresses of the targets. It is not safe for
// concurrent use.
//
//	set ──▶ incomplete ──────────────heard────────────▶ reachable ◀──heard──┐
//	         broadcast at 0, 1, 2 s                      │       ▲          │
//	            │                                       30 s   heard        │
//	            │ 3 s                                    ▼       │          │
//	            │                                      probing ──┘          │
//	            │                                        unicast at 0, 1, 2 s,
//	            │                                        broadcast at 3, 4, 5 s
//	            ▼                                        │                  │
//	          failed ◀───────────────6 s─────────────────┘                  │
//	           broadcast 2 s after the last request, then 4, 8, 16,         │
//	           30, 30 … s apart ────────────────────────────────────────────┘
//
// Heard is any packet whose sender IP is the target's, request or reply, but
// one that is weak only if it confirms what is known or nothing is. What is
// called broadcast goes by multicast to the solicited-node group in IPv6. The
// MAC address is usable in reachable and in probing. A target whose MAC address
// is given is permanent; when it is no longer given, the address has to be
// confirmed as in probing.
//
// A packet with another MAC address than the known one is a claim, which any host
// of the link can make. The known one is asked by unicast first, at once and 0.3 and
// 0.6 s later; it is left for the claimed one when it is silent until 0.9 s, and
// kept when it answers. It is asked because of claims once a second at most.
//
// While its interface is down a target is not asked; when it is up again the MAC
// address has to be confirmed as in probing.
type resolver struct {
	own     map[frame.MAC]bool // of this host, never a target's
	targets map[place]*neighbour
	due     agenda[*neighbour]
	refused []Event // claims that were, since takeRefused
	// standing are known to a process before this one, and have not been set yet.
	standing map[place]frame.MAC
}

type neighbour struct {
	Target
	task
	state   State
	mac     frame.MAC
	tries   int           // requests sent in this state
	backoff time.Duration // to the request after the next; in failed
	heard   time.Duration // when last heard of, or when set
	claim   frame.MAC     // another MAC address that is claimed; in probing
	asked   time.Duration // when mac was last asked because of a claim
}

// newResolver makes a resolver without targets.
func newResolver() *resolver { return &resolver{} }

// set replaces the targets at now. A target with the address and interface of
// an earlier one keeps its MAC address and state. The last of two targets
// with one address and interface counts. The addresses of own, and every
// target's SourceMAC, are this host's, see setOwn.
func (r *resolver) set(targets []Target, own []frame.MAC, now time.Duration) []Change {
	before := r.targets
	r.targets = make(map[place]*neighbour, len(targets))
	var out []Change
	for _, t := range targets {
		at := t.place()
		n := before[at]
		if n == nil {
			n = &neighbour{task: task{at: at, due: now}, heard: now}
			if mac, ok := r.standing[at]; ok {
				delete(r.standing, at)
				n.mac = mac
				n.enter(reachable, now+reachableFor)
			}
		}
		t.SourceIP, t.Name = t.source(), t.name()
		out = append(out, n.fix(t, now)...)
		r.targets[at] = n
	}
	r.due = agenda[*neighbour]{}
	for _, n := range r.targets {
		r.due.add(n)
	}
	return append(out, r.setOwn(own, now)...)
}

// fix makes t the target of n: its MAC address is given, or is so no longer; its
// interface is up again.
func (n *neighbour) fix(t Target, now time.Duration) []Change {
	up := n.Down && !t.Down
	n.Target = t
	switch {
	case t.Static != (frame.MAC{}):
		n.enter(permanent, never)
		if n.mac != t.Static {
			return []Change{n.change(t.Static)}
		}
	case n.state == permanent, up && n.mac != frame.MAC{}:
		n.enter(probing, now)
	case up:
		n.enter(incomplete, now)
	}
	return nil
}

// setOwn replaces the MAC addresses of this host, beside every target's
// SourceMAC. They are never accepted for a target; one that has one of them, and
// not as a given address, is started anew at now, which the changes tell, ordered
// by interface and address.
func (r *resolver) setOwn(own []frame.MAC, now time.Duration) []Change {
	r.own = make(map[frame.MAC]bool, len(own)+1)
	for _, m := range own {
		r.own[m] = true
	}
	for _, n := range r.targets {
		r.own[n.SourceMAC] = true
	}
	delete(r.own, frame.MAC{}) // it belongs to no host, and targets without a MAC have it
	var stale []*neighbour
	for _, n := range r.targets {
		if r.own[n.mac] && n.state != permanent {
			stale = append(stale, n)
		}
	}
	slices.SortFunc(stale, func(x, y *neighbour) int { return x.at.compare(y.at) })
	var out []Change
	for _, n := range stale {
		out = append(out, n.change(frame.MAC{}))
		n.enter(incomplete, now)
		r.due.fix(n)
	}
	return out
}

// change sets the MAC address of n and says so.
func (n *neighbour) change(mac frame.MAC) Change {
	c := Change{IP: n.IP, Ifindex: n.Ifindex, Name: n.Name, Old: n.mac, New: mac}
	n.mac = mac
	return c
}

// enter puts n into state s, with something to do at due.
func (n *neighbour) enter(s State, due time.Duration) {
	n.state, n.tries, n.due, n.claim = s, 0, due, frame.MAC{}
}

// learn tells that on interface ifindex a packet was heard at now whose sender
// is ip at mac. The bool says whether the MAC address to be used changed; it does
// not yet if another is known, see resolver. A
// group address, the zero MAC and our own are refused. A weak packet must not
// put one MAC address in the place of another: it is ignored then (RFC 4861
// section 7.2.5, without its STALE state; there the entry would be asked for
// soon, here it is in any case).
func (r *resolver) learn(ifindex int32, ip netip.Addr, mac frame.MAC, weak bool, now time.Duration) (Change, bool) {
	if !station(mac) || r.own[mac] {
		return Change{}, false
	}
	n := r.targets[place{ifindex, ip}]
	if n == nil || n.state == permanent || weak && n.mac != mac && n.mac != (frame.MAC{}) {
		return Change{}, false
	}
	if n.claimed(mac, now) {
		r.due.fix(n)
		return Change{}, false
	}
	if n.claim != (frame.MAC{}) && n.mac == mac {
		r.refused = append(r.refused, Event{Kind: RealServerClaimed, Ifindex: n.Ifindex, RealServer: n.IP, Name: n.Name, MAC: n.claim, OldMAC: mac})
	}
	n.heard = now
	n.enter(reachable, now+reachableFor)
	r.due.fix(n)
	if n.mac == mac {
		return Change{}, false
	}
	return n.change(mac), true
}

// claimed notes that mac is claimed for n, and reports whether the known MAC address
// has to be asked first: it is another one, and has not been silent yet.
func (n *neighbour) claimed(mac frame.MAC, now time.Duration) bool {
	switch {
	case n.mac == mac || n.mac == (frame.MAC{}):
		return false
	case n.state == probing:
		if n.tries >= askTries {
			return false
		}
	default:
		n.enter(probing, max(now, n.asked+askSpacing))
		n.asked = n.due
	}
	n.claim = mac
	return true
}

// takeRefused gives the claims whose target has answered with the known MAC address
// since the last call.
func (r *resolver) takeRefused() []Event {
	all := r.refused
	r.refused = nil
	return all
}

// take gives the requests to be sent at now, and tells which targets are given
// up: at most one request for each, however late the caller is.
func (r *resolver) take(now time.Duration) (asks []ask, changes []Change) {
	for _, n := range r.due.take(now) {
		if n.Down {
			n.enter(n.state, never)
			r.due.add(n)
			continue
		}
		if n.state == reachable {
			n.enter(probing, now)
		}
		switch {
		case n.claim != (frame.MAC{}) && n.tries >= askTries:
			changes = append(changes, n.change(n.claim))
			n.heard = now
			n.enter(reachable, now+reachableFor)
		case n.exhausted():
			changes = append(changes, n.change(frame.MAC{}))
			n.enter(failed, n.due-askSpacing+backoffFirst)
			n.backoff = 2 * backoffFirst
		default:
			asks = append(asks, n.ask(now))
		}
		r.due.add(n)
	}
	return asks, changes
}

// exhausted reports whether n was asked as often as its state allows.
func (n *neighbour) exhausted() bool {
	switch n.state {
	case incomplete:
		return n.tries == askTries
	case probing:
		return n.tries == 2*askTries
	}
	return false
}

// ask makes the next request for n and sets when the one after it is due.
func (n *neighbour) ask(now time.Duration) ask {
	p := n.Request()
	if n.state == probing && n.tries < askTries {
		p.Dst, p.TargetMAC = n.mac, n.mac
	}
	n.tries++
	n.due = now + askSpacing
	switch {
	case n.claim != frame.MAC{}:
		n.due = now + claimSpacing
	case n.state == failed:
		n.due = now + n.backoff
		n.backoff = min(2*n.backoff, backoffMax)
	}
	return ask{n.Ifindex, p}
}

// believed is the MAC address of the target ip on interface ifindex, zero: none. sure is
// false while it may be another one by now: it was asked and has not answered yet, or
// cannot be asked.
func (r *resolver) believed(ifindex int32, ip netip.Addr) (mac frame.MAC, sure bool) {
	n := r.targets[place{ifindex, ip}]
	if n == nil {
		return frame.MAC{}, false
	}
	return n.mac, n.state == permanent || !n.Down && (n.state == reachable || n.state == probing && n.tries == 0)
}

// next is the moment take has something to do; false: there is nothing to ask.
func (r *resolver) next() (time.Duration, bool) { return r.due.next() }

// neighbours are the targets as known at now, ordered by interface and address.
func (r *resolver) neighbours(now time.Duration) []Neighbour {
	out := make([]Neighbour, 0, len(r.targets))
	for _, n := range r.targets {
		out = append(out, Neighbour{IP: n.IP, Ifindex: n.Ifindex, Name: n.Name, MAC: n.mac, State: n.state, Age: now - n.heard})
	}
	slices.SortFunc(out, func(x, y Neighbour) int {
		return place{x.Ifindex, x.IP}.compare(place{y.Ifindex, y.IP})
	})
	return out
}
