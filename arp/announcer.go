package arp

import (
	"cmp"
	"slices"
	"time"

	"lvsdr/arp/ndp"
	"lvsdr/dataplane/frame"
)

// AnnounceTimes are the times of an Announcer. The zero value means the
// defaults.
type AnnounceTimes struct {
	// Rounds is the number of announcements when a VIP comes; default 5.
	Rounds int
	// Spacing is the time between them; default 1.1 s. Kernels before 4.11
	// ignore an update within 1 s of the last one (neigh locktime), so a
	// shorter one loses announcements there.
	Spacing time.Duration
	// Every is the time between the announcements that follow for as long as
	// the VIP is ours; default 60 s, negative: none. It must be shorter than
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
	t.Rounds = cmp.Or(t.Rounds, 5)
	t.Spacing = cmp.Or(t.Spacing, 1100*time.Millisecond)
	t.Every = cmp.Or(t.Every, time.Minute)
	t.CheckEvery = cmp.Or(t.CheckEvery, time.Minute)
	return t
}

// defendInterval is DEFEND_INTERVAL of RFC 5227 section 1.1.
const defendInterval = 10 * time.Second

// An AnnounceKind is the form of an Announcement.
type AnnounceKind uint8

// The kinds of announcement. Some stacks learn from ARP requests only and some
// from replies only, so both are sent. IPv6 has one form.
const (
	AnnounceRequest AnnounceKind = iota // gratuitous ARP request, the form of RFC 5227
	AnnounceReply                       // gratuitous ARP reply, unsolicited neighbour advertisement
	Check                               // who else has the VIP?
)

// String is the kind in lower case.
func (k AnnounceKind) String() string {
	switch k {
	case AnnounceRequest:
		return "request"
	case AnnounceReply:
		return "reply"
	case Check:
		return "check"
	}
	return "announce?"
}

// An Announcement is one packet to all about a VIP.
type Announcement struct {
	VIP  VIP
	Kind AnnounceKind
}

// Packet is what a says to everybody.
//
// An announcement has the VIP as sender and as target: in ARP with the broadcast
// address as target hardware address, in Neighbor Discovery an advertisement to
// all nodes with the override flag.
//
// A Check in ARP is a probe (RFC 5227 section 2.1.1), which has no sender IP, so
// that nobody learns from it. In Neighbor Discovery a probe would be answered to
// all nodes, and would make a host that is just taking the VIP give it up; so
// there it is a question from the link-local address of our MAC, which both
// leaves alone.
func (a Announcement) Packet() Packet {
	v := a.VIP
	p := Packet{
		Dst: announcedAt(v.Addr), Src: v.MAC, Op: Request,
		SenderMAC: v.MAC, SenderIP: v.Addr, TargetMAC: broadcast, TargetIP: v.Addr,
	}
	switch a.Kind {
	case AnnounceReply:
		p.Op = Reply
	case Check:
		p.Dst, p.TargetMAC = askedAt(v.Addr), frame.MAC{}
		p.SenderIP = nobody(v.Addr)
		if v.Addr.Is6() {
			p.SenderIP = ndp.LinkLocal(v.MAC)
		}
	}
	return p
}

// forms are the announcements that make v known.
func (v VIP) forms() []Announcement {
	if v.Addr.Is4() {
		return []Announcement{{v, AnnounceRequest}, {v, AnnounceReply}}
	}
	return []Announcement{{v, AnnounceReply}}
}

// An Announcer keeps the times at which the VIPs are announced. There is no
// jitter: round n of a VIP that came at t is due at t + n × Spacing, and after
// the last the periodic ones at multiples of Every. It is not safe for
// concurrent use.
//
//	silent ──SetActive(true), or a new VIP──▶ burst ──Rounds sent──▶ periodic
//	   ▲                                        │                       │
//	   └───────────SetActive(false)─────────────┴───────────────────────┘
type Announcer struct {
	times  AnnounceTimes
	active bool
	vips   []announced // by interface and address
}

type announced struct {
	VIP
	rounds int           // rounds of the burst that are left
	due    time.Duration // next announcement; never: none
	check  time.Duration // next probe; never: none

	defended   bool
	defendedAt time.Duration
}

// never is later than any moment.
const never = time.Duration(1<<63 - 1)

// NewAnnouncer makes an Announcer that is silent and has no VIPs.
func NewAnnouncer(t AnnounceTimes) *Announcer {
	return &Announcer{times: t.withDefaults()}
}

// SetVIPs replaces the VIPs at now. One that was there before with the same MAC
// goes on as it was; a new one, if the Announcer is active, is announced in a
// burst from now on. Of two entries for one address on one interface the last
// counts. It does not keep vips.
func (a *Announcer) SetVIPs(vips []VIP, now time.Duration) {
	before := make(map[VIP]announced, len(a.vips))
	for _, v := range a.vips {
		before[v.VIP] = v
	}
	last := make(map[place]VIP, len(vips))
	for _, v := range vips {
		last[place{v.Ifindex, v.Addr}] = v
	}
	a.vips = make([]announced, 0, len(last))
	for _, v := range last {
		e, ok := before[v]
		if !ok {
			e = announced{VIP: v}
			a.start(&e, now)
		}
		a.vips = append(a.vips, e)
	}
	slices.SortFunc(a.vips, func(x, y announced) int {
		return cmp.Or(cmp.Compare(x.Ifindex, y.Ifindex), x.Addr.Compare(y.Addr))
	})
}

// SetActive starts the announcements of every VIP at now, or ends them. What is
// already so is left as it is.
func (a *Announcer) SetActive(active bool, now time.Duration) {
	if a.active == active {
		return
	}
	a.active = active
	for i := range a.vips {
		a.start(&a.vips[i], now)
	}
}

// start puts v at the beginning of its burst, or to rest.
func (a *Announcer) start(v *announced, now time.Duration) {
	v.rounds, v.due, v.check = 0, never, never
	if !a.active {
		return
	}
	v.rounds, v.due = a.times.Rounds, now
	if a.times.CheckEvery > 0 {
		v.check = now
	}
}

// Due takes what is to be sent at now. A caller who comes late by more than a
// whole interval gets what he missed once, not many times.
func (a *Announcer) Due(now time.Duration) []Announcement {
	var out []Announcement
	for i := range a.vips {
		v := &a.vips[i]
		if v.due <= now {
			out = append(out, v.forms()...)
			if v.rounds > 0 {
				v.rounds--
			}
			gap := a.times.Spacing
			if v.rounds == 0 {
				gap = a.times.Every
			}
			v.due = following(v.due, gap, now)
		}
		if v.check <= now {
			out = append(out, Announcement{v.VIP, Check})
			v.check = following(v.check, a.times.CheckEvery, now)
		}
	}
	return out
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

// Next is the moment Due has something to send; false: not until something is
// set.
func (a *Announcer) Next() (time.Duration, bool) {
	next := never
	for i := range a.vips {
		next = min(next, a.vips[i].due, a.vips[i].check)
	}
	return next, next != never
}

// Defend says whether vip may be defended at now with the Announcement it
// returns: at most once in 10 seconds for each VIP, as RFC 5227 section 2.4 (c)
// has it for a host that never gives up its address, so that two of them do
// not flood the network.
func (a *Announcer) Defend(vip VIP, now time.Duration) (Announcement, bool) {
	i := slices.IndexFunc(a.vips, func(v announced) bool { return v.VIP == vip })
	if i < 0 || !a.active {
		return Announcement{}, false
	}
	v := &a.vips[i]
	if v.defended && now-v.defendedAt < defendInterval {
		return Announcement{}, false
	}
	v.defended, v.defendedAt = true, now
	return vip.forms()[0], true
}
