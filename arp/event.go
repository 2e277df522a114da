package arp

import (
	"fmt"
	"net/netip"
	"time"

	"lvsdr/dataplane/frame"
)

// An EventKind says what an operator should know.
type EventKind uint8

// The kinds of event.
const (
	NoEvent EventKind = iota // the zero EventKind

	// About a VIP.
	VIPHeld             // another host has it: it is not announced
	VIPFree             // that host is silent now: it is announced
	TakeoverAttempt     // a host probes for the VIP (RFC 5227 section 2.1.1)
	Conflict            // an unknown MAC address uses the VIP
	RealServerAnswers   // a real server answers ARP or solicitations for the VIP
	RealServerAnnounces // a real server announces the VIP as its own
	RealServerAsks      // a real server asks for the VIP: it does not have it
	RealServerSource    // a real server uses the VIP as the source of its requests

	// About a real server, or another Target.
	RealServerFound // its MAC address is known now
	RealServerMoved // its MAC address is another one
	RealServerLost  // it does not answer; it has no usable MAC address
	// RealServerClaimed: another MAC address claims its IP address, and was refused,
	// since the known one answers.
	RealServerClaimed

	numEventKinds
)

var eventNames = [numEventKinds]string{
	NoEvent:             "none",
	VIPHeld:             "vip-held",
	VIPFree:             "vip-free",
	TakeoverAttempt:     "takeover-attempt",
	Conflict:            "conflict",
	RealServerAnswers:   "real-server-answers",
	RealServerAnnounces: "real-server-announces",
	RealServerAsks:      "real-server-asks",
	RealServerSource:    "real-server-source",
	RealServerFound:     "real-server-found",
	RealServerMoved:     "real-server-moved",
	RealServerLost:      "real-server-lost",
	RealServerClaimed:   "real-server-claimed",
}

// String is the kind in lower case with hyphens.
func (k EventKind) String() string {
	if k < numEventKinds {
		return eventNames[k]
	}
	return "event?"
}

// An Event is something worth a line in a log. Fields without meaning for its
// kind are zero.
type Event struct {
	Kind       EventKind
	Ifindex    int32
	VIP        netip.Addr
	RealServer netip.Addr
	Name       string    // of the real server: Target.Name or its default
	MAC        frame.MAC // of the other side; of a lost real server zero
	// OldMAC is, for RealServerMoved and RealServerLost, what MAC was before; for
	// RealServerClaimed the one that stays in use.
	OldMAC frame.MAC

	// Text is the whole message for a person.
	Text string
	// Suppressed is the number of events of the same kind and subject that
	// were held back since the last one that was not.
	Suppressed uint64
}

// text is the message of e as a sentence, made from its other fields.
func (e *Event) text() string {
	mac := e.MAC.String()
	switch e.Kind {
	case VIPHeld:
		return fmt.Sprintf("%s has VIP %s: it is not announced here until that host is silent (--force takes it)", mac, e.VIP)
	case VIPFree:
		return fmt.Sprintf("%s does not answer for VIP %s any more: it is announced here now", mac, e.VIP)
	case TakeoverAttempt:
		who := mac
		if e.Name != "" {
			who = fmt.Sprintf("%s (%s)", e.Name, mac)
		}
		return fmt.Sprintf("%s probes for VIP %s: it is about to take the address", who, e.VIP)
	case Conflict:
		return fmt.Sprintf("%s uses VIP %s as its own address: another director or host has it", mac, e.VIP)
	case RealServerAnswers, RealServerAnnounces, RealServerSource:
		return e.claimText()
	case RealServerAsks:
		return fmt.Sprintf("%s asks who has VIP %s: the VIP is not configured on it, or its own clients are routed here", e.Name, e.VIP)
	case RealServerFound:
		return fmt.Sprintf("%s is at %s", e.Name, mac)
	case RealServerMoved:
		return fmt.Sprintf("%s moved from %s to %s", e.Name, e.OldMAC, mac)
	case RealServerClaimed:
		return fmt.Sprintf("%s claims the address of %s, which answers at %s as before: not believed", mac, e.Name, e.OldMAC)
	case RealServerLost:
		if e.RealServer.Is6() {
			return fmt.Sprintf("%s has no MAC: no neighbour advertisement", e.Name)
		}
		return fmt.Sprintf("%s has no MAC: no ARP answer", e.Name)
	}
	return ""
}

// claimText is the message of a real server that does not keep the VIP to
// itself, with the remedy.
//
// IPv6 has nothing like arp_ignore and arp_announce and needs nothing: Linux
// answers a solicitation that comes in by an interface for the addresses of that
// interface alone (unlike ARP), also by unicast, and takes the source of its own
// ones from there. So a VIP on lo stays silent, and one that does not is on the
// interface itself, on a macvlan of it, or has a proxy entry (ip -6 neigh add
// proxy) on a host that forwards and has proxy_ndp set. A test compares this with the kernel.
func (e *Event) claimText() string {
	if e.VIP.Is6() {
		const remedy = "IPv6 has no arp_ignore, the VIP must be on lo with /128 and not on the interface itself"
		switch e.Kind {
		case RealServerAnswers:
			return fmt.Sprintf("%s answers neighbour discovery for VIP %s: %s, nor may there be a proxy entry for it", e.Name, e.VIP, remedy)
		case RealServerAnnounces:
			return fmt.Sprintf("%s announces VIP %s as its own (unsolicited neighbour advertisement): %s", e.Name, e.VIP, remedy)
		}
		return fmt.Sprintf("%s uses VIP %s as the source of its neighbour solicitations: %s", e.Name, e.VIP, remedy)
	}
	switch e.Kind {
	case RealServerAnswers:
		return fmt.Sprintf("%s answers ARP for VIP %s: arp_ignore is not 1 on all", e.Name, e.VIP)
	case RealServerAnnounces:
		return fmt.Sprintf("%s announces VIP %s as its own (gratuitous ARP): its neighbours send to it past the director", e.Name, e.VIP)
	}
	return fmt.Sprintf("%s uses VIP %s as the source of its ARP requests: arp_announce is not 2 on all", e.Name, e.VIP)
}

// eventEvery is the shortest time between two events of one kind and subject.
const eventEvery = time.Minute

// A subject names the object of an event. MAC addresses are left out: they can be
// forged, and so would make room for as many events as there are addresses.
type subject struct {
	kind    EventKind
	ifindex int32
	vip     netip.Addr
	rs      netip.Addr
}

// A limiter holds back events that repeat. Its size is bounded by the VIPs and
// targets of the last ten minutes.
type limiter struct {
	last  map[subject]lastEvent
	swept time.Duration // when old subjects were last forgotten
}

type lastEvent struct {
	at         time.Duration
	suppressed uint64
}

// pass reports whether e may be told at now, and sets e.Suppressed. Those that say
// what is from now on always pass: the times of the resolver and the announcer keep
// them apart, and the last word in a log must be true.
func (l *limiter) pass(e *Event, now time.Duration) bool {
	switch e.Kind {
	case RealServerFound, RealServerMoved, RealServerLost, VIPHeld, VIPFree:
		return true
	}
	s := subject{e.Kind, e.Ifindex, e.VIP, e.RealServer}
	last, seen := l.last[s]
	if seen && now-last.at < eventEvery {
		last.suppressed++
		l.last[s] = last
		return false
	}
	l.forget(now)
	e.Suppressed = last.suppressed
	l.last[s] = lastEvent{at: now}
	return true
}

// forgetAfter is how long a subject without events is remembered, for its count.
const forgetAfter = 10 * eventEvery

// forget drops old subjects, once in a while.
func (l *limiter) forget(now time.Duration) {
	if now-l.swept < forgetAfter {
		return
	}
	l.swept = now
	for s, e := range l.last {
		if now-e.at >= forgetAfter {
			delete(l.last, s)
		}
	}
}
