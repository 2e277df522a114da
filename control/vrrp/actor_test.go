package vrrp

import (
	"bytes"
	"errors"
	"log/slog"
	"net/netip"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"lvsdr/dataplane/frame"
)

// cable is a network that a test holds the other end of.
type cable struct {
	mu      sync.Mutex
	ports   []port
	asked   int // calls of Listen with nil
	refuse  error
	sources map[string]netip.Addr
	in      []Packet
	out     []Packet
	ready   chan struct{}
	closed  bool
}

func newCable() *cable {
	return &cable{ready: make(chan struct{}, 1), sources: map[string]netip.Addr{"eth0": addr("10.0.0.1")}}
}

func (c *cable) Listen(p []port) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if p == nil {
		c.asked++
		return c.refuse
	}
	c.ports = p
	return c.refuse
}

func (c *cable) Source(iface string, is6 bool, not []netip.Addr) netip.Addr {
	c.mu.Lock()
	defer c.mu.Unlock()
	if a := c.sources[iface]; a.Is6() == is6 && !slices.Contains(not, a) {
		return a
	}
	return netip.Addr{}
}

func (c *cable) Send(p Packet) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.out = append(c.out, p)
	return c.refuse
}

func (c *cable) Ready() <-chan struct{} { return c.ready }

func (c *cable) Receive(f func(Packet), _ func(string, bool) []netip.Addr) {
	c.mu.Lock()
	in := c.in
	c.in = nil
	c.mu.Unlock()
	for _, p := range in {
		f(p)
	}
}

func (c *cable) Close() { c.closed = true }

// give lets a packet come.
func (c *cable) give(p Packet) {
	c.mu.Lock()
	c.in = append(c.in, p)
	c.mu.Unlock()
	select {
	case c.ready <- struct{}{}:
	default:
	}
}

// sent are the priorities of the adverts that were sent.
func (c *cable) sent() []byte {
	c.mu.Lock()
	defer c.mu.Unlock()
	var all []byte
	for _, p := range c.out {
		all = append(all, p.Payload[2])
	}
	return all
}

// opened is an Actor on a cable, with what it reports and logs.
func opened(t *testing.T, c *cable) (*Actor, chan Change, *lockedBuffer) {
	t.Helper()
	changes, log := make(chan Change, 100), new(lockedBuffer)
	a := open(Options{Report: func(c Change) { changes <- c }, Log: slog.New(slog.NewTextHandler(log, nil))}, c)
	t.Cleanup(func() {
		if err := a.Close(); err != nil {
			t.Error(err)
		}
	})
	return a, changes, log
}

// lockedBuffer is a buffer for several goroutines.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func lone(priority uint8) Settings {
	return Settings{Instances: []Instance{{Name: "V", Interface: "eth0", ID: 51, Version: 3, Priority: priority, Interval: 10 * time.Millisecond, Preempt: true,
		StartMaster: true, Addresses: addrs("10.0.0.100")}}}
}

// wait is the next change, which must be this.
func wait(t *testing.T, changes chan Change, role Role) {
	t.Helper()
	if c := <-changes; c.Role != role || c.Instance != "V" {
		t.Fatalf("%+v, want %v", c, role)
	}
}

func TestAnActorRunsTheMachineOnItsNetwork(t *testing.T) {
	c := newCable()
	a, changes, _ := opened(t, c)
	if err := a.Set(lone(100)); err != nil {
		t.Fatal(err)
	}
	wait(t, changes, Backup)
	wait(t, changes, Master) // by the timer
	group := addr(group4)
	better := &Advert{Version: 3, ID: 51, Priority: 200, Interval: 40 * time.Second, Addresses: addrs("10.0.0.100")}
	src := addr("10.0.0.2")
	c.give(Packet{Interface: "eth0", Src: src, Dst: group, TTL: 255, Payload: better.Append(nil, src, group, group)})
	wait(t, changes, Backup) // by the packet
	states, _ := a.States()
	if s := states[0]; s.Master != src || s.Interval != 40*time.Second || s.Source != addr("10.0.0.1") {
		t.Errorf("%+v", s)
	}
	a.Track(Tracked{Tracker: Tracker{"track_script", "s"}})
	with := lone(100)
	with.Instances[0].Tracks = []Track{{Tracker: Tracker{"track_script", "s"}}}
	if err := a.Set(with); err != nil {
		t.Fatal(err)
	}
	wait(t, changes, Fault)
}

func TestAClosedActorHasSaidThatItStops(t *testing.T) {
	c := newCable()
	a, changes, _ := opened(t, c)
	if err := a.Set(lone(Owner)); err != nil {
		t.Fatal(err)
	}
	wait(t, changes, Master)
	if err := errors.Join(a.Close(), a.Close()); err != nil {
		t.Fatal(err)
	}
	wait(t, changes, Stopped)
	if sent := c.sent(); sent[len(sent)-1] != 0 || sent[0] != Owner || !c.closed {
		t.Errorf("sent priorities %v, closed %v", sent, c.closed)
	}
	if err := a.Set(lone(100)); !errors.Is(err, os.ErrClosed) {
		t.Errorf("Set of a closed one: %v", err)
	}
	a.Track(Tracked{})
	if states, _ := a.States(); len(states) != 0 {
		t.Errorf("states %v", states)
	}
}

// The error is told, and the interface is tried again.
func TestAnInterfaceThatIsNotThereIsTriedAgain(t *testing.T) {
	t.Parallel()
	c := newCable()
	c.refuse = errors.New("no interface eth0")
	delete(c.sources, "eth0")
	a, changes, _ := opened(t, c)
	if err := a.Set(lone(Owner)); err == nil || !strings.Contains(err.Error(), "no interface eth0") {
		t.Errorf("error %v", err)
	}
	wait(t, changes, Fault)
	c.mu.Lock()
	c.sources["eth0"], c.refuse = addr("10.0.0.1"), nil
	c.mu.Unlock()
	wait(t, changes, Master)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.asked == 0 {
		t.Error("it was not tried again")
	}
}

// The settings lost their last instance, and its socket stayed open: no ports at all were taken for those of before.
func TestWithoutInstancesNothingIsListenedTo(t *testing.T) {
	c := newCable()
	a, changes, _ := opened(t, c)
	if err := errors.Join(a.Set(lone(Owner)), a.Set(Settings{})); err != nil {
		t.Fatal(err)
	}
	wait(t, changes, Master)
	wait(t, changes, Stopped)
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.ports) != 0 {
		t.Errorf("ports %+v, want none", c.ports)
	}
}

func TestRefusedAdvertsAreLoggedOnceAMinute(t *testing.T) {
	c := newCable()
	a, changes, log := opened(t, c)
	if err := a.Set(lone(Owner)); err != nil {
		t.Fatal(err)
	}
	wait(t, changes, Master)
	src, group := addr("10.0.0.2"), addr(group4)
	bad := (&Advert{Version: 2, ID: 51, Priority: 200, Interval: time.Second}).Append(nil, src, group, group)
	for range 50 {
		c.give(Packet{Interface: "eth0", Src: src, Dst: group, TTL: 255, Payload: bad})
	}
	for {
		states, _ := a.States()
		if states[0].Stats.Received[WrongVersion] == 50 {
			break
		}
	}
	if n := strings.Count(log.String(), "an advert was refused"); n != 1 || !strings.Contains(log.String(), "reason=wrong-version") {
		t.Errorf("%d lines:\n%s", n, log)
	}
}

func TestInstancesOfAnInterfaceShareAPort(t *testing.T) {
	peers := []Peer{{Addr: addr("10.0.0.2")}}
	got := ports([]Instance{
		{Interface: "a", ID: 1}, {Interface: "a", ID: 2, Group: addr("224.0.0.99"), ReceiveBuffer: 5}, {Interface: "a", ID: 1, IPv6: true},
		{Interface: "b", ID: 3, Peers: peers, MAC: frame.MAC{2}},
	})
	want := []port{
		{iface: "a", groups: addrs(group4, "224.0.0.99"), ids: []uint8{1, 2}, buffer: 5},
		{iface: "a", is6: true, groups: addrs(group6), ids: []uint8{1}},
		{iface: "b", ids: []uint8{3}, far: true, mac: true},
	}
	if !slices.EqualFunc(got, want, port.equal) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

// Frames as keepalived's use_vmac sends them, and as the kernel would make them.
func TestHeadersAreAsTheKernelMakesThem(t *testing.T) {
	p := Packet{MAC: frame.MAC{0, 0, 0x5e, 0, 1, 51}, Src: addr("10.0.0.1"), Dst: addr(group4), TTL: 255, Payload: []byte("twelve bytes")}
	b := appendFrame(nil, &p)
	got, ok := cutIP4(b[14:])
	if !ok || got.Src != p.Src || got.Dst != p.Dst || got.TTL != 255 || !bytes.Equal(got.Payload, p.Payload) {
		t.Errorf("read back %+v %v", got, ok)
	}
	if want := []byte{0x01, 0, 0x5e, 0, 0, 0x12, 0, 0, 0x5e, 0, 1, 51, 0x08, 0}; !bytes.Equal(b[:14], want) {
		t.Errorf("Ethernet header %x, want %x", b[:14], want)
	}
	if fold(words(0, b[14:34])) != 0xffff || b[15] != 0xc0 {
		t.Errorf("IP header %x", b[14:34])
	}
	six := appendFrame(nil, &Packet{Src: addr("fe80::1"), Dst: addr(group6), TTL: 255, Payload: []byte("abc")})
	if want := []byte{0x33, 0x33, 0, 0, 0, 0x12}; !bytes.Equal(six[:6], want) || !bytes.Equal(six[12:22], []byte{0x86, 0xdd, 0x6c, 0, 0, 0, 0, 3, 112, 255}) {
		t.Errorf("IPv6 frame %x", six)
	}
}

func TestPacketsThatAreCutShortAreNone(t *testing.T) {
	good := appendIP(nil, &Packet{Src: addr("10.0.0.1"), Dst: addr(group4), Payload: []byte("payload!")})
	for n := range len(good) {
		if _, ok := cutIP4(good[:n]); ok {
			t.Errorf("%d bytes of %d are taken", n, len(good))
		}
	}
	padded := append(bytes.Clone(good), 0, 0, 0)
	if p, ok := cutIP4(padded); !ok || len(p.Payload) != 8 {
		t.Errorf("a padded packet: %v %q", ok, p.Payload)
	}
	for _, at := range []int{0, 9} {
		bad := bytes.Clone(good)
		bad[at] = 0x11
		if _, ok := cutIP4(bad); ok {
			t.Errorf("byte %d wrong is taken", at)
		}
	}
}

// With log_unknown_vrids adverts of virtual routers that are not here are received and logged, each ID once a minute; without
// it neither.
func TestAdvertsOfUnknownRoutersAreLoggedIfAskedFor(t *testing.T) {
	for _, on := range []bool{false, true} {
		c := newCable()
		a, _, log := opened(t, c)
		i := Instance{Name: "V", Interface: "eth0", ID: 51, Version: 3, Priority: 100, Interval: time.Second}
		if err := a.Set(Settings{Instances: []Instance{i}, LogUnknown: on}); err != nil {
			t.Fatal(err)
		}
		if len(c.ports) != 1 || c.ports[0].all != on {
			t.Errorf("LogUnknown %v: ports %+v", on, c.ports)
		}
		for _, id := range []byte{7, 9, 7, 7} {
			src, group := addr("10.0.0.2"), addr(group4)
			p := Advert{Version: 3, ID: id, Priority: 1, Interval: time.Second}
			c.give(Packet{Interface: "eth0", Src: src, Dst: group, TTL: TTL, Payload: p.Append(nil, src, group, group)})
		}
		for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(time.Millisecond) {
			if _, unknown := a.States(); unknown[UnknownRouter] == 4 {
				break
			}
		}
		if _, unknown := a.States(); unknown[UnknownRouter] != 4 {
			t.Errorf("%d are counted", unknown[UnknownRouter])
		}
		want := 0
		if on {
			want = 2
		}
		if got := strings.Count(log.String(), "virtual_router_id="); got != want {
			t.Errorf("LogUnknown %v: %d lines, want %d:\n%s", on, got, want, log.String())
		}
	}
}
