package arp

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"lvsdr/dataplane/frame"
)

// lookTimes are times with a look and little else.
var lookTimes = AnnounceTimes{Look: 200 * ms, Rounds: 1, Every: -1, CheckEvery: time.Minute}

// A watcher records what an announcer sends and tells about the VIP.
type watcher struct {
	*announcer
	servers map[frame.MAC]bool
	log     []string
}

func watch(times AnnounceTimes) *watcher {
	w := &watcher{announcer: newAnnouncer(times), servers: map[frame.MAC]bool{}}
	w.set(testVIPs()[:1], 0)
	return w
}

// until lets the announcer work up to and including end.
func (w *watcher) until(end time.Duration) {
	for {
		next, ok := w.next()
		if !ok || next > end {
			return
		}
		for _, a := range w.take(next, func(_ VIP, m frame.MAC) bool { return w.servers[m] }) {
			w.log = append(w.log, fmt.Sprint(next, " ", a.kind))
		}
		for _, e := range w.takeEvents() {
			w.log = append(w.log, fmt.Sprint(next, " ", e.Kind))
		}
	}
}

func (w *watcher) expect(t *testing.T, want ...string) {
	t.Helper()
	if !slices.Equal(w.log, want) {
		t.Errorf("got\n%q, want\n%q", w.log, want)
	}
	w.log = nil
}

// uses has another host use the VIP.
func (w *watcher) uses(m frame.MAC, now time.Duration) {
	w.used(testVIPs()[0].place(), m, now)
}

// burst lists what an announcement at that moment sends, with lookTimes.
func burst(at string) []string { return []string{at + " request", at + " reply", at + " check"} }

func TestAFreeVIPIsLookedForTwiceAndThenAnnounced(t *testing.T) {
	w := watch(lookTimes)
	w.until(30 * time.Second)
	w.expect(t, append([]string{"0s check", "100ms check"}, burst("200ms")...)...)
}

func TestAVIPIsAnnouncedAtOnceWithoutALook(t *testing.T) {
	w := watch(AnnounceTimes{Look: -1, Rounds: 1, Every: -1})
	w.until(30 * time.Second)
	w.expect(t, burst("0s")...)
}

func TestAVIPThatAnotherHostHasIsHeldUntilThatIsSilent(t *testing.T) {
	w := watch(lookTimes)
	w.uses(strayMAC, 50*ms)
	for s := time.Duration(1); s <= 60; s++ { // it answers each check
		w.until(s * time.Second)
		w.uses(strayMAC, s*time.Second+300*ms)
	}
	if n := len(w.log); n != 2+2+59 || w.log[3] != "200ms vip-held" {
		t.Errorf("%d things in a minute: %q", n, w.log)
	}
	if slices.ContainsFunc(w.log, func(s string) bool { return s[len(s)-5:] == "reply" }) {
		t.Errorf("announced though another host has it: %q", w.log)
	}
	w.log = nil
	w.until(70 * time.Second)
	w.expect(t, append([]string{"1m0.2s check", "1m1.2s check", "1m2.2s check", "1m3.2s check"},
		append(burst("1m4.2s"), "1m4.2s vip-free")...)...)
}

// A real server that does not keep the VIP to itself is no director: nothing waits
// for it, also where its MAC address becomes known late.
func TestARealServerHoldsNoVIP(t *testing.T) {
	for _, known := range []time.Duration{0, 150 * ms, 900 * ms} {
		t.Run(fmt.Sprint("known at ", known), func(t *testing.T) {
			w := watch(lookTimes)
			if known == 0 {
				w.servers[serverMAC] = true
			}
			w.until(50 * ms)
			w.uses(serverMAC, 50*ms)
			w.until(known)
			w.servers[serverMAC] = true
			w.log = nil
			w.until(20 * time.Second)
			at := "200ms"
			if known > 200*ms {
				at = "1.2s"
			}
			if got := w.log[len(w.log)-3:]; !slices.Equal(got, burst(at)) {
				t.Errorf("%q, want an announcement at %s", w.log, at)
			}
		})
	}
}

func TestWhatIsHeldIsNotDefended(t *testing.T) {
	w := watch(lookTimes)
	if _, ok := w.defend(testVIPs()[0], 0); ok {
		t.Error("defended while it is looked for")
	}
	w.uses(strayMAC, 0)
	w.until(5 * 100 * ms)
	if _, ok := w.defend(testVIPs()[0], time.Second); ok {
		t.Error("defended while another host has it")
	}
}

// The one that has the VIP announces it again when another uses it, until that is
// silent.
func TestAConflictIsAnsweredWithAnnouncementsUntilItEnds(t *testing.T) {
	w := watch(AnnounceTimes{Look: -1, Rounds: 1, Every: -1, CheckEvery: time.Hour})
	w.until(10 * time.Second)
	w.log = nil
	w.uses(strayMAC, 10*time.Second)
	heard := []time.Duration{10 * time.Second}
	for now := 10 * time.Second; now < 40*time.Second; now += 500 * ms { // it goes on for 30 s
		w.until(now)
		w.uses(strayMAC, now)
		heard = append(heard, now)
	}
	w.until(10 * time.Minute)
	var at []string
	for _, l := range w.log {
		if l[len(l)-5:] == "reply" {
			at = append(at, l[:len(l)-6])
		}
	}
	want := []string{"11s", "13s", "17s", "25s", "33s", "41s", "49s"}
	if !slices.Equal(at, want) {
		t.Errorf("announced again at %v, want %v (in use from %v to %v)", at, want, heard[0], heard[len(heard)-1])
	}
	if n := len(w.log); n != 3*len(want)-1 { // the last turn finds nobody and checks no more
		t.Errorf("%d frames: %q", n, w.log)
	}
}

func TestOfTwoThatLookAtOneMomentTheLowerMACGoesFirst(t *testing.T) {
	lower, higher := frame.MAC{0x02, 0, 0, 0, 0, 0}, frame.MAC{0x02, 0, 0, 0, 0, 2} // ours ends in 1
	for other, used := range map[frame.MAC]bool{lower: true, higher: false} {
		b := newBench(t, Config{Announce: lookTimes})
		b.set(t, testVIPs()[:1])
		b.turn()
		b.rec.take()
		b.hear(request(other, zeroIP, vip).build()) // its probe
		if out := b.rec.take(); len(out) != 0 {
			t.Errorf("a probe was answered while the VIP is looked for: % x", out[0].frame)
		}
		for b.now = 0; b.now < time.Second; b.now += 50 * ms {
			b.turn()
		}
		if held := b.announcer.quiet[testVIPs()[0].place()]; held != used {
			t.Errorf("held for the one at %v: %v, want %v", other, held, used)
		}
	}
}

// A whole service: the second director takes nothing while the first answers, says
// so, and is there when that ends.
func TestASecondDirectorWaitsForTheFirst(t *testing.T) {
	each(t, func(t *testing.T, f family) {
		b := newBench(t, Config{Announce: lookTimes})
		b.set(t, bothVIPs())
		for b.now = 0; b.now < 10*time.Second; b.now += 100 * ms {
			b.turn()
			if b.now <= 5*time.Second && b.now%time.Second == 0 {
				b.hear(f.claim.build()) // the first answers
			}
			if b.now == 2*time.Second {
				b.rec.take()
				b.hear(f.question.build())
				if out := b.rec.take(); len(out) != 0 {
					t.Errorf("answered for a VIP that another host has: % x", out[0].frame)
				}
			}
		}
		var told []string
		for _, e := range b.events {
			if e.VIP == f.vip.Addr && (e.Kind == VIPHeld || e.Kind == VIPFree || e.Kind == Conflict) {
				told = append(told, e.Text)
			}
		}
		want := []string{
			fmt.Sprintf("02:00:00:00:00:99 has VIP %s: it is not announced here until that host is silent (--force takes it)", f.vip.Addr),
			fmt.Sprintf("02:00:00:00:00:99 does not answer for VIP %s any more: it is announced here now", f.vip.Addr),
		}
		if !slices.Equal(told, want) {
			t.Errorf("told %q, want %q", told, want)
		}
		if b.counted(notAnnounced) == 0 {
			t.Error("nothing was counted as not announced")
		}
		b.rec.take()
		b.hear(f.question.build())
		if out := b.rec.take(); len(out) != 1 {
			t.Errorf("%d answers after the first director is gone, want 1", len(out))
		}
	})
}
