package arp

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"lvsdr/dataplane/frame"
)

// knownServer is a resolver whose target was heard at serverMAC at 0.
func knownServer() *resolver {
	r := newTestResolver()
	r.learn(eth0, serverIP, serverMAC, false, 0)
	return r
}

// claim lets another host claim the target's address.
func claim(t *testing.T, r *resolver, mac frame.MAC, now time.Duration) {
	t.Helper()
	if c, ok := r.learn(eth0, serverIP, mac, false, now); ok {
		t.Errorf("at %v a claim alone was a change: %v", now, c)
	}
	expectState(t, r, probing, serverMAC)
}

func TestASilentRealServerMovesToTheMACThatIsClaimed(t *testing.T) {
	r, j := knownServer(), journal{}
	claim(t, r, strayMAC, 10*time.Second)
	j.until(r, 10899*ms)
	expectState(t, r, probing, serverMAC)
	j.expect(t, "10s unicast", "10.3s unicast", "10.6s unicast")
	asks, changes := r.take(10900 * ms)
	if len(asks) != 0 || len(changes) != 1 {
		t.Fatalf("%d requests and changes %v, want one change", len(asks), changes)
	}
	c := changes[0]
	if c.Old != serverMAC || c.New != strayMAC || c.IP != serverIP || c.Ifindex != eth0 {
		t.Errorf("change %v", c)
	}
	e := c.event()
	if want := "real server 192.168.1.11 moved from 02:00:00:00:00:11 to 02:00:00:00:00:99"; e.text() != want {
		t.Errorf("text %q, want %q", e.text(), want)
	}
	expectState(t, r, reachable, strayMAC)
	j.until(r, 41*time.Second)
	j.expect(t, "40.9s unicast") // half a minute later
	if got := r.takeRefused(); got != nil {
		t.Errorf("refused %v, want nothing", got)
	}
}

func TestAClaimIsAskedAboutByUnicastAtTheKnownMAC(t *testing.T) {
	each(t, func(t *testing.T, f family) {
		r := resolverOf(f.target)
		r.learn(eth0, f.target.IP, serverMAC, false, 0)
		r.learn(eth0, f.target.IP, strayMAC, false, 10*time.Second)
		asks, _ := r.take(10 * time.Second)
		if len(asks) != 1 {
			t.Fatalf("%d requests, want 1", len(asks))
		}
		if got, want := readSaid(t, asks[0].packet.Frame()), f.wants(f.target.SourceIP, serverMAC); got != want {
			t.Errorf("asked with %v, want %v", got, want)
		}
	})
}

func TestARealServerThatAnswersStaysWhereItIs(t *testing.T) {
	for _, answer := range []time.Duration{10 * time.Second, 10100 * ms, 10650 * ms, 10899 * ms} {
		t.Run(fmt.Sprint(answer), func(t *testing.T) {
			r, j := knownServer(), journal{}
			claim(t, r, strayMAC, 10*time.Second)
			j.until(r, answer)
			if c, ok := r.learn(eth0, serverIP, serverMAC, true, answer); ok {
				t.Errorf("change %v", c)
			}
			expectState(t, r, reachable, serverMAC)
			got := r.takeRefused()
			if len(got) != 1 {
				t.Fatalf("refused %v, want one claim", got)
			}
			want := "02:00:00:00:00:99 claims the address of real server 192.168.1.11, which answers at 02:00:00:00:00:11 as before: not believed"
			if text := got[0].text(); text != want || got[0].Kind != RealServerClaimed {
				t.Errorf("%v: %q, want %q", got[0].Kind, text, want)
			}
			if again := r.takeRefused(); again != nil {
				t.Errorf("told again: %v", again)
			}
			j = nil
			j.until(r, answer+reachableFor)
			j.expect(t, fmt.Sprint(answer+reachableFor, " unicast"))
		})
	}
}

// However many claims come, the real server gets a request a second, and its
// connections stay with it.
func TestAFloodOfClaimsMovesNothing(t *testing.T) {
	r := knownServer()
	asked := 0
	for now := time.Second; now < time.Minute; now += ms {
		mac := frame.MAC{0x02, 1, byte(now >> 24), byte(now >> 16), byte(now >> 8), byte(now)}
		if c, ok := r.learn(eth0, serverIP, mac, false, now); ok {
			t.Fatalf("at %v: %v", now, c)
		}
		asks, changes := r.take(now)
		if len(changes) > 0 {
			t.Fatalf("at %v: %v", now, changes)
		}
		if len(asks) > 0 {
			asked++
			r.learn(eth0, serverIP, serverMAC, false, now)
		}
	}
	if asked < 50 || asked > 61 {
		t.Errorf("asked %d times in a minute, want about 59", asked)
	}
}

func TestTheLastOfSeveralClaimsCounts(t *testing.T) {
	r, j := knownServer(), journal{}
	third := frame.MAC{0x02, 0, 0, 0, 0, 0x98}
	claim(t, r, strayMAC, 10*time.Second)
	j.until(r, 10400*ms)
	claim(t, r, third, 10400*ms)
	j.until(r, 11*time.Second)
	j.expect(t, "10s unicast", "10.3s unicast", "10.6s unicast", "10.9s real-server-moved")
	expectState(t, r, reachable, third)
}

// Where the known MAC address was asked in vain already, there is nothing to wait for.
func TestAClaimWhileTheRealServerIsSilentIsBelievedAtOnce(t *testing.T) {
	r, j := knownServer(), journal{}
	j.until(r, 33*time.Second)
	j.expect(t, "30s unicast", "31s unicast", "32s unicast", "33s broadcast")
	c, ok := r.learn(eth0, serverIP, strayMAC, false, 33100*ms)
	if !ok || c.Old != serverMAC || c.New != strayMAC {
		t.Errorf("change %v, %v", c, ok)
	}
	expectState(t, r, reachable, strayMAC)
}

func TestAClaimWhileTheRealServerIsAskedAnywayWaitsForTheAnswer(t *testing.T) {
	r, j := knownServer(), journal{}
	j.until(r, 31*time.Second)
	claim(t, r, strayMAC, 31500*ms)
	j.until(r, 40*time.Second)
	j.expect(t, "30s unicast", "31s unicast", "32s unicast", "32.3s real-server-moved")
	expectState(t, r, reachable, strayMAC)
}

func TestAGivenMACEndsTheDoubt(t *testing.T) {
	r, j := knownServer(), journal{}
	claim(t, r, strayMAC, 10*time.Second)
	given := testTarget()
	given.Static = serverMAC
	r.set([]Target{given}, nil, 10100*ms)
	j.until(r, time.Hour)
	j.expect(t)
	expectState(t, r, permanent, serverMAC)
}

// On the wire: the gratuitous reply of any host of the link.
func TestAServiceTellsOfAClaimAndAsksTheRealServer(t *testing.T) {
	b := newActiveBench(t)
	b.events = nil
	b.hear(wire{dst: broadcast, src: strayMAC, op: 2, sha: strayMAC, spa: serverIP, tha: broadcast, tpa: serverIP}.build())
	if n := b.Neighbours()[0]; n.MAC != serverMAC || len(b.events) != 0 {
		t.Fatalf("%s after a claim alone, events %v", n.MAC, b.events)
	}
	b.now += time.Second
	b.turn()
	b.hear(request(serverMAC, serverIP, ourIP).build())
	if n := b.Neighbours()[0]; n.MAC != serverMAC || n.State != reachable {
		t.Errorf("%v at %s after the answer", n.State, n.MAC)
	}
	kinds := []EventKind{}
	for _, e := range b.events {
		kinds = append(kinds, e.Kind)
	}
	if !slices.Equal(kinds, []EventKind{RealServerClaimed}) {
		t.Errorf("events %v, want one of a claim", b.events)
	}
}

// What others do about a claim depends on whether the known MAC address is in doubt.
func TestABeliefIsInDoubtFromTheRequestToTheAnswer(t *testing.T) {
	r := knownServer()
	expect := func(law string, mac frame.MAC, sure bool) {
		t.Helper()
		if m, s := r.believed(eth0, serverIP); m != mac || s != sure {
			t.Errorf("%s: %s, sure %v; want %s, %v", law, m, s, mac, sure)
		}
	}
	expect("heard of", serverMAC, true)
	claim(t, r, strayMAC, 10*time.Second)
	expect("claimed, and not asked yet", serverMAC, true)
	r.take(10 * time.Second)
	expect("asked", serverMAC, false)
	r.learn(eth0, serverIP, serverMAC, false, 10*time.Second)
	expect("answered", serverMAC, true)
	claim(t, r, strayMAC, 10100*ms)
	expect("claimed again, and to be asked later", serverMAC, true)
	for now := 11 * time.Second; now < 12*time.Second; now += 100 * ms {
		r.take(now)
	}
	expect("silent: it has moved", strayMAC, true)

	target := testTarget()
	target.Down = true
	r.set([]Target{target}, nil, 20*time.Second)
	expect("its interface is down", strayMAC, false)
	target.Down, target.Static = false, serverMAC
	r.set([]Target{target}, nil, 21*time.Second)
	expect("given", serverMAC, true)
	r.set(nil, nil, 22*time.Second)
	expect("no target", zeroMAC, false)

	s, err := New(Config{Sender: &PacketSender{}})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.SetTargets([]Target{target}); err != nil {
		t.Fatal(err)
	}
	if mac, sure := s.Believed(eth0, serverIP); mac != serverMAC || !sure {
		t.Errorf("a service believes %s, sure %v", mac, sure)
	}
}
