package check

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"lvsdr/bench/netns"
)

// An ending is how a connection ended.
type ending struct {
	x   *connection
	err error
}

// startConnector makes a connector that serves until the test ends, and what it tells.
func startConnector(t *testing.T) (*connector, <-chan ending) {
	t.Helper()
	ends := make(chan ending, 100)
	c, err := newConnector(func(x *connection, err error) { ends <- ending{x, err} })
	must(t, err)
	var wg sync.WaitGroup
	wg.Go(c.serve)
	t.Cleanup(func() { c.close(); wg.Wait() })
	return c, ends
}

// connectionTo is a connection of a TCP probe.
func connectionTo(t *testing.T, p TCP, limit time.Duration) *connection {
	t.Helper()
	x := connectionOf(&job{spec: Spec{Probe: p, Settings: Settings{ConnectTimeout: limit}}})
	if x == nil {
		t.Fatalf("%s cannot be made in a batch", p)
	}
	return x
}

// descriptors is how many this process has.
func descriptors(t *testing.T) int {
	t.Helper()
	all, err := os.ReadDir("/proc/self/fd")
	must(t, err)
	return len(all)
}

// An attempt in a batch and one by itself say the same, in the same words.
func TestABatchSaysWhatSingleAttemptsSay(t *testing.T) {
	if !netns.Alone(t) {
		return
	}
	for _, v6 := range []bool{false, true} {
		t.Run(fmt.Sprintf("IPv6 %v", v6), func(t *testing.T) {
			l := newLab(t, v6)
			at := func(host netip.Addr, port uint16) netip.AddrPort { return netip.AddrPortFrom(host, port) }
			l.rs[0].serve(at(l.rs[0].addr, 80))
			l.rs[1].blackhole(l.dir)
			foreign := netip.MustParseAddr("192.0.2.1")
			if v6 {
				foreign = netip.MustParseAddr("2001:db8:7::1")
			}
			probes := []TCP{
				{Addr: at(l.rs[0].addr, 80)},
				{Addr: at(l.rs[0].addr, 80), Bind: at(l.dir, 0), Interface: "br0", Mark: 7},
				{Addr: at(l.rs[0].addr, 81)},
				{Addr: at(l.rs[1].addr, 80)},
				{Addr: at(l.rs[0].addr, 80), Interface: "eth9"},
				{Addr: at(l.rs[0].addr, 80), Bind: at(foreign, 0)},
				{Addr: at(l.rs[0].addr, 80), Bind: at(l.dir, 4000)},
				{Addr: at(netip.MustParseAddr("::ffff:192.168.7.7"), 80)}, // no route
			}
			c, ends := startConnector(t)
			before := descriptors(t)
			var batch []*connection
			for _, p := range probes {
				batch = append(batch, connectionTo(t, p, patience))
			}
			c.start(batch)
			got := map[*connection]error{}
			for range batch {
				e := <-ends
				got[e.x] = e.x.probe.verdict(e.err, e.x.begun).Err
			}
			if n := descriptors(t); n != before {
				t.Errorf("%d descriptors, before %d", n, before)
			}
			for i, p := range probes {
				one := try(t, p, patience)
				if fmt.Sprint(one) != fmt.Sprint(got[batch[i]]) || errors.Is(one, ErrNotMade) != errors.Is(got[batch[i]], ErrNotMade) {
					t.Errorf("%s:\n in a batch %v\nby itself   %v", p, got[batch[i]], one)
				}
			}
		})
	}
}

// Each connection has the time that its check gives it, whoever began first.
func TestEachConnectionHasItsOwnTime(t *testing.T) {
	if !netns.Alone(t) {
		return
	}
	l := newLab(t, false)
	l.rs[0].blackhole(l.dir)
	c, ends := startConnector(t)
	to := TCP{Addr: netip.AddrPortFrom(l.rs[0].addr, 80)}
	long, short, shortest := connectionTo(t, to, 900*time.Millisecond), connectionTo(t, to, 500*time.Millisecond), connectionTo(t, to, 100*time.Millisecond)
	c.start([]*connection{long, short})
	c.start([]*connection{shortest})
	for _, want := range []*connection{shortest, short, long} {
		e := <-ends
		if e.x != want || !errors.Is(e.err, os.ErrDeadlineExceeded) {
			t.Fatalf("the one with %v ended with %v, want that with %v", e.x.limit, e.err, want.limit)
		}
		if took := time.Since(want.begun); took < want.limit {
			t.Errorf("%v after its start", took)
		}
	}
	c.start([]*connection{short}) // a connection is used again and again
	if e := <-ends; e.x != short || !errors.Is(e.err, os.ErrDeadlineExceeded) {
		t.Errorf("again: %v", e.err)
	}
}

// A connection that is called off while it waits is not told of, one that is called off
// before is told of, and both leave no socket. So does the end of the connector.
func TestAConnectionThatIsCalledOffLeavesNothing(t *testing.T) {
	if !netns.Alone(t) {
		return
	}
	l := newLab(t, false)
	l.rs[0].blackhole(l.dir)
	c, ends := startConnector(t)
	before := descriptors(t)
	to := TCP{Addr: netip.AddrPortFrom(l.rs[0].addr, 80)}
	waits, early, left := connectionTo(t, to, time.Minute), connectionTo(t, to, time.Minute), connectionTo(t, to, time.Minute)
	c.start([]*connection{waits, left})
	if !c.cancel(waits) || c.cancel(waits) {
		t.Error("one that waits is called off once")
	}
	if c.cancel(early) {
		t.Error("one that has not begun does not wait")
	}
	c.start([]*connection{early})
	if e := <-ends; e.x != early || !errors.Is(e.err, os.ErrClosed) {
		t.Errorf("%v", e.err)
	}
	if n := descriptors(t); n != before+1 {
		t.Errorf("%d descriptors, before %d and one that waits", n, before)
	}
	c.close()
	if n := descriptors(t); n != before-1 { // the epoll set is gone too
		t.Errorf("%d descriptors after the end, before %d", n, before)
	}
	select {
	case e := <-ends:
		t.Errorf("told of %v", e.err)
	default:
	}
}

// The kernel may choose the port that a check asks as the check's own. Then the
// connection is one with itself, and nobody listens.
func TestAConnectionWithItselfIsRefused(t *testing.T) {
	l := newLab(t, false)
	c, ends := startConnector(t)
	at := netip.AddrPortFrom(l.dir, 34567)
	c.start([]*connection{connectionTo(t, TCP{Addr: at, Bind: at}, time.Minute)})
	if e := <-ends; !errors.Is(e.err, unix.ECONNREFUSED) {
		t.Errorf("got %v", e.err)
	}
}

// What package net knows better is left to it.
func TestWhatIsNotMadeInABatch(t *testing.T) {
	v4, v6 := netip.MustParseAddrPort("192.0.2.1:80"), netip.MustParseAddrPort("[2001:db8::1]:80")
	zone := netip.MustParseAddrPort("[fe80::1%eth0]:80")
	for _, c := range []struct {
		name  string
		probe Probe
		batch bool
	}{
		{"a TCP check is", TCP{Addr: v4}, true},
		{"with a source address", TCP{Addr: v6, Bind: v6}, true},
		{"with a source port only", TCP{Addr: v6, Bind: netip.AddrPortFrom(netip.Addr{}, 99)}, true},
		{"behind an interface", OnLink{Probe: TCP{Addr: v4}}, true},
		{"an address with a zone is not", TCP{Addr: zone}, false},
		{"a source address with a zone", TCP{Addr: v6, Bind: zone}, false},
		{"a source address of the other family", TCP{Addr: v4, Bind: v6}, false},
		{"no address", TCP{}, false},
		{"two attempts in one", Pair{Own: TCP{Addr: v4}}, false},
		{"another kind behind an interface", OnLink{Probe: DNS{}}, false},
	} {
		if got := connectionOf(&job{spec: Spec{Probe: c.probe}}) != nil; got != c.batch {
			t.Errorf("%s: %v, want %v", c.name, got, c.batch)
		}
	}
}

// Many more checks than places are all made, again and again, and follow their server down
// and up, while no more sockets than places are open.
func TestARunnerMakesConnectionsInBatches(t *testing.T) {
	if !netns.Alone(t) {
		return
	}
	const checks, places = 300, 7
	l := newLab(t, false)
	at := netip.AddrPortFrom(l.rs[0].addr, 80)
	_, stop := l.rs[0].serve(at)
	changes := make(chan Change, 10*checks)
	r := New(Config{Parallel: places, OnChange: func(c Change) { changes <- c }})
	defer r.Close()
	s := Settings{DelayLoop: 50 * time.Millisecond, ConnectTimeout: time.Minute, Warmup: 20 * time.Millisecond}
	var specs []Spec
	for i := range checks {
		specs = append(specs, Spec{ID: fmt.Sprint(i), Settings: s, Probe: OnLink{TCP{Addr: at}, l.ifindex, upLinks{}}})
	}
	must(t, r.Set(specs))
	twice := func(s State) bool { return s.Attempts >= 2 && s.Up && s.Took > 0 }
	for !all(r.States(), twice) {
		time.Sleep(5 * time.Millisecond)
	}
	stop()
	for range checks {
		c := <-changes
		if want := "connect 192.168.1.11:80: connection refused"; c.Up || c.Result.Err.Error() != want {
			t.Fatalf("%s: up %v, %v", c.ID, c.Up, c.Result.Err)
		}
	}
	l.rs[0].serve(at)
	for range checks {
		if c := <-changes; !c.Up {
			t.Fatalf("%s: down again, %v", c.ID, c.Result.Err)
		}
	}
	must(t, r.Set(specs[:1]))
	if n := len(r.States()); n != 1 {
		t.Errorf("%d checks left", n)
	}
}

// A check that is removed while its attempt waits gives its place to another.
func TestARemovedConnectionGivesItsPlace(t *testing.T) {
	if !netns.Alone(t) {
		return
	}
	l := newLab(t, false)
	l.rs[0].blackhole(l.dir)
	l.rs[1].serve(netip.AddrPortFrom(l.rs[1].addr, 80))
	good := make(chan string, 10)
	r := New(Config{Parallel: 1, OnChange: func(c Change) { good <- c.ID }})
	defer r.Close()
	s := Settings{DelayLoop: time.Hour, ConnectTimeout: time.Hour, Alpha: true}
	silent := Spec{ID: "silent", Settings: s, Probe: TCP{Addr: netip.AddrPortFrom(l.rs[0].addr, 80)}}
	other := Spec{ID: "other", Settings: s, Probe: TCP{Addr: netip.AddrPortFrom(l.rs[1].addr, 80)}}
	must(t, r.Set([]Spec{silent}))
	for waiting := 0; waiting == 0; time.Sleep(time.Millisecond) {
		r.mu.Lock()
		if r.connects != nil {
			r.connects.mu.Lock()
			waiting = len(r.connects.waiting)
			r.connects.mu.Unlock()
		}
		r.mu.Unlock()
	}
	must(t, r.Set([]Spec{silent, other})) // which finds no place
	must(t, r.Set([]Spec{other}))
	if id := <-good; id != "other" {
		t.Errorf("%s is up", id)
	}
}

// upLinks are interfaces that are never down.
type upLinks struct{}

func (upLinks) Down(int, time.Time) string { return "" }

// all reports whether every state is as f says.
func all(states []State, f func(State) bool) bool {
	return !slices.ContainsFunc(states, func(s State) bool { return !f(s) })
}
