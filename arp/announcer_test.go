package arp

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"time"

	"lvsdr/arp/ndp"
	"lvsdr/dataplane/frame"
)

const ms = time.Millisecond

// noServer knows no real server.
func noServer(VIP, frame.MAC) bool { return false }

// rounds asks a whenever something is due up to end, and tells when each kind
// was sent for v.
func rounds(a *announcer, v VIP, kind announceKind, end time.Duration) []time.Duration {
	var at []time.Duration
	for {
		next, ok := a.next()
		if !ok || next > end {
			return at
		}
		for _, x := range a.take(next, noServer) {
			if x.vip == v && x.kind == kind {
				at = append(at, next)
			}
		}
	}
}

func active(t AnnounceTimes, now time.Duration) *announcer {
	t.Look = -1
	a := newAnnouncer(t)
	a.set(bothVIPs(), now)
	return a
}

func TestAVIPIsAnnouncedInABurstAndThenFromTimeToTime(t *testing.T) {
	start := 7 * time.Second
	burst := []time.Duration{start, start + 1100*ms, start + 2200*ms, start + 3300*ms, start + 4400*ms}
	whole := append(slices.Clone(burst), start+64400*ms, start+124400*ms)
	for _, c := range []struct {
		name  string
		times AnnounceTimes
		kind  announceKind
		want  []time.Duration
	}{
		{"requests at once, every 1.1 s for 5 s, then every minute", AnnounceTimes{}, announceRequest, whole},
		{"replies at the same moments", AnnounceTimes{}, announceReply, whole},
		{"no periodic ones if they are switched off", AnnounceTimes{Every: -1}, announceReply, burst},
		{"as many and as often as is set", AnnounceTimes{Rounds: 2, Spacing: time.Second, Every: 50 * time.Second}, announceRequest,
			[]time.Duration{start, start + 1000*ms, start + 51000*ms, start + 101000*ms}},
		{"a check with the first announcement and every minute", AnnounceTimes{}, announceCheck,
			[]time.Duration{start, start + 60000*ms, start + 120000*ms}},
		{"no checks if they are switched off", AnnounceTimes{CheckEvery: -1}, announceCheck, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, v := range bothVIPs() {
				got, want := rounds(active(c.times, start), v, c.kind, start+125*time.Second), c.want
				if v.Addr.Is6() && c.kind == announceRequest {
					want = nil // IPv6 has one form
				}
				if !slices.Equal(got, want) {
					t.Errorf("%v sent at %v, want %v", v.Addr, got, want)
				}
			}
		})
	}
}

func TestTheFormOfAnAnnouncement(t *testing.T) {
	v4, v6 := bothVIPs()[0], bothVIPs()[2]
	for a, want := range map[announcement]said{
		{v4, announceRequest}: gratuitous(1),
		{v4, announceReply}:   gratuitous(2),
		{v4, announceCheck}:   request(ourMAC, zeroIP, vip), // no host learns from sender 0.0.0.0
		{v6, announceReply}:   announces6(ourMAC, vip6),
		{v6, announceCheck}:   asks6(ourMAC, ndp.LinkLocal(ourMAC)),
	} {
		if got := readSaid(t, frameOf(a.packet())); got != want {
			t.Errorf("%v of %v is %v, want %v", a.kind, a.vip.Addr, got, want)
		}
	}
}

func TestAVIPThatIsNotActiveIsNotAnnounced(t *testing.T) {
	a := newAnnouncer(AnnounceTimes{Look: -1})
	quiet := func(when string) {
		t.Helper()
		if _, ok := a.next(); ok || len(a.take(time.Hour, noServer)) != 0 {
			t.Errorf("%s something is due", when)
		}
		for _, v := range bothVIPs() {
			if _, ok := a.defend(v, time.Hour); ok {
				t.Errorf("%s %v is defended", when, v.Addr)
			}
		}
	}
	quiet("without VIPs")
	a.set(with(false, bothVIPs()), 0)
	quiet("before they are active")
	a.set(bothVIPs(), 0)
	if len(a.take(0, noServer)) == 0 {
		t.Error("nothing is announced when they become active")
	}
	a.set(with(false, bothVIPs()), time.Second)
	quiet("after they were active")
	a.set(bothVIPs(), time.Hour)
	a.set(nil, time.Hour)
	quiet("when they are gone")
}

func TestAVIPBecomesActiveByItself(t *testing.T) {
	a := newAnnouncer(AnnounceTimes{Look: -1})
	v := with(false, bothVIPs())
	for i := range v {
		now := time.Duration(i) * 100 * ms
		v[i].Active = true
		a.set(v, now)
		for _, x := range a.take(now, noServer) {
			if x.vip != v[i] {
				t.Errorf("%v is announced when %v becomes active", x.vip.Addr, v[i].Addr)
			}
		}
	}
	v[0].Active = false
	a.set(v, 4*time.Second)
	at := make(map[netip.Addr]int)
	for now := 4 * time.Second; now < 10*time.Second; now += 100 * ms {
		for _, x := range a.take(now, noServer) {
			at[x.vip.Addr]++
		}
	}
	if len(at) != 3 || at[vip] != 0 {
		t.Errorf("announced %v, want all but %v", at, vip)
	}
}

func TestOnlyWhatIsNewIsAnnouncedAgain(t *testing.T) {
	a := active(AnnounceTimes{}, 0)
	v := bothVIPs()
	rounds(a, v[0], announceRequest, 10*time.Second)
	next, _ := a.next()

	a.set(v, 10*time.Second)
	if got, _ := a.next(); got != next {
		t.Errorf("setting the same again moved the next announcement from %v to %v", next, got)
	}
	v[1].MAC = strayMAC
	a.set(v, 10*time.Second)
	for _, x := range a.take(10*time.Second, noServer) {
		if x.vip != v[1] {
			t.Errorf("%v is announced because another VIP has a new MAC", x.vip)
		}
	}
	if got := rounds(a, v[1], announceRequest, 20*time.Second); len(got) != 4 {
		t.Errorf("the VIP with a new MAC has %d more rounds, want 4", len(got))
	}
}

func TestALateCallerDoesNotFlood(t *testing.T) {
	a := active(AnnounceTimes{Rounds: 3}, 0)
	if n := len(a.take(time.Hour, noServer)); n != 10 { // request, reply and check of two VIPs, reply and check of two
		t.Errorf("an hour late %d frames are due, want 10", n)
	}
	if n := len(a.take(time.Hour, noServer)); n != 0 {
		t.Errorf("at the same moment %d frames more are due", n)
	}
	if next, _ := a.next(); next != time.Hour+1100*ms {
		t.Errorf("next at %v, want the spacing kept", next)
	}
	// Less than one interval late: the beat does not shift.
	a.take(time.Hour+1500*ms, noServer)
	if next, _ := a.next(); next != time.Hour+2200*ms {
		t.Errorf("next at %v, want the beat kept", next)
	}
}

func TestAVIPIsDefendedOnceIn10Seconds(t *testing.T) {
	for i, form := range map[int]announceKind{0: announceRequest, 2: announceReply} {
		a, v := active(AnnounceTimes{}, 0), bothVIPs()
		var at []time.Duration
		for now := time.Duration(0); now <= 25*time.Second; now += 500 * ms {
			if x, ok := a.defend(v[i], now); ok {
				at = append(at, now)
				if x != (announcement{v[i], form}) {
					t.Errorf("defended by %v", x)
				}
			}
		}
		if want := []time.Duration{0, 10 * time.Second, 20 * time.Second}; !slices.Equal(at, want) {
			t.Errorf("%v defended at %v, want %v", v[i].Addr, at, want)
		}
		if _, ok := a.defend(v[1], 25*time.Second); !ok {
			t.Error("the defence of one VIP keeps another one from being defended")
		}
		if _, ok := a.defend(VIP{Addr: clientIP, Ifindex: eth0, MAC: ourMAC, Active: true}, 0); ok {
			t.Error("an address that is no VIP is defended")
		}
	}
}

func TestTheLastOfTwoEntriesForOneVIPCounts(t *testing.T) {
	a := newAnnouncer(AnnounceTimes{Look: -1, CheckEvery: -1})
	v := testVIPs()[0]
	w := v
	w.MAC = strayMAC
	a.set([]VIP{v, w}, 0)
	if got := fmt.Sprint(a.take(0, noServer)); got != fmt.Sprint([]announcement{{w, announceRequest}, {w, announceReply}}) {
		t.Errorf("due: %v", got)
	}
}
