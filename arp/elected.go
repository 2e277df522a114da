package arp

import (
	"cmp"
	"net/netip"
	"time"

	"lvsdr/dataplane/frame"
)

// Elected is how a VIP is announced that VRRP has given to this host, with the words of
// keepalived. The zero value is a VIP about which VRRP does not decide.
//
// Such a VIP is announced at once: another host that still uses it has lost the
// election. For the same reason it is neither defended nor announced again because
// of a conflict; if two hosts have it for long, that is reported.
type Elected struct {
	// Rounds is the number of announcements when the VIP becomes active
	// (garp_master_repeat); 0: it is not elected.
	Rounds int
	// Delay is the time after which as many follow (garp_master_delay); 0: none.
	Delay time.Duration
	// Every is the time between further announcements for as long as the VIP is active
	// (garp_master_refresh); 0: there are none. EveryRounds is how many there are then
	// (garp_master_refresh_repeat); default 1.
	Every       time.Duration
	EveryRounds int
	// Interval is the shortest time between two announcements on the interface
	// (garp_interval, gna_interval).
	Interval time.Duration
	// Queue is a negative number that VIPs on several interfaces share which keep Interval among
	// each other (garp_group); 0: those on one interface do.
	Queue int32
}

// on reports whether VRRP decides about the VIP.
func (e Elected) on() bool { return e.Rounds > 0 }

// A campaign is where the announcements of an elected VIP are:
//
//	Rounds at once ──Delay──▶ Rounds ──Every──▶ EveryRounds ─┐
//	                                    ▲────────Every───────┘
type campaign struct {
	slotted bool          // announcing.announce has its place among those of the interface
	second  time.Duration // the second burst; never: none
	rounds2 int           // of the second burst
	waits   bool          // announcing.announce is the second burst, which has not begun
	every   time.Duration // the next of the periodic ones; never: none
}

// elect begins the announcements of v, which VRRP has given to this host.
func (a *announcer) elect(v *announcing, now time.Duration) {
	v.campaign = campaign{second: after(now, v.Elected.Delay), rounds2: v.Elected.Rounds, every: after(now, v.Elected.Every)}
	v.rounds, v.announce = v.Elected.Rounds, now
}

// after is the moment d after now; 0 means never.
func after(now, d time.Duration) time.Duration {
	if d <= 0 {
		return never
	}
	return now + d
}

// campaign takes the announcements that are due of an elected VIP.
func (a *announcer) campaign(v *announcing, now time.Duration) (out []announcement) {
	for v.announce <= now {
		if v.announce = a.slot(v, now); v.announce > now {
			break
		}
		out = append(out, v.forms()[0])
		v.slotted, v.waits = false, false
		if v.rounds--; v.rounds > 0 {
			v.announce = a.slot(v, now)
			continue
		}
		v.next(now)
	}
	return out
}

// slot is when v may be announced, at now or later: its place among the announcements on
// its interface, which it keeps until it is used.
func (a *announcer) slot(v *announcing, now time.Duration) time.Duration {
	gap := v.Elected.Interval
	if gap <= 0 || v.slotted {
		return max(v.announce, now)
	}
	v.slotted = true
	queue := cmp.Or(v.Elected.Queue, v.Ifindex)
	at := max(a.slots[queue], now)
	a.slots[queue] = at + gap
	return at
}

// next sets when v is announced after the rounds that are done.
func (v *announcing) next(now time.Duration) {
	switch {
	case v.second != never:
		v.announce, v.rounds, v.second, v.waits = v.second, v.rounds2, never, true
	case v.every != never:
		v.announce, v.rounds = v.every, max(v.Elected.EveryRounds, 1)
		v.every = following(v.every, v.Elected.Every, now)
	default:
		v.announce = never
	}
}

// again announces the elected VIPs at these places once more: rounds times at now, and as
// often after delay; 0: not then.
func (a *announcer) again(at []place, rounds int, delay, now time.Duration) {
	for _, p := range at {
		v := a.vips[p]
		if v == nil || v.phase != spoken || !v.Elected.on() || rounds <= 0 {
			continue
		}
		if v.waits {
			v.second, v.rounds2, v.waits = v.announce, v.rounds, false
		}
		if v.announce > now {
			v.announce, v.rounds, v.slotted = now, 0, false
		}
		v.rounds = max(v.rounds, rounds)
		if delay > 0 && v.second == never {
			v.second, v.rounds2 = now+delay, rounds
		}
		v.due = min(v.announce, v.check)
		a.due.fix(v)
	}
}

// lastingAfter is how long two hosts use an elected VIP before that is no handover any
// more.
const lastingAfter = 3 * time.Second

// lasts reports whether the host at mac, which uses the VIP at p at now, has done so for
// long. Whatever it did more than ten seconds ago was another time.
func (a *announcer) lasts(p place, mac frame.MAC, now time.Duration) bool {
	v := a.vips[p]
	if v == nil {
		return false
	}
	if v.other != mac || now-v.otherHeard > defendInterval {
		v.otherSince = now
	}
	return now-v.otherSince >= lastingAfter
}

// Repeat announces VIPs of the interface ifindex again that VRRP has given to this host,
// because a host that has lost the election may have announced them: rounds times at
// once, and as often after delay; 0: not then. Others are passed over.
func (s *Service) Repeat(ifindex int32, vips []netip.Addr, rounds int, delay time.Duration) {
	at := make([]place, len(vips))
	for i, a := range vips {
		at[i] = place{ifindex, a}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.announcer.again(at, rounds, delay, s.cfg.Now())
	s.wake()
}
