package dataplane_test

import (
	"math/rand"
	"testing"
	"time"

	"lvsdr/conntrack"
	"lvsdr/dataplane"
)

// A follower is a table as the events tell it.
type follower struct {
	flows   *dataplane.Flows
	entries map[uint32]conntrack.Flow // by slot
	lost    uint64
	events  map[conntrack.FlowEvent]int
}

func follow(d *dataplane.Director) *follower {
	return &follower{flows: d.FollowFlows(), entries: map[uint32]conntrack.Flow{}, events: map[conntrack.FlowEvent]int{}}
}

func (f *follower) read(t *testing.T) {
	t.Helper()
	buf := make([]conntrack.Flow, 150)
	for {
		n, lost := f.flows.Read(buf)
		f.lost += lost
		for _, e := range buf[:n] {
			f.events[e.Event]++
			if e.Event == conntrack.FlowRemoved {
				delete(f.entries, e.Slot)
			} else {
				f.entries[e.Slot] = e
			}
		}
		if n < len(buf) {
			return
		}
	}
}

// Whatever packets and edits come, to whichever worker, the events tell which
// connections and templates there are, in which state, and to which server they
// go.
func TestFlowsTellTheTable(t *testing.T) {
	events := map[conntrack.FlowEvent]int{}
	for seed := range int64(8) {
		x := newMatch(t, seed)
		x.r = rand.New(rand.NewSource(seed))
		x.furnish()
		f := follow(x.l.d)
		for range 300 {
			if err := x.step(); err != nil {
				t.Fatal(err)
			}
		}
		f.read(t)
		type gist struct {
			key     conntrack.Key
			state   string
			invalid bool
			server  conntrack.DestKey
		}
		more := map[gist]int{}
		for c := range x.l.d.EachConn(x.l.now) {
			more[gist{c.Key, c.State, c.Invalid, conntrack.DestKey{Addr: c.Server, Port: c.Port}}]++
		}
		for _, e := range f.entries {
			to, _ := x.l.d.Server(e.Entry.Dest())
			more[gist{e.Key(), e.Entry.StateName(), e.Entry.Invalid(), conntrack.DestKey{Addr: to.Addr, Port: to.Port}}]--
		}
		for g, n := range more {
			if n != 0 {
				t.Fatalf("seed %d: %+v is %d times more in the table than the events told", seed, g, n)
			}
		}
		if f.lost != 0 {
			t.Errorf("seed %d: %d events were lost", seed, f.lost)
		}
		for e, n := range f.events {
			events[e] += n
		}
	}
	for _, e := range []conntrack.FlowEvent{conntrack.FlowNew, conntrack.FlowChanged, conntrack.FlowRemoved} {
		if events[e] == 0 {
			t.Errorf("nothing was %s: the traffic does not try it", e)
		}
	}
}

// Two may follow; each gets all events from its start to its end, and who is too
// slow is told how many it has not got.
func TestFlowsHaveSeveralReaders(t *testing.T) {
	l := newLab(t, unlimited, 1<<15)
	furnish(l)
	quick, slow := follow(l.d), follow(l.d)
	made := 0
	for round := range 10 {
		for port := range 1000 {
			l.send(udp(uint16(1024+round*1000+port), 53))
			made++
		}
		quick.read(t)
	}
	late := follow(l.d)
	slow.read(t)
	late.read(t)
	if quick.events[conntrack.FlowNew] != made || quick.lost != 0 {
		t.Errorf("one who reads in time got %d new connections and lost %d events, want all %d", quick.events[conntrack.FlowNew], quick.lost, made)
	}
	if n := slow.events[conntrack.FlowNew]; n == made || uint64(n)+slow.lost != uint64(made) {
		t.Errorf("one who is too slow got %d and lost %d, %d were made", n, slow.lost, made)
	}
	if len(late.events) != 0 || late.lost != 0 {
		t.Errorf("one who comes late got %v and lost %d", late.events, late.lost)
	}
	quick.flows.Stop()
	l.send(udp(1000, 53))
	slow.read(t)
	slow.flows.Stop()
	late.flows.Stop()
	again := follow(l.d)
	l.send(udp(1001, 53))
	again.read(t)
	if again.events[conntrack.FlowNew] != 1 || again.lost != 0 {
		t.Errorf("one who starts anew got %v and lost %d, want one new connection", again.events, again.lost)
	}
}

// Following costs no allocation.
func TestFollowedFlowsDoNotAllocate(t *testing.T) {
	l := dual(newLab(t, unlimited, 1<<17))
	f := l.d.FollowFlows()
	l.d.SetAlive(func(*conntrack.Table, *conntrack.Entry) int64 { return 0 })
	w := newLoad(l, 32, true, func(int) []byte { return tcp(1, 80, "S") })
	buf := make([]conntrack.Flow, 100)
	w.turn()
	if n := testing.AllocsPerRun(200, func() {
		w.turn()
		f.Read(buf)
	}); n != 0 {
		t.Errorf("%v allocations a batch, want 0", n)
	}
}

// A connection that is forwarded by others is not ended while it is used.
func TestConnectionsUsedElsewhereLive(t *testing.T) {
	l := defaultLab(t)
	l.handshake(4000, 80)
	used := int64(0)
	l.d.SetAlive(func(*conntrack.Table, *conntrack.Entry) int64 { return used })
	for range 5 {
		used = l.now + int64(14*time.Minute)
		l.pass(20 * time.Minute)
		if n := len(l.d.Conns(l.now)); n != 1 {
			t.Fatalf("%d connections, want the one that is used", n)
		}
		if got := l.counts(tcpService(80), 2); got != [3]int{1, 0, 0} {
			t.Fatalf("the server has %v", got)
		}
	}
	l.expect(tcp(4000, 80, "A"), dataplane.Hit, 2)
	l.pass(16 * time.Minute)
	if n := len(l.d.Conns(l.now)); n != 0 {
		t.Errorf("%d connections are left", n)
	}
}
