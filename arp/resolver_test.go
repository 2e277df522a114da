package arp

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"
	"time"

	"lvsdr/dataplane/frame"
)

// A journal records the actions of a Resolver: one line for each request and each change.
type journal []string

// until asks r whenever something is due up to and including end.
func (j *journal) until(r *resolver, end time.Duration) {
	for {
		next, ok := r.next()
		if !ok || next > end {
			return
		}
		asks, changes := r.take(next)
		for _, a := range asks {
			kind := "unicast"
			if a.packet.Dst[0]&1 != 0 {
				kind = "broadcast"
			}
			*j = append(*j, fmt.Sprintf("%v %s", next, kind))
		}
		for _, c := range changes {
			*j = append(*j, fmt.Sprintf("%v %v", next, c.event().Kind))
		}
	}
}

func (j *journal) expect(t *testing.T, want ...string) {
	t.Helper()
	if !slices.Equal(*j, want) {
		t.Errorf("got\n%q, want\n%q", *j, want)
	}
	*j = nil
}

// state returns the state of r's only target.
func state(r *resolver, now time.Duration) (State, frame.MAC) {
	n := r.neighbours(now)[0]
	return n.State, n.MAC
}

func expectState(t *testing.T, r *resolver, s State, m frame.MAC) {
	t.Helper()
	if gotS, gotM := state(r, 0); gotS != s || gotM != m {
		t.Errorf("%v with MAC %s, want %v with %s", gotS, gotM, s, m)
	}
}

func newTestResolver() *resolver { return resolverOf(testTarget()) }

func resolverOf(targets ...Target) *resolver {
	r := newResolver()
	r.set(targets, nil, 0)
	return r
}

func TestAnUnknownRealServerIsAskedForWithBackOff(t *testing.T) {
	each(t, func(t *testing.T, f family) {
		r, j := resolverOf(f.target), journal{}
		expectState(t, r, incomplete, zeroMAC)
		j.until(r, 2999*ms)
		expectState(t, r, incomplete, zeroMAC)
		j.until(r, 130*time.Second)
		expectState(t, r, failed, zeroMAC)
		j.expect(t, "0s broadcast", "1s broadcast", "2s broadcast", "3s real-server-lost",
			"4s broadcast", "8s broadcast", "16s broadcast", "32s broadcast",
			"1m2s broadcast", "1m32s broadcast", "2m2s broadcast")
	})
}

func TestAnAnswerMakesItReachableFromEveryState(t *testing.T) {
	for _, c := range []struct {
		name  string
		at    time.Duration // of the answer
		known bool          // answered at 0 as well
		from  State
	}{
		{"from incomplete", 500 * ms, false, incomplete},
		{"from reachable", 10 * time.Second, true, reachable},
		{"from probe, asked by unicast", 31 * time.Second, true, probing},
		{"from probe, asked by broadcast", 34 * time.Second, true, probing},
		{"from failed, never heard of", 20 * time.Second, false, failed},
		{"from failed, known once", 40 * time.Second, true, failed},
	} {
		t.Run(c.name, func(t *testing.T) {
			r, j := newTestResolver(), journal{}
			if c.known {
				r.learn(eth0, serverIP, serverMAC, false, 0)
			}
			j.until(r, c.at)
			s, before := state(r, c.at)
			if s != c.from {
				t.Fatalf("in %v before the answer, want %v", s, c.from)
			}
			ch, changed := r.learn(eth0, serverIP, serverMAC, false, c.at)
			if changed != (before == zeroMAC) || changed && (ch.Old != before || ch.New != serverMAC) {
				t.Errorf("change %v, %v", ch, changed)
			}
			expectState(t, r, reachable, serverMAC)
			j = nil
			j.until(r, c.at+31*time.Second)
			j.expect(t, fmt.Sprint(c.at+30*time.Second, " unicast"), fmt.Sprint(c.at+31*time.Second, " unicast"))
		})
	}
}

func TestAKnownRealServerIsAskedAgainAndGivenUp(t *testing.T) {
	each(t, func(t *testing.T, f family) {
		r, j := resolverOf(f.target), journal{}
		asks, _ := r.take(0)
		if got, want := readSaid(t, asks[0].packet.Frame()), f.wants(f.target.SourceIP, zeroMAC); got != want {
			t.Errorf("asked with %v, want %v", got, want)
		}
		r.learn(eth0, f.target.IP, serverMAC, false, 0)
		j.until(r, 29999*ms)
		j.expect(t)
		expectState(t, r, reachable, serverMAC)
		j.until(r, 35999*ms)
		expectState(t, r, probing, serverMAC) // still usable
		j.expect(t, "30s unicast", "31s unicast", "32s unicast", "33s broadcast", "34s broadcast", "35s broadcast")
		j.until(r, 50*time.Second)
		expectState(t, r, failed, zeroMAC)
		j.expect(t, "36s real-server-lost", "37s broadcast", "41s broadcast", "49s broadcast")
		// What it is asked with.
		asks, _ = r.take(time.Minute + 5*time.Second)
		if got, want := readSaid(t, asks[0].packet.Frame()), f.wants(f.target.SourceIP, zeroMAC); got != want {
			t.Errorf("asked to all with %v, want %v", got, want)
		}
		r.learn(eth0, f.target.IP, serverMAC, false, 100*time.Second)
		asks, _ = r.take(130 * time.Second)
		if got, want := readSaid(t, asks[0].packet.Frame()), f.wants(f.target.SourceIP, serverMAC); got != want {
			t.Errorf("asked by unicast with %v, want %v", got, want)
		}
	})
}

func TestAHostWithoutAnAddressAsksFromWhatTheTargetAnswers(t *testing.T) {
	each(t, func(t *testing.T, f family) {
		f.target.SourceIP = netip.Addr{}
		asks, _ := resolverOf(f.target).take(0)
		if got, want := readSaid(t, asks[0].packet.Frame()), f.wants(f.sourceless, zeroMAC); got != want {
			t.Errorf("asked with %v, want %v", got, want)
		}
	})
}

func TestAGivenMACIsUsedAtOnceAndNeverAskedForNorMoved(t *testing.T) {
	each(t, func(t *testing.T, f family) {
		r, static := newResolver(), f.target
		static.Static = serverMAC
		changes := r.set([]Target{static}, nil, 0)
		if len(changes) != 1 || changes[0].New != serverMAC || changes[0].Old != zeroMAC {
			t.Errorf("changes %v", changes)
		}
		if next, ok := r.next(); ok {
			t.Errorf("something is due at %v", next)
		}
		if c, ok := r.learn(eth0, f.target.IP, strayMAC, false, time.Second); ok {
			t.Errorf("moved: %v", c)
		}
		if changes := r.set([]Target{static}, []frame.MAC{serverMAC}, time.Hour); len(changes) != 0 {
			t.Errorf("changes %v when it is set again", changes)
		}
		expectState(t, r, permanent, serverMAC)
		static.Static = strayMAC
		if c := r.set([]Target{static}, nil, time.Hour); len(c) != 1 || c[0].Old != serverMAC || c[0].New != strayMAC {
			t.Errorf("changes %v when another one is given", c)
		}
	})
}

func TestAMACThatIsNoLongerGivenHasToBeConfirmed(t *testing.T) {
	r, static, j := newResolver(), testTarget(), journal{}
	static.Static = serverMAC
	r.set([]Target{static}, nil, 0)
	if c := r.set([]Target{testTarget()}, nil, 10*time.Second); len(c) != 0 {
		t.Errorf("changes %v: it is usable until it is refuted", c)
	}
	j.until(r, 16*time.Second)
	j.expect(t, "10s unicast", "11s unicast", "12s unicast", "13s broadcast", "14s broadcast", "15s broadcast", "16s real-server-lost")
	r.learn(eth0, serverIP, strayMAC, false, 17*time.Second)
	if c := r.set([]Target{static}, nil, 18*time.Second); len(c) != 1 || c[0].Old != strayMAC || c[0].New != serverMAC {
		t.Errorf("changes %v when a MAC is given again", c)
	}
	j.until(r, time.Hour)
	j.expect(t)
}

// TestAnAgendaTakesWhatIsDueInOrder compares an agenda with a list that is
// looked through.
func TestAnAgendaTakesWhatIsDueInOrder(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	var a agenda[*neighbour]
	var all []*neighbour
	inOrder := func(x, y *neighbour) int {
		return cmp.Or(cmp.Compare(x.due, y.due), x.at.compare(y.at))
	}
	for step := range 5000 {
		switch rng.IntN(4) {
		case 0:
			n := &neighbour{task: task{at: place{int32(step), serverIP}, due: time.Duration(rng.IntN(100))}}
			a.add(n)
			all = append(all, n)
		case 1:
			if len(all) > 0 {
				n := all[rng.IntN(len(all))]
				n.due = time.Duration(rng.IntN(100))
				a.fix(n)
			}
		case 2:
			if len(all) > 0 {
				i := rng.IntN(len(all))
				a.remove(all[i])
				all = slices.Delete(all, i, i+1)
			}
		case 3:
			now := time.Duration(rng.IntN(30))
			slices.SortFunc(all, inOrder)
			n := 0
			for n < len(all) && all[n].due <= now {
				n++
			}
			if got := a.take(now); !slices.Equal(got, all[:n]) {
				t.Fatalf("step %d: took %d entries, want %d", step, len(got), n)
			}
			all = slices.Clone(all[n:])
		}
		want, ok := never, len(all) > 0
		for _, n := range all {
			want = min(want, n.due)
		}
		if got, gotOK := a.next(); got != want || gotOK != ok {
			t.Fatalf("step %d: next %v, %v; want %v, %v", step, got, gotOK, want, ok)
		}
	}
}

func TestWhatIsNeverLearned(t *testing.T) {
	other := frame.MAC{0x02, 0, 0, 0, 7, 7}
	for _, c := range []struct {
		name    string
		ifindex int32
		ip      netip.Addr
		mac     frame.MAC
	}{
		{"the broadcast address", eth0, serverIP, broadcast},
		{"a multicast address", eth0, serverIP, frame.MAC{0x01, 0, 0x5e, 0, 0, 1}},
		{"zeros", eth0, serverIP, zeroMAC},
		{"the MAC the request was sent from", eth0, serverIP, ourMAC},
		{"another MAC of ours", eth0, serverIP, other},
		{"an address that is not asked for", eth0, clientIP, clientMAC},
		{"the address on another interface", eth1, serverIP, serverMAC},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newResolver()
			r.set([]Target{testTarget()}, []frame.MAC{other}, 0)
			if ch, ok := r.learn(c.ifindex, c.ip, c.mac, false, 0); ok {
				t.Errorf("change %v", ch)
			}
			expectState(t, r, incomplete, zeroMAC)
		})
	}
}

func TestSetKeepsWhatStays(t *testing.T) {
	r, j := newTestResolver(), journal{}
	r.learn(eth0, serverIP, serverMAC, false, 0)
	second := testTarget()
	second.IP = clientIP
	r.set([]Target{second, testTarget()}, nil, 10*time.Second)
	want := []Neighbour{
		{IP: serverIP, Ifindex: eth0, Name: "real server 192.168.1.11", MAC: serverMAC, State: reachable, Age: 12 * time.Second},
		{IP: clientIP, Ifindex: eth0, Name: "real server 192.168.1.50", State: incomplete, Age: 2 * time.Second},
	}
	if got := r.neighbours(12 * time.Second); !slices.Equal(got, want) {
		t.Errorf("neighbours %v, want %v", got, want)
	}
	j.until(r, 10*time.Second)
	j.expect(t, "10s broadcast") // the new one only
	r.set([]Target{second}, nil, 11*time.Second)
	if n := r.neighbours(0); len(n) != 1 || n[0].IP != clientIP {
		t.Errorf("neighbours %v, want the second alone", n)
	}
	r.set(nil, nil, 0)
	if _, ok := r.next(); ok {
		t.Error("something is due without targets")
	}
}

func TestAMACThatTurnsOutToBeOursIsDropped(t *testing.T) {
	r, j := newTestResolver(), journal{}
	r.learn(eth0, serverIP, strayMAC, false, 0)
	got := r.set([]Target{testTarget()}, []frame.MAC{strayMAC}, 5*time.Second)
	if len(got) != 1 || got[0].Old != strayMAC || got[0].New != zeroMAC {
		t.Errorf("changes %v", got)
	}
	expectState(t, r, incomplete, zeroMAC)
	j.until(r, 5*time.Second)
	j.expect(t, "5s broadcast")
}

func TestALateCallerAsksOnce(t *testing.T) {
	r := newTestResolver()
	for _, now := range []time.Duration{0, time.Hour, 2 * time.Hour, 3 * time.Hour, 4 * time.Hour} {
		asks, changes := r.take(now)
		if n := len(asks) + len(changes); n != 1 {
			t.Errorf("at %v there are %d things to do, want 1", now, n)
		}
	}
}

// TestResolverLaws lets one resolver live through a long random life and checks
// at every step what its comment promises.
func TestResolverLaws(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	r := newTestResolver()
	var now, lastAsk, heard time.Duration
	lastAsk, heard = -time.Hour, -time.Hour
	usable, silent, claims := zeroMAC, 0, 0 // silent: how often usable was asked since it was heard
	for range 20000 {
		if next, ok := r.next(); ok && rng.IntN(4) != 0 {
			now = max(now, next)
		} else {
			now += time.Duration(rng.IntN(1000)) * ms
		}
		if rng.IntN(12) == 0 {
			m := []frame.MAC{serverMAC, strayMAC, broadcast, ourMAC, zeroMAC}[rng.IntN(5)]
			c, ok := r.learn(eth0, serverIP, m, false, now)
			if ok {
				if c.Old != usable || c.New == usable || !station(c.New) || c.New == ourMAC {
					t.Fatalf("change %v while %s was in use", c, usable)
				}
				if usable != zeroMAC && silent < askTries {
					t.Fatalf("%s was left though it was asked %d times only", usable, silent)
				}
				usable = c.New
			}
			switch {
			case m == usable && usable != zeroMAC:
				heard, silent = now, 0
			case m == serverMAC || m == strayMAC:
				claims++
			}
		}
		asks, changes := r.take(now)
		for range asks {
			if now-lastAsk < claimSpacing && now-heard > claimSpacing {
				t.Fatalf("asked at %v and %v", lastAsk, now)
			}
			if now-heard < reachableFor && claims == 0 {
				t.Fatalf("asked at %v though heard of at %v, and nobody claimed the address", now, heard)
			}
			lastAsk = now
			silent++
		}
		for _, c := range changes {
			if c.Old != usable || silent < askTries {
				t.Fatalf("change %v while %s was in use and was asked %d times", c, usable, silent)
			}
			if usable = c.New; usable != zeroMAC {
				heard, silent = now, 0
			}
		}
		n := r.neighbours(now)[0]
		if n.MAC != usable || (n.MAC != zeroMAC) != (n.State == reachable || n.State == probing) {
			t.Fatalf("%v with MAC %s; the changes left %s", n.State, n.MAC, usable)
		}
		if n.State == reachable {
			claims = 0
		}
	}
}

// While its interface is down a target is not asked and keeps what is known of it; when
// that is up it is asked at once, as the state of what was known requires.
func TestATargetBehindALinkThatIsDownStaysAsItIs(t *testing.T) {
	down, up := testTarget(), testTarget()
	down.Down = true
	for _, c := range []struct {
		name  string
		known bool
		up    []string // what is done within 4 s of the link being up
	}{
		{"a known one has to confirm its MAC address, and is given up later", true, []string{"1h0m0s unicast", "1h0m1s unicast", "1h0m2s unicast", "1h0m3s broadcast", "1h0m4s broadcast"}},
		{"an unknown one is asked for", false, []string{"1h0m0s broadcast", "1h0m1s broadcast", "1h0m2s broadcast", "1h0m3s real-server-lost", "1h0m4s broadcast"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			r, j := newTestResolver(), journal{}
			was, mac := incomplete, frame.MAC{}
			if c.known {
				was, mac = reachable, serverMAC
				r.learn(eth0, serverIP, serverMAC, false, 0)
			}
			if changes := r.set([]Target{down}, nil, 0); len(changes) != 0 {
				t.Errorf("changes %v", changes)
			}
			j.until(r, time.Hour)
			j.expect(t)
			expectState(t, r, was, mac)
			if changes := r.set([]Target{up}, nil, time.Hour); len(changes) != 0 {
				t.Errorf("changes %v", changes)
			}
			j.until(r, time.Hour+4*time.Second)
			j.expect(t, c.up...)
		})
	}
}

// One that was given up before its interface went down is asked anew, without the wait.
func TestATargetThatWasGivenUpIsAskedAtOnceWhenItsLinkIsUp(t *testing.T) {
	down := testTarget()
	down.Down = true
	r, j := newTestResolver(), journal{}
	j.until(r, 10*time.Minute)
	expectState(t, r, failed, frame.MAC{})
	j = nil
	r.set([]Target{down}, nil, 10*time.Minute)
	j.until(r, time.Hour)
	r.set([]Target{testTarget()}, nil, time.Hour)
	j.until(r, time.Hour)
	j.expect(t, "1h0m0s broadcast")
}
