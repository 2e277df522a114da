package arp

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"lvsdr/dataplane/frame"
)

func TestAServiceAsksAnnouncesAndTells(t *testing.T) {
	b := newBench(t, Config{})
	b.set(t, with(false, testVIPs()[:1]), testTarget())
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
	if n := b.Neighbours()[0]; n.State != reachable || n.MAC != serverMAC || n.Age != 0 {
		t.Errorf("neighbour %v", n)
	}
	b.set(t, testVIPs()[:1], testTarget())
	got = b.until(t, 4*time.Second)
	want = map[time.Duration][]wire{3 * time.Second: {gratuitous(1), gratuitous(2), request(ourMAC, zeroIP, vip)}}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("when active sent %v, want %v", got, want)
	}
	wantChanges := []Change{
		{IP: serverIP, Ifindex: eth0, Name: "real server 192.168.1.11"},
		{IP: serverIP, Ifindex: eth0, Name: "real server 192.168.1.11", New: serverMAC},
	}
	if fmt.Sprint(b.changes) != fmt.Sprint(wantChanges) {
		t.Errorf("changes %v, want %v", b.changes, wantChanges)
	}
	st := b.Stats()
	wantStats := map[string]uint64{"not-vip": 1, "requests-sent": 3, "announcements-sent": 2, "checks-sent": 1}
	if got := st.Map(); !maps.Equal(got, wantStats) {
		t.Errorf("stats %v, want %v", got, wantStats)
	}
}

func TestAnsweredOnlyForTheVIPsThatAreActive(t *testing.T) {
	b := newBench(t, Config{Announce: quiet})
	vips := bothVIPs()
	vips[0].Active = false
	b.set(t, vips)
	b.turn()
	b.rec.take()
	b.hear(request(clientMAC, clientIP, vip).build())
	if got := b.said(t); len(got) != 0 || b.counted(backup) != 1 {
		t.Errorf("answered %v for a VIP that is not active", got)
	}
	b.hear(asks6(clientMAC, client6).build())
	if got, want := b.said(t), []said{isAt6(ourMAC, vip6, clientMAC, client6)}; !slices.Equal(got, want) {
		t.Errorf("answered %v for an active one, want %v", got, want)
	}
	b.set(t, with(true, vips))
	b.turn()
	if got, want := b.said(t), []said{gratuitous(1), gratuitous(2)}; !slices.Equal(got, want) {
		t.Errorf("said %v when the other became active too, want %v", got, want)
	}
	vips = bothVIPs()
	vips[2].Active = false
	b.set(t, vips)
	b.hear(asks6(clientMAC, client6).build())
	b.hear(request(clientMAC, clientIP, vip).build())
	if got, want := b.said(t), []said{isAt(clientMAC, clientIP)}; !slices.Equal(got, want) {
		t.Errorf("said %v after they changed places, want %v", got, want)
	}
}

func TestALostRealServerIsToldOfInTheWordsOfItsFamily(t *testing.T) {
	each(t, func(t *testing.T, f family) {
		b := newBench(t, Config{})
		b.set(t, nil, f.target)
		for range 4 {
			b.turn()
			b.now += time.Second
		}
		if len(b.events) != 1 || b.events[0].Text != f.lost {
			t.Errorf("events %v, want %q", b.events, f.lost)
		}
	})
}

func TestAConflictStormIsDefendedAndToldOfSparingly(t *testing.T) {
	each(t, func(t *testing.T, f family) {
		b := newActiveBench(t)
		for range 600 { // two minutes
			b.hear(f.claim.build())
			b.now += 200 * ms
		}
		if st := b.Stats(); st.traffic[defences] != 12 || st.frames[claimedByOther] != 600 || st.traffic[suppressed] != 598 {
			t.Errorf("%d defences, %d conflicts, %d events held back", st.traffic[defences], st.frames[claimedByOther], st.traffic[suppressed])
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
	})
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

func TestFoundMovedAndLostAreAlwaysTold(t *testing.T) {
	l := limiter{last: make(map[subject]lastEvent)}
	for _, k := range []EventKind{RealServerFound, RealServerMoved, RealServerMoved, RealServerLost, RealServerFound, RealServerLost} {
		if !l.pass(&Event{Kind: k}, 0) {
			t.Errorf("%v was held back", k)
		}
	}
}

func TestARealServerIsKnownFromItsFirstFrame(t *testing.T) {
	b := newBench(t, Config{})
	b.set(t, testVIPs(), testTarget())
	b.hear(request(serverMAC, serverIP, vip).build())
	if b.counted(answeredRealServer) != 1 {
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
		func(x *Target) { x.Static = broadcast }, func(x *Target) { x.Static = x.SourceMAC },
	} {
		x := testTarget()
		edit(&x)
		if err := b.SetTargets([]Target{x}); err == nil || !strings.HasPrefix(err.Error(), "target ") {
			t.Errorf("SetTargets(%v) = %v", x, err)
		}
	}
	b.hear(request(serverMAC, serverIP, vip).build())
	if b.counted(answeredRealServer) != 1 {
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
	if len(b.changes) != 2 {
		t.Errorf("changes %v, want one of each family", b.changes)
	}
	for i, n := range b.Neighbours() {
		if n.MAC != zeroMAC || b.changes[i].Old != serverMAC || b.changes[i].New != zeroMAC {
			t.Errorf("neighbour %v, changes %v", n, b.changes)
		}
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
	if st := b.Stats(); st.traffic[sendErrors] != before.traffic[sendErrors]+1 || st.traffic[answersSent] != before.traffic[answersSent] {
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
		s, err := New(Config{Sender: &rec, Announce: AnnounceTimes{Look: -1, CheckEvery: -1}})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- s.Run(ctx) }()
		if err := s.SetVIPs(with(false, testVIPs()[:1])); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if n := len(rec.take()); n != 0 {
			t.Errorf("%d frames before it is active", n)
		}
		if err := s.SetVIPs(testVIPs()[:1]); err != nil {
			t.Fatal(err)
		}
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

// A Service that is asked answers by a turn of Run; one that hangs in its Sender or in
// Changed does not.
func TestAServiceThatIsStuckDoesNotAnswer(t *testing.T) {
	for _, where := range []string{"nowhere", "send", "changed"} {
		t.Run(where, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				free := make(chan struct{})
				hang := func(here string) {
					if here == where {
						<-free
					}
				}
				s, err := New(Config{Announce: AnnounceTimes{Look: -1, CheckEvery: -1}, Sender: sendFunc(func() { hang("send") }),
					Changed: func(Change) { hang("changed") }})
				if err != nil {
					t.Fatal(err)
				}
				if s.Ask(); s.Answered() {
					t.Error("it has answered, and does not run")
				}
				ctx, cancel := context.WithCancel(t.Context())
				done := make(chan error)
				go func() { done <- s.Run(ctx) }()
				synctest.Wait()
				if !s.Answered() {
					t.Error("it has not answered at the start")
				}
				if err := s.SetTargets([]Target{testTarget()}); err != nil {
					t.Fatal(err)
				}
				time.Sleep(time.Minute) // of the bubble: the target is lost
				s.Ask()
				time.Sleep(time.Minute)
				if got, want := s.Answered(), where == "nowhere"; got != want {
					t.Errorf("answered: %v, want %v", got, want)
				}
				close(free)
				synctest.Wait()
				if !s.Answered() {
					t.Error("it is free, and has not answered")
				}
				cancel()
				<-done
			})
		})
	}
}

// A sendFunc is a Sender that calls it for each frame.
type sendFunc func()

func (f sendFunc) Send(int32, []byte) error {
	f()
	return nil
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
	runtime.Gosched() // give a SetVIPs that does not wait for us its chance
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

// TestNothingIsSaidForAVIPThatIsNoLongerActive changes everything under traffic:
// once SetVIPs has returned, the new master must not hear from us again.
func TestNothingIsSaidForAVIPThatIsNoLongerActive(t *testing.T) {
	g := gate{said: make(chan struct{}, 1)}
	s, err := New(Config{Sender: &g, InboxSlots: 64})
	if err != nil {
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
	set := func(vips []VIP) {
		if err := s.SetVIPs(vips); err != nil {
			t.Error(err)
		}
	}
	for range 150 {
		g.set(false)
		set(testVIPs())
		<-g.said // now Run is in the midst of it
		s.Neighbours()
		s.Stats()
		set(testVIPs())
		set(with(false, testVIPs()))
		g.set(true)
		select {
		case <-g.said: // of before
		default:
		}
	}
	cancel()
	wg.Wait()
	if g.late != 0 {
		t.Errorf("%d frames after SetVIPs", g.late)
	}
}

// A slow sender waits in Send until it is let go.
type slow struct{ entered, leave chan struct{} }

func (s slow) Send(int32, []byte) error {
	s.entered <- struct{}{}
	<-s.leave
	return nil
}

// TestReadersAndTargetsDoNotWaitForASender: only SetVIPs has a reason to.
func TestReadersAndTargetsDoNotWaitForASender(t *testing.T) {
	sender := slow{make(chan struct{}), make(chan struct{})}
	s, err := New(Config{Sender: sender, Announce: quiet})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.SetTargets([]Target{testTarget()}); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() { _ = s.Run(ctx) }) // it ends with the error of ctx
	<-sender.entered
	if n := len(s.Neighbours()); n != 1 {
		t.Errorf("%d neighbours, want 1", n)
	}
	if err := s.SetTargets(nil); err != nil {
		t.Error(err)
	}
	var left atomic.Bool
	wg.Go(func() {
		if err := s.SetVIPs(nil); err != nil || !left.Load() {
			t.Errorf("SetVIPs = %v; it waited for the frame that was being sent: %v", err, left.Load())
		}
	})
	for range 100 {
		runtime.Gosched() // give a SetVIPs that does not wait its chance
	}
	cancel()
	left.Store(true)
	close(sender.leave)
	wg.Wait()
}

// TestCallbacksMayCallTheService: they are called without a lock.
func TestCallbacksMayCallTheService(t *testing.T) {
	b := newBench(t, Config{})
	events, changes := 0, 0
	b.cfg.Events = func(Event) { events++; b.set(t, testVIPs(), testTarget()); b.Neighbours() }
	b.cfg.Changed = func(Change) { changes++; b.set(t, testVIPs(), testTarget()); b.Stats() }
	b.set(t, testVIPs(), testTarget())
	b.hear(reply(serverMAC, serverIP, ourMAC, ourIP).build())
	if events != 1 || changes != 1 {
		t.Errorf("told of %d events and %d changes, want one each", events, changes)
	}
}

func TestEveryCounterHasANameAndATextOfItsOwn(t *testing.T) {
	var st Stats
	for i := range st.frames {
		st.frames[i] = uint64(i) + 1
	}
	for i := range st.traffic {
		st.traffic[i] = 1000 + uint64(i)
	}
	m := st.Map()
	texts := make(map[string]bool)
	n := 1 // undecided
	for name, text := range Counters() {
		n++
		if m[name] == 0 || texts[text] || text == "" {
			t.Errorf("counter %q: %d, text %q", name, m[name], text)
		}
		if strings.ToLower(name) != name || strings.ContainsAny(name, "_ ") {
			t.Errorf("counter %q: not in kebab-case", name)
		}
		texts[text] = true
	}
	if len(m) != n || n != int(numReasons)+numTraffic {
		t.Errorf("%d counters in Stats and %d in Counters, of %d", len(m), n, int(numReasons)+numTraffic)
	}
	for range Counters() {
		break // the iterator must stop
	}
}

// TestManyTargetsCostALookUpEach: 20,000 targets answer one after the other.
func TestManyTargetsCostALookUpEach(t *testing.T) {
	const n = 20_000
	b := newBench(t, Config{})
	targets := make([]Target, n)
	ip := func(i int) netip.Addr { return netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)}) }
	mac := func(i int) frame.MAC { return frame.MAC{2, 0, 1, 0, byte(i >> 8), byte(i)} }
	for i := range targets {
		targets[i] = Target{IP: ip(i), Ifindex: eth0, SourceIP: ourIP, SourceMAC: ourMAC}
	}
	b.set(t, testVIPs(), targets...)
	for i := range n {
		b.hear(reply(mac(i), ip(i), ourMAC, ourIP).build())
		b.rec.take()
	}
	if len(b.changes) != n {
		t.Errorf("%d changes, want %d", len(b.changes), n)
	}
	if len(b.view.servers) != n {
		t.Errorf("%d real servers are known again by their MAC, want %d", len(b.view.servers), n)
	}
	for i, k := range []int{0, n / 2, n - 1} {
		b.hear(request(mac(k), ip(k), vip).build())
		if got := b.counted(answeredRealServer); got != uint64(i+1) {
			t.Errorf("real server %d was not known", k)
		}
	}
}
