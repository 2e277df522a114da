package nics

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"lvsdr/conntrack"
	"lvsdr/control/procnet"
	"lvsdr/dataplane"
	"lvsdr/dataplane/afpacket"
	"lvsdr/dataplane/memport"
)

// A port is a fake: its frames come from memory.
type port struct {
	routers bool
	*memport.NIC
	host *machine
	cfg  afpacket.Config

	mu                 sync.Mutex
	vips               []netip.Addr
	sources            []netip.Addr // of the last SetVIPs
	next               []netip.Addr // of the last SetBackward
	errors, nextErrors bool         // likewise
	visible            bool
	closed             bool
	broken             error         // what Recv fails with
	stuck              chan struct{} // closed when Recv may go on; nil: it does
	stats              dataplane.NICStats
	oldest             int64   // what Oldest says; 0: nothing waits
	given              []int64 // what Discard was told
	thinned            int     // calls of Thin
}

func (p *port) Oldest() (int64, bool) { return p.oldest, p.oldest != 0 }

func (p *port) Thin() { p.thinned++ }

func (p *port) Discard(until int64) int {
	p.given = append(p.given, until)
	return 0
}

func (p *port) SetRouters(on bool) { p.routers = on }

func (p *port) SetBackward(sources []netip.Addr, errors bool) {
	p.next, p.nextErrors = slices.Clone(sources), errors
}

func (p *port) SetVIPs(vips []netip.Addr) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := p.host.fails("vips of " + p.cfg.Interface.Name); err != nil {
		return err
	}
	p.vips, p.sources, p.errors = slices.Clone(vips), p.next, p.nextErrors
	return nil
}

func (p *port) SetVisible(on bool) { p.visible = on }
func (p *port) XDPError() error    { return p.host.xdp }
func (p *port) Sockets() int       { return afpacket.SocketsPerNIC }

func (p *port) Recv(b *dataplane.Batch) error {
	err := p.NIC.Recv(b)
	p.mu.Lock()
	if stuck := p.stuck; stuck != nil {
		p.mu.Unlock()
		<-stuck
		p.mu.Lock()
	}
	defer p.mu.Unlock()
	if errors.Is(err, os.ErrClosed) && p.broken != nil {
		return p.broken
	}
	return err
}

// fail ends the port's worker.
func (p *port) fail(err error) {
	p.mu.Lock()
	p.broken = err
	p.mu.Unlock()
	p.NIC.Stop()
}

func (p *port) Close() error {
	p.closed = true
	return errors.Join(p.host.fails("close "+p.cfg.Interface.Name), p.NIC.Close())
}

func (p *port) Stats() dataplane.NICStats { return p.stats }

// A machine is a host whose ports are fakes. It answers as Host does.
type machine struct {
	ports  []*port
	failed map[string]error // by what is tried
	shaped map[int]string
	taps   []procnet.Tap
	blind  error // of Taps
	xdp    error // of XDPError
	lost   []string
}

func (m *machine) fails(attempt string) error {
	if err := m.failed[attempt]; err != nil {
		return fmt.Errorf("%s: %w", attempt, err)
	}
	return nil
}

func (m *machine) open(c afpacket.Config, n int) ([]Port, error) {
	if err := m.fails("open " + c.Interface.Name); err != nil {
		return nil, err
	}
	var all []Port
	for range n {
		p := &port{NIC: memport.New(memport.Config{Index: int32(c.Interface.Index)}), host: m, cfg: c, vips: c.VIPs, sources: c.Sources, errors: c.Errors}
		m.ports = append(m.ports, p)
		all = append(all, p)
	}
	return all, nil
}

func (m *machine) Shaped(i int) string          { return m.shaped[i] }
func (m *machine) Taps() ([]procnet.Tap, error) { return m.taps, m.blind }

// live are the ports that are open, in the order they were opened, as
// "eth0 192.0.2.1 192.0.2.2".
func (m *machine) live() string {
	var all []string
	for _, p := range m.ports {
		if p.closed {
			continue
		}
		words := []string{p.cfg.Interface.Name}
		for _, v := range p.vips {
			words = append(words, v.String())
		}
		all = append(all, strings.Join(words, " "))
	}
	return strings.Join(all, ", ")
}

// newNICs are NICs of m. Everything they still have is closed at the end.
func newNICs(t *testing.T, m *machine, workers int) (*NICs, *bytes.Buffer) {
	t.Helper()
	d, err := dataplane.New(dataplane.Config{Conns: conntrack.Config{Limit: workers * conntrack.MinLimit}, Workers: workers})
	if err != nil {
		t.Fatal(err)
	}
	if m.failed == nil {
		m.failed = map[string]error{}
	}
	log := &bytes.Buffer{}
	n := New(Config{Director: d, Now: func() int64 { return 1 }, Workers: workers, XDP: true, Open: m.open, Host: m,
		Lost: func(i int, err error) { m.lost = append(m.lost, fmt.Sprintf("%d: %v", i, err)) },
		Log:  slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug}))})
	t.Cleanup(func() { _ = n.Close() })
	return n, log
}

var (
	a = netip.MustParseAddr("192.0.2.1")
	b = netip.MustParseAddr("192.0.2.2")
)

func eth0(vips ...netip.Addr) Wish { return Wish{Index: 2, Name: "eth0", MTU: 1500, VIPs: vips} }
func eth1(vips ...netip.Addr) Wish { return Wish{Index: 3, Name: "eth1", MTU: 9000, VIPs: vips} }

func TestSetMakesThePortsThoseOfTheWish(t *testing.T) {
	m := &machine{}
	n, _ := newNICs(t, m, 1)
	for _, step := range []struct {
		law    string
		wish   []Wish
		live   string
		opened int // so far
	}{
		{"nothing is there at first", nil, "", 0},
		{"an interface without VIPs gets a port for ARP alone", []Wish{eth0()}, "eth0", 1},
		{"a VIP comes without a new port", []Wish{eth0(a)}, "eth0 192.0.2.1", 1},
		{"a second interface leaves the first alone", []Wish{eth0(a), eth1()}, "eth0 192.0.2.1, eth1", 2},
		{"the same again changes nothing", []Wish{eth1(), eth0(a)}, "eth0 192.0.2.1, eth1", 2},
		{"a VIP moves from one interface to the other", []Wish{eth0(), eth1(a, b)}, "eth0, eth1 192.0.2.1 192.0.2.2", 2},
		{"an interface that is not wanted any more is closed", []Wish{eth1(a)}, "eth1 192.0.2.1", 2},
		{"a renamed interface is opened anew", []Wish{{Index: 3, Name: "lan", VIPs: []netip.Addr{a}}}, "lan 192.0.2.1", 3},
		{"nothing is left at the end", nil, "", 3},
	} {
		if err := n.Set(step.wish); err != nil {
			t.Errorf("%s: %v", step.law, err)
		}
		if got := m.live(); got != step.live || len(m.ports) != step.opened {
			t.Errorf("%s: %q after %d opened, want %q after %d", step.law, got, len(m.ports), step.live, step.opened)
		}
	}
}

func TestAnInterfaceThatFailsIsLeftOutAndTriedAgain(t *testing.T) {
	refused := errors.New("refused")
	for _, c := range []struct {
		attempt string
		index   int
		live    string
	}{
		{"open eth0", 2, "eth1 192.0.2.2"},
		{"vips of eth0", 2, "eth0, eth1 192.0.2.2"},
		{"close eth2", 4, "eth0 192.0.2.1, eth1 192.0.2.2"},
	} {
		m := &machine{failed: map[string]error{}}
		n, _ := newNICs(t, m, 1)
		before := []Wish{{Index: 4, Name: "eth2"}}
		if c.attempt == "vips of eth0" {
			before = append(before, eth0())
		}
		if err := n.Set(before); err != nil {
			t.Fatal(err)
		}
		m.failed[c.attempt] = refused
		wish := []Wish{eth0(a), eth1(b)}
		failed := n.Set(wish)
		if err := failed[c.index]; len(failed) != 1 || !errors.Is(err, refused) || !strings.Contains(err.Error(), c.attempt) {
			t.Errorf("%s: errors %v", c.attempt, failed)
		}
		if got := m.live(); got != c.live {
			t.Errorf("%s fails: %q, want %q", c.attempt, got, c.live)
		}
		clear(m.failed)
		if err := n.Set(wish); err != nil || strings.Count(m.live(), "192.0.2.") != 2 {
			t.Errorf("%s fails no more: %q, %v", c.attempt, m.live(), err)
		}
	}
}

// One of two workers may have the new addresses when the other refuses them. A
// wish for the old ones must not find the first as it was.
func TestAddressesThatOnlySomePortsTookAreSetAgain(t *testing.T) {
	m := &machine{}
	n, _ := newNICs(t, m, 2)
	if err := n.Set([]Wish{eth0(a)}); err != nil {
		t.Fatal(err)
	}
	m.ports[1].host = &machine{failed: map[string]error{"vips of eth0": errors.New("no memory")}}
	if err := n.Set([]Wish{eth0(b)}); err == nil {
		t.Error("a refusal was not told")
	}
	m.ports[1].host = m
	if err := n.Set([]Wish{eth0(a)}); err != nil || m.live() != "eth0 192.0.2.1, eth0 192.0.2.1" {
		t.Errorf("back at the old addresses: %q, %v", m.live(), err)
	}
}

func TestAWorkerThatFailsIsToldOnceAndReplaced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &machine{}
		n, _ := newNICs(t, m, 2)
		if err := n.Set([]Wish{eth0(a), eth1()}); err != nil {
			t.Fatal(err)
		}
		gone := errors.New("interface is gone")
		m.ports[0].fail(gone)
		m.ports[1].fail(gone)
		synctest.Wait()
		if len(m.lost) != 1 || m.lost[0] != "2: interface eth0: interface is gone" {
			t.Errorf("told %q", m.lost)
		}
		if err := n.Set([]Wish{eth0(a), eth1()}); err != nil {
			t.Fatal(err)
		}
		if got := m.live(); got != "eth1, eth1, eth0 192.0.2.1, eth0 192.0.2.1" {
			t.Errorf("ports %q", got)
		}
		if err := n.Close(); err != nil || m.live() != "" {
			t.Errorf("after Close: %q, %v", m.live(), err)
		}
		if len(m.lost) != 1 {
			t.Errorf("stopping was told as a failure: %q", m.lost)
		}
	})
}

// All workers of all interfaces answer; one that is stuck is missed, one that has failed
// is not, nor is one whose interface is not wanted any more.
func TestEveryWorkerHasToAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &machine{}
		n, _ := newNICs(t, m, 2)
		answers := func() bool {
			n.Ask()
			synctest.Wait()
			return n.Answered()
		}
		if !answers() {
			t.Error("there are none, and they do not answer")
		}
		if failed := n.Set([]Wish{eth0(a), eth1(b)}); failed != nil {
			t.Fatal(failed)
		}
		if !answers() {
			t.Error("idle workers do not answer")
		}
		last := m.ports[len(m.ports)-1] // of eth1
		free := make(chan struct{})
		last.mu.Lock()
		last.stuck = free
		last.mu.Unlock()
		if answers() {
			t.Error("one is stuck, and all answer")
		}
		close(free)
		if !answers() {
			t.Error("it is free again, and does not answer")
		}
		last.fail(errors.New("the network is gone"))
		if !answers() {
			t.Error("one that has failed is waited for")
		}
		n.Set([]Wish{eth0(a)})
		if !answers() {
			t.Error("one that has gone is waited for")
		}
	})
}

func TestCountersOutliveTheirPorts(t *testing.T) {
	m := &machine{}
	n, _ := newNICs(t, m, 2)
	ones := dataplane.NICStats{Received: 1, Missed: 1, MissedSYN: 1, Truncated: 1, Sent: 1, SentXDP: 1, SendFull: 1, SendError: 1}
	for round := uint64(1); round <= 3; round++ {
		if err := n.Set([]Wish{eth0(), eth1()}); err != nil {
			t.Fatal(err)
		}
		for _, p := range m.ports {
			p.stats = ones
		}
		want := 2 * round // two workers in each round
		for _, closed := range []bool{false, true} {
			if closed {
				if err := n.Set([]Wish{eth1()}); err != nil {
					t.Fatal(err)
				}
			}
			st := n.Stats()["eth0"]
			if st != (dataplane.NICStats{Received: want, Missed: want, MissedSYN: want, Truncated: want, Sent: want, SentXDP: want, SendFull: want, SendError: want}) {
				t.Errorf("round %d, closed %v: %+v, want %d of each", round, closed, st, want)
			}
		}
	}
	if st := n.Stats()["eth1"]; st.Received != 2 {
		t.Errorf("eth1, which was never closed: %+v", st)
	}
}

// Status asks while the ports are opened and closed.
func TestStatsWaitsForNothing(t *testing.T) {
	m := &machine{}
	n, _ := newNICs(t, m, 1)
	opening, opened := make(chan bool), make(chan bool)
	n.cfg.Open = func(c afpacket.Config, k int) ([]Port, error) {
		opening <- true
		<-opened
		return m.open(c, k)
	}
	done := make(chan map[int]error)
	go func() { done <- n.Set([]Wish{eth0(a)}) }()
	<-opening // Set hangs
	if st, name := n.Stats(), n.Name(2); len(st) != 0 || name != "interface 2" {
		t.Errorf("stats %v, name %q", st, name)
	}
	close(opened)
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if st, name := n.Stats(), n.Name(2); len(st) != 1 || name != "eth0" {
		t.Errorf("stats %v, name %q", st, name)
	}
}

func TestTheInterfaceOfLocalClientsHasOneSmallPort(t *testing.T) {
	m := &machine{}
	n, _ := newNICs(t, m, 3)
	if err := n.Set([]Wish{eth0(a), {Index: 9, Name: "lvsdr-l1", MTU: 1500, VIPs: []netip.Addr{a}, Local: true}}); err != nil {
		t.Fatal(err)
	}
	if got := m.live(); got != "eth0 192.0.2.1, eth0 192.0.2.1, eth0 192.0.2.1, lvsdr-l1 192.0.2.1" {
		t.Errorf("ports %q", got)
	}
	local, other := m.ports[3].cfg, m.ports[0].cfg
	if local.Slots != localSlots || local.SYNSlots != localSYNSlots || local.Neighbours6 || local.XDP {
		t.Errorf("local: %+v", local)
	}
	if other.Slots != 0 || other.SYNSlots != 0 || !other.Neighbours6 || !other.XDP || other.Interface.MTU != 1500 {
		t.Errorf("eth0: %+v", other)
	}
}

// Without the right to open packet sockets the error is another one.
func TestNoPortOpensOnAnInterfaceThatIsNotThere(t *testing.T) {
	gone := &net.Interface{Index: 1 << 30, MTU: 1500, Name: "gone0", HardwareAddr: net.HardwareAddr{2, 0, 0, 0, 0, 1}}
	if ports, err := open(afpacket.Config{Interface: gone}, 1); err == nil || len(ports) != 0 {
		t.Errorf("%d ports, error %v; want an error", len(ports), err)
	}
}
