package arp

import (
	"cmp"
	"time"

	"lvsdr/arp/ndp"
	"lvsdr/dataplane/frame"
)

// AnnounceTimes are the times at which VIPs are announced. The zero value means
// the defaults.
type AnnounceTimes struct {
	// Look is how long a VIP that becomes active is looked for on the link before
	// it is announced, see announcer; default 200 ms, negative: not at all.
	Look time.Duration
	// Rounds is the number of announcements when a VIP becomes active; default 5.
	Rounds int
	// Spacing is the time between them; default 1.1 s. Kernels before 4.11
	// ignore an update within 1 s of the last one (neigh locktime), so a
	// shorter one loses announcements there.
	Spacing time.Duration
	// Every is the time between the announcements that follow for as long as
	// the VIP is active; default 60 s, negative: none. It must be shorter than
	// the ageing of switches (often 300 s): a switch that forgot us floods,
	// and behind some routers drops, what is sent to the VIP.
	Every time.Duration
	// CheckEvery is the time between checks of the VIP: requests for it, which
	// make a real server that does not keep the VIP to itself answer us and so
	// show itself; the first goes out with the first announcement. A properly
	// set up network leaves them unanswered. Default 60 s, negative: none.
	CheckEvery time.Duration
}

// withDefaults is t with its zero fields filled in.
func (t AnnounceTimes) withDefaults() AnnounceTimes {
	t.Look = cmp.Or(t.Look, 200*time.Millisecond)
	t.Rounds = cmp.Or(t.Rounds, 5)
	t.Spacing = cmp.Or(t.Spacing, 1100*time.Millisecond)
	t.Every = cmp.Or(t.Every, time.Minute)
	t.CheckEvery = cmp.Or(t.CheckEvery, time.Minute)
	return t
}

// defendInterval is DEFEND_INTERVAL of RFC 5227 section 1.1.
const defendInterval = 10 * time.Second

// An announceKind is the form of an announcement.
type announceKind uint8

// The kinds of announcement. Some stacks learn from ARP requests only and some
// from replies only, so both are sent. IPv6 has one form.
const (
	announceRequest announceKind = iota // gratuitous ARP request, the form of RFC 5227
	announceReply                       // gratuitous ARP reply, unsolicited neighbour advertisement
	announceCheck                       // who else has the VIP?
)

// String is the kind in lower case.
func (k announceKind) String() string {
	switch k {
	case announceRequest:
		return "request"
	case announceReply:
		return "reply"
	case announceCheck:
		return "check"
	}
	return "announce?"
}

// An announcement is one packet to all hosts about a VIP.
type announcement struct {
	vip  VIP
	kind announceKind
}

// packet is the packet to all hosts.
//
// An announcement has the VIP as sender and as target: in ARP with the broadcast
// address as target hardware address, in Neighbor Discovery an advertisement to
// all nodes with the override flag.
//
// A check in ARP is a probe (RFC 5227 section 2.1.1), which has no sender IP, so
// that no host learns from it. In Neighbor Discovery a probe would be answered to
// all nodes, and would make a host that is just taking the VIP give it up; so
// there it is a question from the link-local address of our MAC, which has
// neither effect.
func (a announcement) packet() Packet {
	v := a.vip
	p := Packet{
		Dst: announcedAt(v.Addr), Src: v.MAC, Op: Request,
		SenderMAC: v.MAC, SenderIP: v.Addr, TargetMAC: broadcast, TargetIP: v.Addr,
	}
	switch a.kind {
	case announceReply:
		p.Op = Reply
	case announceCheck:
		p.Dst, p.TargetMAC = askedAt(v.Addr), frame.MAC{}
		p.SenderIP = unspecified(v.Addr)
		if v.Addr.Is6() {
			p.SenderIP = ndp.LinkLocal(v.MAC)
		}
	}
	return p
}

// forms are the announcements that make v known.
func (v VIP) forms() []announcement {
	if v.Addr.Is4() {
		return []announcement{{v, announceRequest}, {v, announceReply}}
	}
	return []announcement{{v, announceReply}}
}

// An announcer keeps the times at which the active VIPs are announced. There is
// no jitter: round n of a VIP that is announced from t on is due at t + n × Spacing,
// and after the last the periodic ones at multiples of Every. It is not safe for
// concurrent use. For each VIP:
//
//	silent ──Active──▶ looking ──no answer──▶ burst ──Rounds sent──▶ periodic
//	   ▲                │    ▲                  ▲                        │
//	   │             answered └─────────────────┼─────────┐              │
//	   │                ▼                       │         │              │
//	   │               held ──silent for 3 s────┘         │              │
//	   └────────────────┴──────────no longer──────────────┴──────────────┘
//
// A VIP that another host has, which is no real server, is held: it is not answered
// for and not announced, but looked for once a second. So a second director takes
// nothing from the first, and steps in when that one falls silent.
//
// One that is announced stays so. When another host uses it, it is announced again
// 1, 2, 4, 8, 8 … s later, with a check, until one of these turns finds the other
// silent.
//
// A VIP that VRRP has given to this host is spoken at once and stays so, see Elected.
type announcer struct {
	times AnnounceTimes
	vips  map[place]*announcing
	due   agenda[*announcing]
	slots map[int32]time.Duration // of the next announcement of an elected VIP, by interface or queue
	// quiet are the active VIPs that are not answered for: looking and held.
	quiet  map[place]bool
	events []Event // since takeEvents
	// standing are announced by a process before this one, and have not been set yet.
	standing map[VIP]bool
}

// An announcePhase is where a VIP is in the drawing above.
type announcePhase uint8

const (
	silent announcePhase = iota
	looking
	held
	spoken // in burst or periodic
)

// The times at which other hosts are looked for.
const (
	looks          = 2               // checks before a VIP is announced
	heldCheckEvery = time.Second     // checks while it is held
	heldFor        = 3 * time.Second // silence of the other host that ends it
	againFirst     = time.Second     // from a conflict to the first repeated announcement
	againMax       = 8 * time.Second
)

// An announcing is a VIP with its times. The due of its task is the earlier of
// announce and check.
type announcing struct {
	VIP
	task
	campaign // of elected VIPs
	phase    announcePhase
	looked   int           // checks sent in looking
	rounds   int           // rounds of the burst that are left
	announce time.Duration // next announcement; never: none
	check    time.Duration // next check; never: none

	other      frame.MAC     // host that used the VIP last; zero: none has yet
	otherHeard time.Duration // when
	otherSince time.Duration // from when on it has; of elected VIPs
	again      time.Duration // from the next repeated announcement to the one after it; 0: none is due

	defended   bool
	defendedAt time.Duration
}

// newAnnouncer makes an announcer without VIPs.
func newAnnouncer(t AnnounceTimes) *announcer {
	return &announcer{times: t.withDefaults(), slots: make(map[int32]time.Duration)}
}

// set replaces the VIPs at now. One that is as it was goes on as it was; one that
// is active and was not, or not with this MAC, is looked for from now on, and then
// announced in a burst. The last of two entries for one address on one interface counts.
func (a *announcer) set(vips []VIP, now time.Duration) {
	before := a.vips
	a.vips, a.quiet = make(map[place]*announcing, len(vips)), make(map[place]bool)
	for _, v := range vips {
		at := v.place()
		e := before[at]
		if e == nil || !e.same(v) {
			e = &announcing{VIP: v, task: task{at: at}}
			a.start(e, now)
		}
		e.VIP = v
		a.vips[at] = e
	}
	a.due = agenda[*announcing]{}
	for at, e := range a.vips {
		if e.phase == looking || e.phase == held {
			a.quiet[at] = true
		}
		a.due.add(e)
	}
}

// same reports whether v goes on where it is, as the VIP n: other times of the
// announcements hold from the next ones on.
func (v *announcing) same(n VIP) bool {
	if v.Elected.on() && n.Elected.on() {
		n.Elected = v.Elected
	}
	return v.VIP == n
}

// start puts v at the beginning of its way, or to rest.
func (a *announcer) start(v *announcing, now time.Duration) {
	v.announce, v.check = never, never
	switch {
	case !v.Active:
	case a.standing[v.VIP]:
		delete(a.standing, v.VIP)
		v.phase, v.announce, v.check = spoken, following(now, a.times.Every, now), following(now, a.times.CheckEvery, now)
	case a.times.Look < 0 || v.Elected.on():
		a.speak(v, now)
	default:
		v.phase, v.check = looking, now
	}
	v.due = min(v.announce, v.check)
}

// speak begins the burst of v.
func (a *announcer) speak(v *announcing, now time.Duration) {
	v.phase, v.rounds, v.announce, v.check = spoken, a.times.Rounds, now, never
	if a.times.CheckEvery > 0 {
		v.check = now
	}
	if v.Elected.on() {
		a.elect(v, now)
	}
	delete(a.quiet, v.at)
}

// take gives what is to be sent at now; isServer tells real servers from other hosts
// that use a VIP. A caller who comes late by more than a whole interval gets once
// what was missed, not many times.
func (a *announcer) take(now time.Duration, isServer func(VIP, frame.MAC) bool) []announcement {
	var out []announcement
	for _, v := range a.due.take(now) {
		if v.phase != spoken {
			out = append(out, a.look(v, now, isServer)...)
		}
		if v.phase == spoken {
			out = append(out, a.round(v, now)...)
		}
		v.due = min(v.announce, v.check)
		a.due.add(v)
	}
	return out
}

// look goes on with a VIP that is looked for or held. One that is free is in its
// burst then, and announced by round.
func (a *announcer) look(v *announcing, now time.Duration, isServer func(VIP, frame.MAC) bool) []announcement {
	used := v.other != frame.MAC{} && !isServer(v.VIP, v.other)
	switch {
	case v.phase == looking && v.looked < looks:
		v.looked++
		v.check = now + a.times.Look/looks
	case v.phase == looking && used:
		v.phase, v.check = held, now+heldCheckEvery
		a.events = append(a.events, Event{Kind: VIPHeld, Ifindex: v.Ifindex, VIP: v.Addr, MAC: v.other})
	case v.phase == held && used && now-v.otherHeard < heldFor:
		v.check = now + heldCheckEvery
	default:
		if v.phase == held && used {
			a.events = append(a.events, Event{Kind: VIPFree, Ifindex: v.Ifindex, VIP: v.Addr, MAC: v.other})
		}
		a.speak(v, now)
		return nil
	}
	return []announcement{{v.VIP, announceCheck}}
}

// round takes what is due of a VIP that is announced.
func (a *announcer) round(v *announcing, now time.Duration) []announcement {
	var out []announcement
	if v.Elected.on() {
		out = a.campaign(v, now)
	} else if v.announce <= now {
		out = append(out, v.forms()...)
		if v.rounds > 0 {
			v.rounds--
		}
		gap := a.times.Spacing
		if v.rounds == 0 {
			gap = a.times.Every
		}
		v.announce = following(v.announce, gap, now)
		if v.repeat(now) && a.times.CheckEvery > 0 {
			v.check = now
		}
	}
	if v.check <= now {
		out = append(out, announcement{v.VIP, announceCheck})
		v.check = following(v.check, a.times.CheckEvery, now)
	}
	return out
}

// repeat sets when v is announced again because of a conflict, and reports whether
// it is.
func (v *announcing) repeat(now time.Duration) bool {
	if v.again == 0 {
		return false
	}
	if now-v.otherHeard > v.again {
		v.again = 0
		return false
	}
	v.again = min(2*v.again, againMax)
	v.announce = min(v.announce, now+v.again)
	return true
}

// used notes that the host at mac, which is none of ours, uses the VIP at p.
func (a *announcer) used(p place, mac frame.MAC, now time.Duration) {
	v := a.vips[p]
	if v == nil || v.phase == silent {
		return
	}
	v.other, v.otherHeard = mac, now
	if v.phase == spoken && v.again == 0 && !v.Elected.on() {
		v.again = againFirst
		v.announce = min(v.announce, now+v.again)
		v.due = min(v.announce, v.check)
		a.due.fix(v)
	}
}

// takeEvents gives the events since its last call.
func (a *announcer) takeEvents() []Event {
	all := a.events
	a.events = nil
	return all
}

// following is the moment gap after due, and after now if that has gone by. A
// gap that is not positive means never.
func following(due, gap, now time.Duration) time.Duration {
	if gap <= 0 {
		return never
	}
	if due+gap <= now {
		return now + gap
	}
	return due + gap
}

// next is the moment take has something to send; false: not until something is
// set.
func (a *announcer) next() (time.Duration, bool) { return a.due.next() }

// defend says whether vip may be defended at now with the announcement it
// returns: at most once in 10 seconds for each VIP, as RFC 5227 section 2.4 (c)
// demands of a host that never gives up its address, so that two of them do
// not flood the network.
func (a *announcer) defend(vip VIP, now time.Duration) (announcement, bool) {
	v := a.vips[vip.place()]
	if v == nil || v.VIP != vip || v.phase != spoken || v.Elected.on() || v.defended && now-v.defendedAt < defendInterval {
		return announcement{}, false
	}
	v.defended, v.defendedAt = true, now
	return vip.forms()[0], true
}
