package arp

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"
	"time"

	"lvsdr/dataplane/frame"
)

// A journal is what a Resolver did: one line for each request and each change.
type journal []string

// until asks r whenever something is due up to and including end.
func (j *journal) until(r *Resolver, end time.Duration) {
	for {
		next, ok := r.Next()
		if !ok || next > end {
			return
		}
		asks, changes := r.Due(next)
		for _, a := range asks {
			kind := "unicast"
			if a.Packet.Dst[0]&1 != 0 {
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

// state is what r says of its only target.
func state(r *Resolver, now time.Duration) (State, frame.MAC) {
	n := r.Neighbours(now)[0]
	return n.State, n.MAC
}

func expectState(t *testing.T, r *Resolver, s State, m frame.MAC) {
	t.Helper()
	if gotS, gotM := state(r, 0); gotS != s || gotM != m {
		t.Errorf("%v with MAC %s, want %v with %s", gotS, gotM, s, m)
	}
}

func newTestResolver() *Resolver {
	r := NewResolver()
	r.Set([]Target{testTarget()}, nil, 0)
	return r
}

func TestAnUnknownRealServerIsAskedForWithBackOff(t *testing.T) {
	r, j := newTestResolver(), journal{}
	expectState(t, r, Incomplete, zeroMAC)
	j.until(r, 2999*ms)
	expectState(t, r, Incomplete, zeroMAC)
	j.until(r, 130*time.Second)
	expectState(t, r, Failed, zeroMAC)
	j.expect(t, "0s broadcast", "1s broadcast", "2s broadcast", "3s real_server_lost",
		"4s broadcast", "8s broadcast", "16s broadcast", "32s broadcast",
		"1m2s broadcast", "1m32s broadcast", "2m2s broadcast")
}

func TestAnAnswerMakesItReachableFromEveryState(t *testing.T) {
	for _, c := range []struct {
		name  string
		at    time.Duration // of the answer
		known bool          // answered at 0 as well
		from  State
	}{
		{"from incomplete", 500 * ms, false, Incomplete},
		{"from reachable", 10 * time.Second, true, Reachable},
		{"from probe, asked by unicast", 31 * time.Second, true, Probe},
		{"from probe, asked by broadcast", 34 * time.Second, true, Probe},
		{"from failed, never heard of", 20 * time.Second, false, Failed},
		{"from failed, known once", 40 * time.Second, true, Failed},
	} {
		t.Run(c.name, func(t *testing.T) {
			r, j := newTestResolver(), journal{}
			if c.known {
				r.Learn(eth0, serverIP, serverMAC, 0)
			}
			j.until(r, c.at)
			s, before := state(r, c.at)
			if s != c.from {
				t.Fatalf("in %v before the answer, want %v", s, c.from)
			}
			ch, changed := r.Learn(eth0, serverIP, serverMAC, c.at)
			if changed != (before == zeroMAC) || changed && (ch.Old != before || ch.New != serverMAC) {
				t.Errorf("change %v, %v", ch, changed)
			}
			expectState(t, r, Reachable, serverMAC)
			j = nil
			j.until(r, c.at+31*time.Second)
			j.expect(t, fmt.Sprint(c.at+30*time.Second, " unicast"), fmt.Sprint(c.at+31*time.Second, " unicast"))
		})
	}
}

func TestAKnownRealServerIsAskedAgainAndGivenUp(t *testing.T) {
	r, j := newTestResolver(), journal{}
	r.Learn(eth0, serverIP, serverMAC, 0)
	j.until(r, 29999*ms)
	j.expect(t)
	expectState(t, r, Reachable, serverMAC)
	j.until(r, 35999*ms)
	expectState(t, r, Probe, serverMAC) // still usable
	j.expect(t, "30s unicast", "31s unicast", "32s unicast", "33s broadcast", "34s broadcast", "35s broadcast")
	j.until(r, 50*time.Second)
	expectState(t, r, Failed, zeroMAC)
	j.expect(t, "36s real_server_lost", "37s broadcast", "41s broadcast", "49s broadcast")
	// What it is asked with.
	asks, _ := r.Due(time.Minute + 5*time.Second)
	if got := readWire(t, asks[0].Packet.Frame()); got != request(ourMAC, ourIP, serverIP) {
		t.Errorf("broadcast request is %v", got)
	}
	r.Learn(eth0, serverIP, serverMAC, 100*time.Second)
	asks, _ = r.Due(130 * time.Second)
	if got := readWire(t, asks[0].Packet.Frame()); got != unicast(request(ourMAC, ourIP, serverIP), serverMAC) {
		t.Errorf("unicast request is %v", got)
	}
}

func TestAHostWithoutAnAddressAsksFrom0000(t *testing.T) {
	r, tg := NewResolver(), testTarget()
	tg.SourceIP = netip.Addr{}
	r.Set([]Target{tg}, nil, 0)
	asks, _ := r.Due(0)
	if got := readWire(t, asks[0].Packet.Frame()); got != request(ourMAC, zeroIP, serverIP) {
		t.Errorf("asked with %v", got)
	}
}

func TestAnotherMACIsAChangeWithOldAndNew(t *testing.T) {
	r := newTestResolver()
	r.Learn(eth0, serverIP, serverMAC, 0)
	c, ok := r.Learn(eth0, serverIP, strayMAC, time.Second)
	if !ok || c.Old != serverMAC || c.New != strayMAC || c.IP != serverIP || c.Ifindex != eth0 {
		t.Errorf("change %v, %v", c, ok)
	}
	e := c.event()
	if want := "real server 192.168.1.11 moved from 02:00:00:00:00:11 to 02:00:00:00:00:99"; e.text() != want {
		t.Errorf("text %q, want %q", e.text(), want)
	}
	expectState(t, r, Reachable, strayMAC)
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
			r := NewResolver()
			r.Set([]Target{testTarget()}, []frame.MAC{other}, 0)
			if ch, ok := r.Learn(c.ifindex, c.ip, c.mac, 0); ok {
				t.Errorf("change %v", ch)
			}
			expectState(t, r, Incomplete, zeroMAC)
		})
	}
}

func TestSetKeepsWhatStays(t *testing.T) {
	r, j := newTestResolver(), journal{}
	r.Learn(eth0, serverIP, serverMAC, 0)
	second := testTarget()
	second.IP = clientIP
	r.Set([]Target{second, testTarget()}, nil, 10*time.Second)
	want := []Neighbour{
		{IP: serverIP, Ifindex: eth0, Name: "192.168.1.11", MAC: serverMAC, State: Reachable, Age: 12 * time.Second},
		{IP: clientIP, Ifindex: eth0, Name: "192.168.1.50", State: Incomplete, Age: 2 * time.Second},
	}
	if got := r.Neighbours(12 * time.Second); !slices.Equal(got, want) {
		t.Errorf("neighbours %v, want %v", got, want)
	}
	j.until(r, 10*time.Second)
	j.expect(t, "10s broadcast") // the new one only
	r.Set([]Target{second}, nil, 11*time.Second)
	if n := r.Neighbours(0); len(n) != 1 || n[0].IP != clientIP {
		t.Errorf("neighbours %v, want the second alone", n)
	}
	r.Set(nil, nil, 0)
	if _, ok := r.Next(); ok {
		t.Error("something is due without targets")
	}
}

func TestAMACThatTurnsOutToBeOursIsDropped(t *testing.T) {
	r, j := newTestResolver(), journal{}
	r.Learn(eth0, serverIP, strayMAC, 0)
	got := r.Set([]Target{testTarget()}, []frame.MAC{strayMAC}, 5*time.Second)
	if len(got) != 1 || got[0].Old != strayMAC || got[0].New != zeroMAC {
		t.Errorf("changes %v", got)
	}
	expectState(t, r, Incomplete, zeroMAC)
	j.until(r, 5*time.Second)
	j.expect(t, "5s broadcast")
}

func TestALateCallerAsksOnce(t *testing.T) {
	r := newTestResolver()
	for _, now := range []time.Duration{0, time.Hour, 2 * time.Hour, 3 * time.Hour, 4 * time.Hour} {
		asks, changes := r.Due(now)
		if n := len(asks) + len(changes); n != 1 {
			t.Errorf("at %v there are %d things to do, want 1", now, n)
		}
	}
}

// TestResolverLaws lets one resolver live through a long random life and holds
// every step against what its comment promises.
func TestResolverLaws(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	r := newTestResolver()
	var now, lastAsk, heard time.Duration
	lastAsk, heard = -time.Hour, -time.Hour
	usable := zeroMAC
	for range 20000 {
		if next, ok := r.Next(); ok && rng.IntN(4) != 0 {
			now = max(now, next)
		} else {
			now += time.Duration(rng.IntN(1000)) * ms
		}
		if rng.IntN(12) == 0 {
			m := []frame.MAC{serverMAC, strayMAC, broadcast, ourMAC, zeroMAC}[rng.IntN(5)]
			if c, ok := r.Learn(eth0, serverIP, m, now); ok {
				if c.Old != usable || c.New == usable || !station(c.New) || c.New == ourMAC {
					t.Fatalf("change %v while %s was in use", c, usable)
				}
				usable = c.New
			}
			if m == serverMAC || m == strayMAC {
				heard = now
			}
		}
		asks, changes := r.Due(now)
		for range asks {
			if now-lastAsk < askSpacing && now-heard > askSpacing {
				t.Fatalf("asked at %v and %v", lastAsk, now)
			}
			if now-heard < reachableFor {
				t.Fatalf("asked at %v though heard of at %v", now, heard)
			}
			lastAsk = now
		}
		for _, c := range changes {
			if c.Old != usable || c.New != zeroMAC {
				t.Fatalf("given up with %v while %s was in use", c, usable)
			}
			usable = zeroMAC
		}
		n := r.Neighbours(now)[0]
		if n.MAC != usable || (n.MAC != zeroMAC) != (n.State == Reachable || n.State == Probe) {
			t.Fatalf("%v with MAC %s; the changes left %s", n.State, n.MAC, usable)
		}
	}
}
