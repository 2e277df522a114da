package arp

import (
	"cmp"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"

	"lvsdr/dataplane/frame"
)

// The network of the tests: eth0 (index 2) carries the VIP, eth1 (index 3)
// carries another one.
var (
	ourMAC    = frame.MAC{0x02, 0, 0, 0, 0, 0x01}
	eth1MAC   = frame.MAC{0x02, 0, 0, 0, 1, 0x01}
	clientMAC = frame.MAC{0x02, 0, 0, 0, 0, 0x50}
	serverMAC = frame.MAC{0x02, 0, 0, 0, 0, 0x11}
	strayMAC  = frame.MAC{0x02, 0, 0, 0, 0, 0x99}

	vip      = netip.MustParseAddr("192.168.1.100")
	eth1VIP  = netip.MustParseAddr("10.0.0.100")
	ourIP    = netip.MustParseAddr("192.168.1.2")
	clientIP = netip.MustParseAddr("192.168.1.50")
	serverIP = netip.MustParseAddr("192.168.1.11")
	zeroIP   = netip.MustParseAddr("0.0.0.0")

	zeroMAC frame.MAC
)

const (
	eth0 = 2
	eth1 = 3
)

// testVIPs are active VIPs of IPv4.
func testVIPs() []VIP {
	return []VIP{
		{Addr: vip, Ifindex: eth0, MAC: ourMAC, Active: true},
		{Addr: eth1VIP, Ifindex: eth1, MAC: eth1MAC, Active: true},
	}
}

// with are vips with Active as given.
func with(active bool, vips []VIP) []VIP {
	vips = slices.Clone(vips)
	for i := range vips {
		vips[i].Active = active
	}
	return vips
}

func testTarget() Target {
	return Target{IP: serverIP, Ifindex: eth0, SourceIP: ourIP, SourceMAC: ourMAC}
}

// said is a frame as the tests write it: a wire or a wire6.
type said interface{ build() []byte }

// readSaid returns the meaning of the frame b.
func readSaid(t *testing.T, b []byte) said {
	t.Helper()
	if len(b) > 12 && b[12] == 0x86 {
		return readWire6(t, b)
	}
	return readWire(t, b)
}

// wire is an ARP frame as the tests write it; build is the slow reference for
// what this package makes by hand.
type wire struct {
	dst, src frame.MAC
	op       uint16
	sha      frame.MAC
	spa      netip.Addr
	tha      frame.MAC
	tpa      netip.Addr
}

func (w wire) build() []byte {
	eth := &layers.Ethernet{DstMAC: w.dst[:], SrcMAC: w.src[:], EthernetType: layers.EthernetTypeARP}
	spa, tpa := w.spa.As4(), w.tpa.As4()
	a := &layers.ARP{
		AddrType: layers.LinkTypeEthernet, Protocol: layers.EthernetTypeIPv4,
		HwAddressSize: 6, ProtAddressSize: 4, Operation: w.op,
		SourceHwAddress: w.sha[:], SourceProtAddress: spa[:],
		DstHwAddress: w.tha[:], DstProtAddress: tpa[:],
	}
	buf := gopacket.NewSerializeBuffer()
	if err := gopacket.SerializeLayers(buf, gopacket.SerializeOptions{}, eth, a); err != nil {
		panic(err)
	}
	return slices.Clone(buf.Bytes())
}

// readWire is the inverse of build, by gopacket.
func readWire(t *testing.T, b []byte) wire {
	t.Helper()
	p := gopacket.NewPacket(b, layers.LayerTypeEthernet, gopacket.Default)
	eth, ok1 := p.Layer(layers.LayerTypeEthernet).(*layers.Ethernet)
	a, ok2 := p.Layer(layers.LayerTypeARP).(*layers.ARP)
	if !ok1 || !ok2 || a.AddrType != layers.LinkTypeEthernet || a.Protocol != layers.EthernetTypeIPv4 ||
		a.HwAddressSize != 6 || a.ProtAddressSize != 4 {
		t.Fatalf("not an ARP frame for IPv4 over Ethernet: % x", b)
	}
	return wire{
		dst: frame.MAC(eth.DstMAC), src: frame.MAC(eth.SrcMAC), op: a.Operation,
		sha: frame.MAC(a.SourceHwAddress), spa: netip.AddrFrom4([4]byte(a.SourceProtAddress)),
		tha: frame.MAC(a.DstHwAddress), tpa: netip.AddrFrom4([4]byte(a.DstProtAddress)),
	}
}

// request is a who-has of (mac, ip) for target, broadcast.
func request(mac frame.MAC, ip, target netip.Addr) wire {
	return wire{dst: broadcast, src: mac, op: 1, sha: mac, spa: ip, tpa: target}
}

// reply is an is-at of (mac, ip) to (toMAC, to).
func reply(mac frame.MAC, ip netip.Addr, toMAC frame.MAC, to netip.Addr) wire {
	return wire{dst: toMAC, src: mac, op: 2, sha: mac, spa: ip, tha: toMAC, tpa: to}
}

func frameOf(p Packet) []byte { return p.Frame() }

// mustParse is the packet in the frame f.
func mustParse(t *testing.T, f []byte) Packet {
	t.Helper()
	p, r := parse(f)
	if r != undecided {
		t.Fatalf("parse = %v", r)
	}
	return p
}

// sent is one frame that a recorder was given.
type sent struct {
	ifindex int32
	frame   []byte
}

// A recorder is a Sender that keeps what it is given.
type recorder struct {
	mu  sync.Mutex
	out []sent
	err error // returned by Send
}

func (r *recorder) Send(ifindex int32, f []byte) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.err != nil {
		return r.err
	}
	r.out = append(r.out, sent{ifindex, slices.Clone(f)})
	return nil
}

// take empties the recorder.
func (r *recorder) take() []sent {
	r.mu.Lock()
	defer r.mu.Unlock()
	out := r.out
	r.out = nil
	return out
}

// bench is a Service on a clock the test sets.
type bench struct {
	*Service
	rec     recorder
	now     time.Duration
	events  []Event
	changes []Change
}

// newBench makes a bench that announces without a look, unless cfg asks for one.
func newBench(t testing.TB, cfg Config) *bench {
	t.Helper()
	cfg.Announce.Look = cmp.Or(cfg.Announce.Look, -1)
	b := &bench{}
	cfg.Sender = &b.rec
	cfg.Now = func() time.Duration { return b.now }
	cfg.Events = func(e Event) { b.events = append(b.events, e) }
	cfg.Changed = func(c Change) { b.changes = append(b.changes, c) }
	s, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	b.Service = s
	return b
}

// quiet are times at which almost nothing is announced.
var quiet = AnnounceTimes{Look: -1, Rounds: 1, Every: -1, CheckEvery: -1}

// newActiveBench is a bench that speaks for the VIPs of both families, knows the
// real server's MAC by both and has nothing due before the second second.
func newActiveBench(t testing.TB) *bench {
	t.Helper()
	b := newBench(t, Config{Announce: quiet})
	b.set(t, bothVIPs(), testTarget(), testTarget6())
	b.hear(reply(serverMAC, serverIP, ourMAC, ourIP).build())
	b.hear(isAt6(serverMAC, server6, ourMAC, our6).build())
	b.rec.take()
	b.events, b.changes = nil, nil
	return b
}

// set sets the VIPs and the targets.
func (b *bench) set(t testing.TB, vips []VIP, targets ...Target) {
	t.Helper()
	if err := errorsOf(b.SetVIPs(vips), b.SetTargets(targets)); err != nil {
		t.Fatal(err)
	}
}

// counted is how many frames ended with r.
func (b *bench) counted(r reason) uint64 {
	st := b.Stats()
	return st.frames[r]
}

// said returns the frames sent since its last call.
func (b *bench) said(t *testing.T) []said {
	t.Helper()
	var all []said
	for _, s := range b.rec.take() {
		all = append(all, readSaid(t, s.frame))
	}
	return all
}

func errorsOf(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// hear lets the frame come in by eth0 and the service have its turn.
func (b *bench) hear(f []byte) {
	b.Inbox().Put(f, eth0)
	b.turn()
}

// until has turns whenever one is due up to and including the moment end, and
// tells what was sent when.
func (b *bench) until(t *testing.T, end time.Duration) map[time.Duration][]wire {
	t.Helper()
	out := make(map[time.Duration][]wire)
	for {
		wait := b.turn()
		for _, s := range b.rec.take() {
			out[b.now] = append(out[b.now], readWire(t, s.frame))
		}
		if b.now+wait > end {
			b.now = end
			return out
		}
		b.now += wait
	}
}
