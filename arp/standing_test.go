package arp

import (
	"slices"
	"testing"
	"time"

	"lvsdr/dataplane/frame"
)

// The hosts of the link have learnt a VIP that a process before this one has announced: it is answered for
// at once, and announced again when the next round of that process would have been due at the latest.
func TestAVIPThatStandsIsAnsweredAtOnceAndNotAnnouncedInABurst(t *testing.T) {
	start := 7 * time.Second
	for _, v := range bothVIPs() {
		a := newAnnouncer(AnnounceTimes{})
		a.stand(bothVIPs())
		a.set(bothVIPs(), start)
		if len(a.quiet) > 0 {
			t.Errorf("%v are not answered for", a.quiet)
		}
		if got, want := rounds(a, v, announceReply, start+125*time.Second), []time.Duration{start + time.Minute, start + 2*time.Minute}; !slices.Equal(got, want) {
			t.Errorf("%v is announced at %v, want %v", v.Addr, got, want)
		}
	}
}

// What stood and went, or stands with another MAC address, is looked for and announced like any other.
func TestOnlyWhatIsSetAsItStoodStands(t *testing.T) {
	v := bothVIPs()[0]
	other := v
	other.MAC[5]++
	for name, set := range map[string]func(*announcer){
		"it came back":               func(a *announcer) { a.set([]VIP{v}, 0); a.set(nil, 0); a.set([]VIP{v}, 0) },
		"it has another MAC address": func(a *announcer) { a.set([]VIP{other}, 0) },
		"it is another":              func(a *announcer) { a.set(bothVIPs()[1:2], 0) },
	} {
		a := newAnnouncer(AnnounceTimes{})
		a.stand([]VIP{v})
		if set(a); len(a.quiet) != 1 {
			t.Errorf("%s: %d VIPs are looked for, want 1", name, len(a.quiet))
		}
	}
}

// A conflict about a VIP that stands is met as about any other.
func TestAVIPThatStandsIsDefended(t *testing.T) {
	v := bothVIPs()[0]
	a := newAnnouncer(AnnounceTimes{})
	a.stand([]VIP{v})
	a.set([]VIP{v}, 0)
	if _, ok := a.defend(v, time.Second); !ok {
		t.Error("it is not defended")
	}
	a.used(v.place(), frame.MAC{2, 9}, time.Second)
	if next, ok := a.next(); !ok || next != 2*time.Second {
		t.Errorf("it is announced again at %v, %v; want 2s", next, ok)
	}
}

// A target whose MAC address is known is not asked for before it would have been anyway.
func TestATargetThatStandsIsKnownAndAskedLater(t *testing.T) {
	r := newResolver()
	r.stand([]Known{{serverIP, eth0, serverMAC}, {serverIP, eth1, frame.MAC{}}})
	if changes := r.set([]Target{testTarget()}, nil, 0); len(changes) > 0 {
		t.Errorf("it is told of as %v", changes)
	}
	expectState(t, r, reachable, serverMAC)
	var j journal
	j.until(r, 31*time.Second)
	j.expect(t, "30s unicast", "31s unicast")
	r.set(nil, nil, 40*time.Second)
	r.set([]Target{testTarget()}, nil, 40*time.Second)
	expectState(t, r, incomplete, frame.MAC{})
}

// One of our own MAC addresses is no target's, whoever believed it.
func TestAnOwnAddressThatWasBelievedIsForgotten(t *testing.T) {
	r := newResolver()
	r.stand([]Known{{serverIP, eth0, ourMAC}})
	if changes := r.set([]Target{testTarget()}, nil, 0); len(changes) != 1 || changes[0].New != (frame.MAC{}) {
		t.Errorf("it is told of as %v", changes)
	}
	expectState(t, r, incomplete, frame.MAC{})
}
