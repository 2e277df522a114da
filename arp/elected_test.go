package arp

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"time"

	"lvsdr/dataplane/frame"
)

// keepalivedTimes are those that a vrrp_instance has if it says nothing.
var keepalivedTimes = Elected{Rounds: 5, Delay: 5 * time.Second}

// elected are vips that VRRP has given to this host.
func elected(e Elected, vips []VIP) []VIP {
	vips = slices.Clone(vips)
	for i := range vips {
		vips[i].Elected = e
	}
	return vips
}

// electedSince is an announcer with such VIPs since start.
func electedSince(e Elected, start time.Duration) *announcer {
	a := newAnnouncer(AnnounceTimes{CheckEvery: -1})
	a.set(elected(e, bothVIPs()), start)
	return a
}

// at are n times the moments.
func times(n int, moments ...time.Duration) (all []time.Duration) {
	for _, m := range moments {
		for range n {
			all = append(all, m)
		}
	}
	return all
}

func TestAnElectedVIPIsAnnouncedAsKeepalivedDoes(t *testing.T) {
	const s = time.Second
	start := 7 * s
	for _, c := range []struct {
		name string
		how  Elected
		want []time.Duration // of one VIP, until a minute after the start
	}{
		{"five times at once, and five times after five seconds", keepalivedTimes, times(5, start, start+5*s)},
		{"once only", Elected{Rounds: 1}, times(1, start)},
		{"without the second time", Elected{Rounds: 3}, times(3, start)},
		{"with a refresh once", Elected{Rounds: 2, Delay: s, Every: 20 * s}, append(times(2, start, start+s), times(1, start+20*s, start+40*s, start+60*s)...)},
		{"with a refresh of three", Elected{Rounds: 1, Every: 25 * s, EveryRounds: 3}, append(times(1, start), times(3, start+25*s, start+50*s)...)},
	} {
		t.Run(c.name, func(t *testing.T) {
			for i, v := range elected(c.how, bothVIPs()) {
				kind, other := announceRequest, announceReply
				if v.Addr.Is6() {
					kind, other = other, kind
				}
				if got := rounds(electedSince(c.how, start), v, kind, start+60*s); !slices.Equal(got, c.want) {
					t.Errorf("VIP %d is announced at %v, want %v", i, got, c.want)
				}
				if got := rounds(electedSince(c.how, start), v, other, start+60*s); len(got) != 0 {
					t.Errorf("VIP %d is announced in the other form as well: %v", i, got)
				}
			}
		})
	}
}

// VIPs with the same queue keep the distance among each other, whatever interfaces they are on.
func TestAnnouncementsOfAQueueKeepTheirDistance(t *testing.T) {
	how := Elected{Rounds: 2, Interval: 100 * ms, Queue: -1}
	a := electedSince(how, 0)
	last, n := -how.Interval, 0
	for {
		now, ok := a.next()
		if !ok {
			break
		}
		for range a.take(now, noServer) {
			if now-last < how.Interval {
				t.Errorf("announcements at %v and %v", last, now)
			}
			last = now
			n++
		}
	}
	if n != 8 || last != 700*ms { // four VIPs, two rounds
		t.Errorf("%d announcements, the last one at %v", n, last)
	}
}

// With an interval the announcements on one interface keep their distance, those on
// another one do not wait for them.
func TestAnnouncementsOnAnInterfaceKeepTheirDistance(t *testing.T) {
	how := Elected{Rounds: 2, Delay: time.Second, Interval: 100 * ms}
	a := electedSince(how, 0)
	last, n := map[int32]time.Duration{}, map[int32]int{}
	for {
		now, ok := a.next()
		if !ok {
			break
		}
		for _, x := range a.take(now, noServer) {
			i := x.vip.Ifindex
			if was, seen := last[i]; seen && now-was < how.Interval {
				t.Errorf("interface %d: announcements at %v and %v", i, was, now)
			}
			last[i] = now
			n[i]++
		}
	}
	if n[eth0] != 8 || n[eth1] != 8 { // two VIPs each, twice two rounds
		t.Errorf("announcements by interface: %v", n)
	}
	if last[eth0] != 1300*ms || last[eth1] != 1300*ms {
		t.Errorf("the last ones are at %v", last)
	}
}

func TestALateCallerDoesNotFloodWithAnElectedVIP(t *testing.T) {
	a := electedSince(Elected{Rounds: 2, Every: time.Second}, 0)
	if n := len(a.take(time.Hour, noServer)); n != 4*(2+1) {
		t.Errorf("an hour late %d announcements are due", n)
	}
	if n := len(a.take(time.Hour, noServer)); n != 0 {
		t.Errorf("at the same moment %d more", n)
	}
}

// VRRP has decided: nobody is looked for, and a conflict is not fought out.
func TestAnElectedVIPIsNeitherLookedForNorDefended(t *testing.T) {
	w := &watcher{announcer: newAnnouncer(lookTimes), servers: map[frame.MAC]bool{}}
	v := elected(Elected{Rounds: 1}, testVIPs()[:1])
	w.set(v, 0)
	if w.quiet[v[0].place()] {
		t.Error("it is not answered for")
	}
	w.until(30 * time.Second)
	w.expect(t, "0s request", "0s check")
	w.used(v[0].place(), strayMAC, 30*time.Second)
	if _, ok := w.defend(v[0], 31*time.Second); ok {
		t.Error("it is defended")
	}
	w.until(59 * time.Second)
	w.expect(t)
}

func TestOtherTimesOfAnElectedVIPDoNotAnnounceItAgain(t *testing.T) {
	a := electedSince(Elected{Rounds: 1, Every: 10 * time.Second}, 0)
	a.take(0, noServer)
	v := elected(Elected{Rounds: 4, Every: 30 * time.Second}, bothVIPs())
	a.set(v, time.Second)
	if got := rounds(a, v[0], announceRequest, 50*time.Second); !slices.Equal(got, times(1, 10*time.Second, 20*time.Second, 50*time.Second)) {
		t.Errorf("announced at %v", got)
	}
	v[0].Active = false
	a.set(v, 50*time.Second)
	v[0].Active = true
	a.set(v, 51*time.Second)
	if got := rounds(a, v[0], announceRequest, 52*time.Second); !slices.Equal(got, times(4, 51*time.Second)) {
		t.Errorf("once it is active again: announced at %v", got)
	}
}

// VRRP may begin to decide about a VIP that is announced, and end it.
func TestAVIPBecomesElectedAndIsNoMore(t *testing.T) {
	a := newAnnouncer(lookTimes)
	v := testVIPs()[:1]
	a.set(v, 0)
	if !a.quiet[v[0].place()] {
		t.Fatal("it is not looked for")
	}
	a.set(elected(Elected{Rounds: 1}, v), 50*ms)
	if a.quiet[v[0].place()] || len(a.take(50*ms, noServer)) != 2 {
		t.Error("VRRP has given it to this host, and it is not announced at once")
	}
	a.set(v, time.Second)
	if !a.quiet[v[0].place()] {
		t.Error("without VRRP it is not looked for")
	}
}

func TestAnElectedVIPIsRepeatedOnRequest(t *testing.T) {
	const s = time.Second
	for _, c := range []struct {
		name   string
		rounds int
		delay  time.Duration
		at     time.Duration
		want   []time.Duration
	}{
		{"twice at once, and twice later", 2, 3 * s, 20 * s, times(2, 20*s, 23*s)},
		{"at once only", 3, 0, 20 * s, times(3, 20*s)},
		{"not at all", 0, 3 * s, 20 * s, nil},
		{"before the second burst, which stays as it is", 1, 1 * s, 2 * s, append(times(1, 2*s), times(5, 5*s)...)},
	} {
		t.Run(c.name, func(t *testing.T) {
			for i, v := range elected(keepalivedTimes, bothVIPs()) {
				a := electedSince(keepalivedTimes, 0)
				rounds(a, v, announceRequest, c.at)
				a.again([]place{v.place(), {9, v.Addr}}, c.rounds, c.delay, c.at)
				if got := rounds(a, v, v.forms()[0].kind, c.at+time.Minute); !slices.Equal(got, c.want) {
					t.Errorf("VIP %d: repeated at %v, want %v", i, got, c.want)
				}
			}
		})
	}
	t.Run("one that is not elected, or not active, is passed over", func(t *testing.T) {
		a := active(AnnounceTimes{Every: -1, CheckEvery: -1}, 0)
		v := bothVIPs()[0]
		rounds(a, v, announceRequest, 10*s)
		a.again([]place{v.place()}, 2, 0, 10*s)
		a.set(elected(keepalivedTimes, with(false, bothVIPs())), 11*s)
		a.again([]place{v.place()}, 2, 0, 11*s)
		if _, ok := a.next(); ok {
			t.Error("something is due")
		}
	})
}

// While an election goes on both hosts may have the VIP for a moment. That is no
// conflict; what lasts is.
func TestAConflictAboutAnElectedVIPIsToldIfItLasts(t *testing.T) {
	each(t, func(t *testing.T, f family) {
		for _, c := range []struct {
			name  string
			heard []time.Duration
			told  bool
		}{
			{"the old master's last announcements", []time.Duration{0, 100 * ms, 900 * ms}, false},
			{"two masters", []time.Duration{0, time.Second, 2 * time.Second, 3 * time.Second}, true},
			{"two elections", []time.Duration{0, 100 * ms, time.Minute, time.Minute + 100*ms}, false},
		} {
			t.Run(c.name, func(t *testing.T) {
				b := newBench(t, Config{Announce: quiet})
				b.set(t, elected(keepalivedTimes, bothVIPs()))
				for _, b.now = range c.heard {
					b.hear(f.claim.build())
				}
				told := slices.ContainsFunc(b.events, func(e Event) bool { return e.Kind == Conflict })
				if told != c.told {
					t.Errorf("told of a conflict: %v, want %v (%v)", told, c.told, b.events)
				}
				if n := b.counted(claimedByOther); n != uint64(len(c.heard)) {
					t.Errorf("%d claims are counted, want %d", n, len(c.heard))
				}
			})
		}
	})
}

// A virtual MAC address stands in every answer and announcement, and another host that
// uses it is the one which has lost the election.
func TestAnElectedVIPHasItsVirtualMAC(t *testing.T) {
	each(t, func(t *testing.T, f family) {
		virtual := frame.MAC{0, 0, 0x5e, 0, 1, 51}
		v := elected(Elected{Rounds: 1}, []VIP{{Addr: f.vip.Addr, Ifindex: eth0, MAC: virtual, Active: true}})
		b := newBench(t, Config{Announce: quiet})
		b.set(t, v)
		b.turn()
		out := b.rec.take()
		if len(out) != 1 || frame.MAC(out[0].frame[6:12]) != virtual {
			t.Fatalf("announced by % x", out)
		}
		b.hear(f.question.build())
		out = b.rec.take()
		if len(out) != 1 || frame.MAC(out[0].frame[6:12]) != virtual {
			t.Fatalf("answered by % x", out)
		}
		same := v[0].forms()[0].packet()
		b.hear(same.Frame())
		if len(b.events) != 0 || b.counted(own) != 1 {
			t.Errorf("events %v", b.events)
		}
	})
}

func TestTheServiceRepeatsWhatIsElected(t *testing.T) {
	b := newBench(t, Config{Announce: quiet})
	b.set(t, elected(Elected{Rounds: 1}, testVIPs()))
	b.turn()
	b.rec.take()
	b.now = 20 * time.Second
	b.Repeat(eth0, []netip.Addr{vip, clientIP}, 2, time.Second)
	b.turn()
	b.now += time.Second
	b.turn()
	var got []string
	for _, s := range b.rec.take() {
		got = append(got, fmt.Sprintf("%d%v", s.ifindex, readSaid(t, s.frame) == gratuitous(1)))
	}
	if want := []string{"2true", "2true", "2true", "2true"}; !slices.Equal(got, want) {
		t.Errorf("sent %v, want %v", got, want)
	}
}

// What the host's kernel has is announced, and the kernel alone answers.
func TestAnAddressOfTheKernelIsAnnouncedOnly(t *testing.T) {
	each(t, func(t *testing.T, f family) {
		b := newBench(t, Config{Announce: quiet})
		b.set(t, []VIP{{Addr: f.vip.Addr, Ifindex: eth0, MAC: ourMAC, Active: true, Kernel: true, Elected: Elected{Rounds: 2}}})
		b.turn()
		if n := len(b.rec.take()); n != 2 {
			t.Errorf("announced %d times", n)
		}
		b.hear(f.question.build())
		b.hear(f.claim.build())
		if out := b.rec.take(); len(out) != 0 || len(b.events) != 0 {
			t.Errorf("answered by % x; events %v", out, b.events)
		}
	})
}
