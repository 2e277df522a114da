package nics

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// reserveOf is a Reserve of m's ports.
func reserveOf(t *testing.T, m *machine, workers int) *Reserve {
	t.Helper()
	if m.failed == nil {
		m.failed = map[string]error{}
	}
	r := NewReserve(Config{Open: m.open, Workers: workers})
	t.Cleanup(func() { _ = r.Close() })
	return r
}

func TestAReserveGivesBackAllButTheLastUntilItHolds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &machine{}
		r := reserveOf(t, m, 2)
		if err := r.Prepare([]Wish{eth0(a), eth1()}, nil); err != nil || m.live() != "eth0 192.0.2.1, eth0 192.0.2.1, eth1, eth1" {
			t.Fatalf("%v, ports %q", err, m.live())
		}
		time.Sleep(7 * giveBackEvery / 2)
		synctest.Wait()
		for i, p := range m.ports {
			if p.thinned != 3 || len(p.given) > 0 {
				t.Errorf("port %d gives back %d times, and %v", i, p.thinned, p.given)
			}
		}
		r.Hold()
		time.Sleep(10 * giveBackEvery)
		synctest.Wait()
		r.Cut(int64(5 * time.Second))
		for i, p := range m.ports {
			if p.thinned != 3 || !slices.Equal(p.given, []int64{int64(5*time.Second - margin)}) {
				t.Errorf("port %d gives back %d times, and then %v", i, p.thinned, p.given)
			}
		}
	})
}

// A NICs gets the ports that are ready, with the addresses it wishes for, and those that are not ready are opened.
func TestAReserveHandsOutWhatIsReady(t *testing.T) {
	for _, c := range []struct {
		name    string
		ready   []Wish
		workers int // of the NICs; the Reserve has ports for 2
		want    []Wish
		opened  int    // beyond the ready ones
		live    string // when the Reserve is closed
	}{
		{"the same", []Wish{eth0(a)}, 2, []Wish{eth0(a)}, 0, "eth0 192.0.2.1, eth0 192.0.2.1"},
		{"other addresses", []Wish{eth0(a)}, 2, []Wish{eth0(b)}, 0, "eth0 192.0.2.2, eth0 192.0.2.2"},
		{"one interface more", []Wish{eth0(a)}, 2, []Wish{eth0(a), eth1()}, 2, "eth0 192.0.2.1, eth0 192.0.2.1, eth1, eth1"},
		{"one interface less", []Wish{eth0(a), eth1()}, 2, []Wish{eth1()}, 0, "eth1, eth1"},
		{"other workers", []Wish{eth1()}, 3, []Wish{eth1()}, 3, "eth1, eth1, eth1"},
		{"another name", []Wish{eth1()}, 2, []Wish{{Index: 3, Name: "lan", MTU: 9000}}, 2, "lan, lan"},
		{"for this host's clients", []Wish{{Index: 3, Name: "eth1", Local: true}}, 2, []Wish{{Index: 3, Name: "eth1", Local: true}}, 0, "eth1"},
	} {
		m := &machine{}
		r := reserveOf(t, m, 2)
		if err := r.Prepare(c.ready, nil); err != nil {
			t.Fatal(err)
		}
		r.Hold()
		before := len(m.ports)
		n, _ := newNICs(t, m, c.workers)
		n.cfg.Open = r.Open
		if err := n.Set(c.want); err != nil {
			t.Errorf("%s: %v", c.name, err)
		}
		if err := r.Close(); err != nil {
			t.Errorf("%s: %v", c.name, err)
		}
		if got := len(m.ports) - before; got != c.opened || m.live() != c.live {
			t.Errorf("%s: %d opened, ports %q; want %d, %q", c.name, got, m.live(), c.opened, c.live)
		}
	}
}

func TestAnInterfaceThatCannotBeReservedIsNamed(t *testing.T) {
	refused := errors.New("refused")
	m := &machine{failed: map[string]error{"open eth0": refused}}
	r := reserveOf(t, m, 1)
	if err := r.Prepare([]Wish{eth0(a), eth1()}, nil); !errors.Is(err, refused) || !strings.Contains(err.Error(), "eth0") || m.live() != "eth1" {
		t.Errorf("%v, ports %q", err, m.live())
	}
	m.failed["close eth1"] = refused
	if err := r.Close(); !errors.Is(err, refused) {
		t.Errorf("%v", err)
	}
}

// Ports that refuse the wished addresses are closed, and not left as they are.
func TestAReserveClosesWhatItCannotHandOut(t *testing.T) {
	m := &machine{}
	r := reserveOf(t, m, 1)
	if err := r.Prepare([]Wish{eth0(a)}, nil); err != nil {
		t.Fatal(err)
	}
	m.failed["vips of eth0"] = errors.New("no memory")
	n, _ := newNICs(t, m, 1)
	n.cfg.Open = r.Open
	if err := n.Set([]Wish{eth0(b)}); err[2] == nil || m.live() != "" {
		t.Errorf("%v, ports %q", err, m.live())
	}
}

// While work is handed over no worker takes a frame; if it is not taken over all of them go on. What was done by then
// came before the first frame that waits.
func TestWorkersRestFromPauseToResume(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &machine{}
		n, _ := newNICs(t, m, 2)
		if err := n.Set([]Wish{eth0(a), eth1()}); err != nil {
			t.Fatal(err)
		}
		for round := range uint64(3) {
			start := time.Now()
			if cut := n.Pause(); cut != start.UnixNano() {
				t.Errorf("all that came before %v was done, want until now, %v", time.Unix(0, cut), start)
			}
			for _, p := range m.ports {
				p.Feed(make([]byte, 60))
			}
			synctest.Wait()
			for i, p := range m.ports {
				if got := p.NIC.Stats().Received; got != round {
					t.Errorf("port %d: %d frames are taken, want %d", i, got, round)
				}
			}
			n.Resume()
			synctest.Wait()
			for i, p := range m.ports {
				if got := p.NIC.Stats().Received; got != round+1 {
					t.Errorf("port %d: %d frames are taken, want %d", i, got, round+1)
				}
			}
		}
		m.ports[1].oldest, m.ports[3].oldest = 9, 7
		if cut := n.Pause(); cut != 7 {
			t.Errorf("all that came before %d was done, want 7", cut)
		}
		n.Resume()
		if len(m.lost) > 0 {
			t.Errorf("ports are lost: %v", m.lost)
		}
	})
}

// A port that failed before is not started again: Set opens it anew.
func TestAPortThatFailedIsNotResumed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &machine{}
		n, _ := newNICs(t, m, 1)
		if err := n.Set([]Wish{eth0(a)}); err != nil {
			t.Fatal(err)
		}
		m.ports[0].fail(errors.New("interface is gone"))
		synctest.Wait()
		n.Pause()
		n.Resume()
		synctest.Wait()
		if err := n.Set([]Wish{eth0(a)}); err != nil || len(m.ports) != 2 || len(m.lost) != 1 {
			t.Errorf("%v, %d ports, %v", err, len(m.ports), m.lost)
		}
	})
}

// Where the other process has the kernel forward flows, there are ports by protocol, and they are
// handed out as such: one for all protocols would get what the kernel forwards as well.
func TestAReserveHasPortsByProtocolWhereTheKernelForwards(t *testing.T) {
	m := &machine{}
	r := reserveOf(t, m, 2)
	if err := r.Prepare([]Wish{eth0(a), eth1()}, []int{eth0().Index}); err != nil {
		t.Fatal(err)
	}
	ready := len(m.ports)
	if want := 2 + 2 + 1 + 2; ready != want { // IPv4, IPv6, ARP; all
		t.Errorf("%d ports are ready, want %d", ready, want)
	}
	w := eth0(a)
	base, n := r.cfg.ports(&w)
	for _, s := range shares(true) {
		c, some := s.of(base, n, 0)
		if ports, err := r.Open(c, some); err != nil || len(ports) != some || len(m.ports) != ready {
			t.Errorf("protocol %#x: %d ports, %v, %d were opened", uint16(s), len(ports), err, len(m.ports)-ready)
		}
	}
	if ports, err := r.Open(base, n); err != nil || len(ports) != n || len(m.ports) != ready+n {
		t.Errorf("all protocols: %d ports, %v, %d were opened", len(ports), err, len(m.ports)-ready)
	}
}
