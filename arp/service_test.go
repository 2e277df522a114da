package arp

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"lvsdr/dataplane/frame"
)

func TestAServiceAsksAnnouncesAndTells(t *testing.T) {
	b := newBench(t, Config{})
	if err := errorsOf(b.SetVIPs(testVIPs()[:1]), b.SetRealServers([]Target{testTarget()})); err != nil {
		t.Fatal(err)
	}
	got := b.until(t, 3*time.Second)
	ask := request(ourMAC, ourIP, serverIP)
	want := map[time.Duration][]wire{0: {ask}, time.Second: {ask}, 2 * time.Second: {ask}}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("in backup state sent %v, want %v", got, want)
	}
	if len(b.events) != 1 || b.events[0].Text != "real server 192.168.1.11 has no MAC: no ARP answer" {
		t.Errorf("events %v", b.events)
	}
	b.hear(reply(serverMAC, serverIP, ourMAC, ourIP).build())
	if n := b.Neighbours()[0]; n.State != Reachable || n.MAC != serverMAC || n.Age != 0 {
		t.Errorf("neighbour %v", n)
	}
	b.SetActive(true)
	got = b.until(t, 4*time.Second)
	want = map[time.Duration][]wire{3 * time.Second: {gratuitous(1), gratuitous(2), request(ourMAC, zeroIP, vip)}}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("when active sent %v, want %v", got, want)
	}
	wantChanges := []Change{
		{IP: serverIP, Ifindex: eth0, Name: "192.168.1.11"},
		{IP: serverIP, Ifindex: eth0, Name: "192.168.1.11", New: serverMAC},
	}
	if fmt.Sprint(b.changes) != fmt.Sprint(wantChanges) {
		t.Errorf("changes %v, want %v", b.changes, wantChanges)
	}
	st := b.Stats()
	if st.Asks != 3 || st.Announced != 2 || st.Checks != 1 || st.SendErrors != 0 {
		t.Errorf("stats %+v", st)
	}
}

func TestAConflictStormIsDefendedAndToldOfSparingly(t *testing.T) {
	b := newActiveBench(t)
	for range 600 { // two minutes
		b.hear(request(strayMAC, vip, vip).build())
		b.now += 200 * ms
	}
	if st := b.Stats(); st.Defences != 12 || st.Frames[ClaimedByOther] != 600 || st.EventsSuppressed != 598 {
		t.Errorf("%d defences, %d conflicts, %d events held back", st.Defences, st.Frames[ClaimedByOther], st.EventsSuppressed)
	}
	var told []Event
	for _, e := range b.events {
		if e.Kind == Conflict {
			told = append(told, e)
		}
	}
	if len(told) != 2 || told[0].Suppressed != 0 || told[1].Suppressed != 299 {
		t.Errorf("told %+v, want 2, the second with 299 held back", told)
	}
}

func TestForgedMACsDoNotMakeMoreEvents(t *testing.T) {
	b := newActiveBench(t)
	for i := range 200 {
		b.hear(request(frame.MAC{0x02, 0, 0, 0, 9, byte(i)}, vip, vip).build())
	}
	if len(b.events) != 1 || len(b.limiter.last) > 2 {
		t.Errorf("%d events and %d remembered from 200 forged addresses", len(b.events), len(b.limiter.last))
	}
}

func TestTheLimiterForgets(t *testing.T) {
	l := limiter{last: make(map[subject]lastEvent)}
	for i := range 100 {
		l.pass(&Event{Kind: Conflict, Ifindex: int32(i)}, 0)
	}
	l.pass(&Event{Kind: Conflict, Ifindex: 1}, forgetAfter)
	if len(l.last) != 1 {
		t.Errorf("%d subjects are remembered, want 1", len(l.last))
	}
}

func TestFoundAndLostAreAlwaysTold(t *testing.T) {
	l := limiter{last: make(map[subject]lastEvent)}
	for _, k := range []EventKind{RealServerFound, RealServerLost, RealServerFound, RealServerLost} {
		if !l.pass(&Event{Kind: k}, 0) {
			t.Errorf("%v was held back", k)
		}
	}
}

func TestARealServerIsKnownFromItsFirstFrame(t *testing.T) {
	b := newBench(t, Config{})
	if err := errorsOf(b.SetVIPs(testVIPs()), b.SetRealServers([]Target{testTarget()})); err != nil {
		t.Fatal(err)
	}
	b.SetActive(true)
	b.hear(request(serverMAC, serverIP, vip).build())
	if st := b.Stats(); st.Frames[AnsweredRealServer] != 1 {
		t.Error("the hint that the VIP is missing was not given for the frame that taught its MAC")
	}
}

func TestSetRefusesWhatCannotWorkAndChangesNothing(t *testing.T) {
	b := newActiveBench(t)
	at := func(a string) VIP { return VIP{Addr: netip.MustParseAddr(a), Ifindex: eth0, MAC: ourMAC} }
	for _, v := range []VIP{
		at("224.0.0.1"), at("127.0.0.1"), at("::"), at("::1"), at("ff02::1"), at("fe80::1%eth0"), {Ifindex: eth0, MAC: ourMAC}, {Addr: vip, MAC: ourMAC},
		{Addr: vip, Ifindex: eth0}, {Addr: vip, Ifindex: eth0, MAC: broadcast}, {Addr: zeroIP, Ifindex: eth0, MAC: ourMAC},
		at("::ffff:192.168.1.100"),
	} {
		if err := b.SetVIPs([]VIP{v}); err == nil || !strings.HasPrefix(err.Error(), "vip ") {
			t.Errorf("SetVIPs(%v) = %v", v, err)
		}
	}
	for _, edit := range []func(*Target){
		func(x *Target) { x.IP = server6 }, func(x *Target) { x.IP = netip.MustParseAddr("224.0.0.1") },
		func(x *Target) { x.SourceIP = our6 }, func(x *Target) { x.IP, x.SourceIP = server6, zeroIP },
		func(x *Target) { x.IP, x.SourceIP = server6, netip.IPv6Unspecified() },
		func(x *Target) { x.IP, x.SourceIP = server6, netip.MustParseAddr("fe80::2%eth0") }, func(x *Target) { x.Ifindex = 0 }, func(x *Target) { x.SourceMAC = zeroMAC },
	} {
		x := testTarget()
		edit(&x)
		if err := b.SetRealServers([]Target{x}); err == nil || !strings.HasPrefix(err.Error(), "real server ") {
			t.Errorf("SetRealServers(%v) = %v", x, err)
		}
	}
	b.hear(request(serverMAC, serverIP, vip).build())
	if b.Stats().Frames[AnsweredRealServer] != 1 {
		t.Error("a refused setting changed something")
	}
	if _, err := New(Config{}); err == nil {
		t.Error("a service without a sender")
	}
}

func TestANewVIPWithTheMACOfARealServerTakesItAway(t *testing.T) {
	b := newActiveBench(t)
	v := testVIPs()
	v[0].MAC = serverMAC
	if err := b.SetVIPs(v); err != nil {
		t.Fatal(err)
	}
	b.turn()
	if n := b.Neighbours()[0]; n.MAC != zeroMAC || len(b.changes) != 1 || b.changes[0].Old != serverMAC {
		t.Errorf("neighbour %v, changes %v", n, b.changes)
	}
}

func TestOurOwnFramesTeachNothing(t *testing.T) {
	b := newActiveBench(t)
	for _, w := range []wire{
		request(ourMAC, serverIP, clientIP),
		{dst: broadcast, src: ourMAC, op: 1, sha: strayMAC, spa: serverIP, tpa: clientIP},
	} {
		b.hear(w.build())
		if n := b.Neighbours()[0]; n.MAC != serverMAC {
			t.Errorf("%v moved the real server to %s", w, n.MAC)
		}
	}
}

func TestSendErrorsAreCounted(t *testing.T) {
	b := newActiveBench(t)
	b.rec.err = errors.New("network is down")
	before := b.Stats()
	b.hear(request(clientMAC, clientIP, vip).build())
	if st := b.Stats(); st.SendErrors != before.SendErrors+1 || st.Answers != before.Answers {
		t.Errorf("stats %+v", st)
	}
}

func TestManyFramesTakeSeveralTurns(t *testing.T) {
	b := newActiveBench(t)
	for range maxTurn + 1 {
		b.Inbox().Put(request(clientMAC, clientIP, vip).build(), eth0)
	}
	if wait := b.turn(); wait != 0 || len(b.rec.take()) != maxTurn {
		t.Errorf("after a full turn Run would wait %v", wait)
	}
	if b.turn(); len(b.rec.take()) != 1 {
		t.Error("the frame left over was not answered")
	}
}

// TestRun is Run itself on the virtual clock of a bubble: it wakes by frames,
// by settings and at the moments the announcements are due.
func TestRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var rec recorder
		s, err := New(Config{Sender: &rec, Announce: AnnounceTimes{CheckEvery: -1}})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- s.Run(ctx) }()
		if err := s.SetVIPs(testVIPs()[:1]); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if n := len(rec.take()); n != 0 {
			t.Errorf("%d frames before it is active", n)
		}
		s.SetActive(true)
		for _, pause := range []time.Duration{0, 1100 * ms, 1100 * ms, 1100 * ms, 1100 * ms, time.Minute, time.Minute} {
			if pause > 0 {
				time.Sleep(pause - 1) // of the bubble
				synctest.Wait()
				if n := len(rec.take()); n != 0 {
					t.Errorf("%d frames too early", n)
				}
				time.Sleep(time.Nanosecond)
			}
			synctest.Wait()
			if n := len(rec.take()); n != 2 {
				t.Errorf("%d frames when an announcement is due, want 2", n)
			}
		}
		s.Inbox().Put(request(clientMAC, clientIP, vip).build(), eth0)
		synctest.Wait()
		if n := len(rec.take()); n != 1 {
			t.Errorf("%d answers, want 1", n)
		}
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Errorf("Run = %v", err)
		}
	})
}

// A gate is a Sender that counts frames sent while it is shut.
type gate struct {
	said chan struct{} // holds a token when something was sent
	mu   sync.Mutex
	shut bool
	late int
}

func (g *gate) Send(int32, []byte) error {
	select {
	case g.said <- struct{}{}:
	default:
	}
	runtime.Gosched() // give a SetActive that does not wait for us its chance
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.shut {
		g.late++
	}
	return nil
}

func (g *gate) set(shut bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.shut = shut
}

// TestNothingIsSaidAfterSetActiveFalse changes everything under traffic: once
// SetActive(false) has returned, the new master must not hear from us again.
func TestNothingIsSaidAfterSetActiveFalse(t *testing.T) {
	g := gate{said: make(chan struct{}, 1)}
	s, err := New(Config{Sender: &g, InboxSlots: 64})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.SetVIPs(testVIPs()); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() { _ = s.Run(ctx) }) // it ends with the error of ctx
	for range 2 {
		wg.Go(func() {
			f := request(clientMAC, clientIP, vip).build()
			for ctx.Err() == nil {
				if !s.Inbox().Put(f, eth0) {
					runtime.Gosched()
				}
			}
		})
	}
	for range 150 {
		g.set(false)
		s.SetActive(true)
		<-g.said // now Run is in the midst of it
		s.Neighbours()
		s.Stats()
		if err := s.SetVIPs(testVIPs()); err != nil {
			t.Error(err)
		}
		s.SetActive(false)
		g.set(true)
		select {
		case <-g.said: // of before
		default:
		}
	}
	cancel()
	wg.Wait()
	if g.late != 0 {
		t.Errorf("%d frames after SetActive(false)", g.late)
	}
}
