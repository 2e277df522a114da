package afpacket

import (
	"bytes"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"testing"

	"github.com/vishvananda/netlink"

	"lvsdr/bench/netns"
	"lvsdr/dataplane"
	"lvsdr/dataplane/frame"
	"lvsdr/dataplane/frame/build"
)

// A mover is a NIC whose goroutine has ended: the test does its work, step by step.
type mover struct {
	*NIC
	l      *lab
	client *NIC // sends alone
	batch  *dataplane.Batch
}

func newMover(t testing.TB, cfg Config) *mover {
	t.Helper()
	l := newLab(t)
	cfg.Interface, cfg.VIPs = l.d0, []netip.Addr{labVIP, labVIP6}
	m := &mover{l: l, NIC: open(t, cfg), client: openIn(t, l.client, l.c0), batch: dataplane.NewBatch()}
	m.hook.stop()
	return m
}

// move has SYNs come by the main ring, or by their own again.
func (m *mover) move(t testing.TB, wide bool) {
	t.Helper()
	if !wide {
		m.narrow()
	} else if err := m.widen(); err != nil {
		t.Fatal(err)
	}
	if m.hook.wide.Load() != wide {
		t.Fatalf("SYNs come by the main ring: %v, want %v", !wide, wide)
	}
}

// finish does what the goroutine does when the worker took over a new socket.
func (m *mover) finish(t testing.TB) {
	t.Helper()
	select {
	case old := <-m.hook.retired:
		m.discard(old)
	default:
		t.Fatal("the worker did not take over the new socket")
	}
}

// arrive sends frames and says how many of each came, and whether by the ring for
// SYNs, until the last of them came.
func (m *mover) arrive(t testing.TB, frames ...[]byte) (others, syns map[string]int) {
	t.Helper()
	last := frameTo(m.l.c0, m.l.d0.HardwareAddr, labVIP, 4242, 60)
	transmit(t, m.client, m.l.c0, append(frames, last)...)
	return m.read(t, isNumber(4242))
}

// read counts as arrive does, frames that are there already, until one is the last.
func (m *mover) read(t testing.TB, last func([]byte) bool) (others, syns map[string]int) {
	t.Helper()
	others, syns = map[string]int{}, map[string]int{}
	for end := false; !end; {
		must(t, m.Recv(m.batch))
		for i := range m.batch.Packets {
			k := &m.batch.Packets[i]
			switch {
			case last(k.Data):
				end = true
			case int(k.Slot) >= m.hook.base:
				syns[string(k.Data)]++
			default:
				others[string(k.Data)]++
			}
		}
	}
	return others, syns
}

// A kind is a frame, and whether it comes by the ring for SYNs.
type kind struct {
	law string
	f   []byte
	syn bool
}

// kinds are frames from the client of l.
func kinds(l *lab) []kind {
	dst := l.d0.HardwareAddr
	ip := build.IP{SrcMAC: frame.MAC(l.c0.HardwareAddr), DstMAC: frame.MAC(dst)}
	tcp := func(over6 bool, edit func(*build.TCP)) []byte {
		s := build.TCP{Src: netip.AddrPortFrom(labClient, 4000), Dst: netip.AddrPortFrom(labVIP, 80), Flags: "S", IP: ip}
		if over6 {
			s.Src, s.Dst = netip.AddrPortFrom(labClient6, 4000), netip.AddrPortFrom(labVIP6, 80)
		}
		edit(&s)
		return s.Bytes()
	}
	arp := build.ARP{SrcMAC: ip.SrcMAC, DstMAC: ip.DstMAC, Op: 1, SenderMAC: ip.SrcMAC, SenderIP: labClient, TargetIP: labVIP}.Bytes()
	return []kind{
		{"a SYN", tcp(false, func(s *build.TCP) { s.Pad = true }), true},
		{"a SYN over IPv6", tcp(true, func(*build.TCP) {}), true},
		{"a SYN with a VLAN tag", tcp(false, func(s *build.TCP) { s.VLAN = 100 }), true},
		{"a SYN over IPv6 with a VLAN tag", tcp(true, func(s *build.TCP) { s.VLAN = 100 }), true},
		{"a SYN with options of TCP", tcp(false, func(s *build.TCP) { s.TCPOptions = build.MSS(1460) }), true},
		{"a SYN with IPv4 options", tcp(false, func(s *build.TCP) { s.IP.Options = []byte{1, 1, 1, 1}; s.Pad = true }), false},
		{"a SYN behind an extension header", tcp(true, func(s *build.TCP) { s.Ext = []build.Ext{build.DestOpts(1, 4, 0, 0, 0, 0)} }), false},
		{"the first fragment of a SYN", build.Fragment(tcp(false, func(s *build.TCP) { s.Payload = make([]byte, 40) }), 32)[0], false},
		{"its second fragment", build.Fragment(tcp(false, func(s *build.TCP) { s.Payload = make([]byte, 40) }), 32)[1], false},
		{"a SYN with much data", tcp(false, func(s *build.TCP) { s.Payload = make([]byte, 200) }), false},
		{"an ACK", tcp(false, func(s *build.TCP) { s.Flags = "A"; s.Pad = true }), false},
		{"an ACK over IPv6", tcp(true, func(s *build.TCP) { s.Flags = "A" }), false},
		{"an ACK with a VLAN tag", tcp(false, func(s *build.TCP) { s.Flags = "A"; s.VLAN = 100 }), false},
		{"a FIN", tcp(true, func(s *build.TCP) { s.Flags = "FA" }), false},
		{"UDP", frameTo(l.c0, dst, labVIP, 7, 60), false},
		{"UDP over IPv6", frameTo(l.c0, dst, labVIP6, 7, 80), false},
		{"an echo request", build.Echo(labClient, labVIP, ip, 1, 1, make([]byte, 40)).Bytes(), false},
		{"ARP", arp, false},
	}
}

// Whatever ring SYNs come by, each frame comes once, as it was sent.
func TestEachFrameComesOnceByTheRingOfItsKind(t *testing.T) {
	if !netns.Alone(t) {
		return
	}
	m := newMover(t, Config{SYNSlots: 256})
	all := kinds(m.l)
	var frames [][]byte
	for _, k := range all {
		frames = append(frames, k.f)
	}
	for round, step := range []func(){
		func() {},
		func() { m.move(t, true) },
		func() { m.finish(t) },
		func() { m.move(t, false) },
		func() { m.move(t, true) },
		func() { m.move(t, false) }, // before the worker has taken over
		func() { m.finish(t) },
	} {
		step()
		wide := m.hook.wide.Load()
		others, syns := m.arrive(t, frames...)
		for _, k := range all {
			want, wrong := others, syns
			if k.syn && !wide {
				want, wrong = syns, others
			}
			if want[string(k.f)] != 1 || wrong[string(k.f)] != 0 {
				t.Errorf("round %d, %s: %d times by the ring it is for, %d times by the other", round, k.law, want[string(k.f)], wrong[string(k.f)])
			}
		}
		if n := len(others) + len(syns); n != len(all) {
			t.Errorf("round %d: %d kinds of frames came, %d were sent", round, n, len(all))
		}
	}
	if s := m.Stats(); s.Missed+s.MissedSYN+s.Truncated != 0 {
		t.Errorf("stats %+v", s)
	}
}

// A SYN comes to the NIC of its flow, by the ring for SYNs, however many there are.
func TestSYNsOfAGroupComeByTheirRing(t *testing.T) {
	if !netns.Alone(t) {
		return
	}
	l := newLab(t)
	c := openIn(t, l.client, l.c0)
	all := kinds(l)
	for workers := 1; workers <= 3; workers++ {
		nics, err := OpenGroup(Config{Interface: l.d0, VIPs: []netip.Addr{labVIP, labVIP6}, SYNSlots: 256}, workers)
		must(t, err)
		var frames [][]byte
		for _, k := range all {
			frames = append(frames, k.f)
		}
		transmit(t, c, l.c0, frames...)
		came, flow, got := map[string]bool{}, map[bool]int{}, 0
		netns.Eventually(t, "all have come", func() bool {
			for i, p := range nics {
				if !p.ready() {
					continue
				}
				b := dataplane.NewBatch()
				must(t, p.Recv(b))
				for j := range b.Packets {
					k := &b.Packets[j]
					came[string(k.Data)] = int(k.Slot) >= p.hook.base
					got++
					if law := slices.IndexFunc(all, func(a kind) bool { return bytes.Equal(a.f, k.Data) }); law >= 0 {
						over6 := k.Data[12] == 0x86
						switch all[law].law {
						case "a SYN", "a SYN over IPv6", "an ACK", "an ACK over IPv6", "a FIN":
							if was, ok := flow[over6]; ok && was != i {
								t.Errorf("%d NICs: %s came to NIC %d, its flow to %d", workers, all[law].law, i, was)
							}
							flow[over6] = i
						}
					}
				}
			}
			return got >= len(all)
		})
		for _, k := range all {
			if syn, ok := came[string(k.f)]; !ok || syn != k.syn {
				t.Errorf("%d NICs: %s: came %v, by the ring for SYNs %v", workers, k.law, ok, syn)
			}
		}
		for _, p := range nics {
			if p.Sockets() != SocketsPerNIC || p.hook.on != (workers == 1) {
				t.Errorf("%d NICs: %d sockets, the hook moves: %v", workers, p.Sockets(), p.hook.on)
			}
			must(t, p.Close())
		}
	}
}

// SYNs that wait in the old ring come out first, and nothing is handed out twice.
func TestSYNsThatWaitSurviveAMove(t *testing.T) {
	if !netns.Alone(t) {
		return
	}
	m := newMover(t, Config{SYNSlots: 512})
	want := 0
	for round := range 3 {
		first := 1000 + 1000*round
		burst(t, m.l, m.client, first, 300)
		netns.Eventually(t, "they wait", m.syns.ring.ready)
		m.move(t, true)
		burst(t, m.l, m.client, first+300, 300)
		m.arriveAll(t, first, 600)
		want += 600
		others, syns := m.arrive(t, synFrom(m.l.c0, m.l.d0.HardwareAddr, 999, "S", false))
		if len(others) != 1 || len(syns) != 0 {
			t.Errorf("round %d: %d frames by the main ring, %d by that for SYNs", round, len(others), len(syns))
		}
		m.finish(t)
		m.move(t, false)
		burst(t, m.l, m.client, first+600, 100)
		m.arriveAll(t, first+600, 100)
		want += 100
	}
	if s := m.Stats(); s.Missed+s.MissedSYN+s.Truncated != 0 || s.Received < uint64(want) {
		t.Errorf("stats %+v", s)
	}
}

// arriveAll reads n SYNs, of client ports from first on, each of which is to come once.
func (m *mover) arriveAll(t testing.TB, first, n int) {
	t.Helper()
	seen := map[int]bool{}
	for len(seen) < n {
		must(t, m.Recv(m.batch))
		for i := range m.batch.Packets {
			port := portOf(m.batch.Packets[i].Data)
			if port < first || port >= first+n || seen[port] {
				t.Fatalf("SYN of port %d: expected %d to %d, seen %v", port, first, first+n-1, seen[port])
			}
			seen[port] = true
		}
	}
}

func TestSocketsInTheKernelsListAreCounted(t *testing.T) {
	if !netns.Alone(t) {
		return
	}
	m := newMover(t, Config{SYNSlots: 64})
	listed := func() (n int) {
		text, err := os.ReadFile("/proc/thread-self/net/packet")
		must(t, err)
		for line := range bytes.Lines(text) {
			var sk, ref, typ, proto, ifindex string
			if _, err := fmt.Sscan(string(line), &sk, &ref, &typ, &proto, &ifindex); err == nil && proto == "0003" && ifindex == fmt.Sprint(m.l.d0.Index) {
				n++
			}
		}
		return n
	}
	for i, c := range []struct {
		step func()
		want int
	}{
		{func() {}, 2},
		{func() { m.move(t, true) }, 2}, // the old one is still there
		{func() { m.arrive(t) }, 2},
		{func() { m.finish(t) }, 1},
		{func() { m.move(t, false) }, 2},
		{func() { m.move(t, true) }, 2},
		{func() { m.move(t, false) }, 3},
		{func() { m.arrive(t); m.finish(t) }, 2},
	} {
		c.step()
		if n := m.Sockets(); n != c.want || listed() != c.want {
			t.Errorf("step %d: %d sockets, the kernel lists %d, want %d", i, n, listed(), c.want)
		}
	}
}

// What found no room is counted for the ring that had none, also in a ring that is gone.
func TestFramesWithoutRoomAreCountedThroughAMove(t *testing.T) {
	if !netns.Alone(t) {
		return
	}
	m := newMover(t, Config{Slots: 200, SYNSlots: 64})
	slots, syns := len(m.ring.offs), len(m.syns.ring.offs)
	burst(t, m.l, m.client, 1024, 500)
	netns.Eventually(t, "the ring for SYNs is full", func() bool { return m.Stats().MissedSYN == uint64(500-syns) })
	burst(t, m.l, m.client, 2024, 100) // counted after the move alone
	m.move(t, true)
	burst(t, m.l, m.client, 3024, 700)
	netns.Eventually(t, "the main ring is full", func() bool { return m.Stats().Missed == uint64(700-slots) })
	for got := 0; got < slots+syns; got += len(m.batch.Packets) {
		must(t, m.Recv(m.batch))
	}
	m.arrive(t)
	m.finish(t)
	if s := m.Stats(); s.Missed != uint64(700-slots) || s.MissedSYN != uint64(600-syns) {
		t.Errorf("stats %+v, want %d and %d SYNs missed", s, 700-slots, 600-syns)
	}
}

// A worker that sleeps beside the old socket would not hear of SYNs that the new one has.
func TestAWorkerThatSleepsTakesOverTheNewSocket(t *testing.T) {
	if !netns.Alone(t) {
		return
	}
	m := newMover(t, Config{SYNSlots: 64, Spin: -1})
	got := make(chan bool)
	worker := func() {
		for {
			if err := m.Recv(m.batch); err != nil {
				got <- false
				return
			}
			for i := range m.batch.Packets {
				if portOf(m.batch.Packets[i].Data) == 999 {
					got <- true
					return
				}
			}
		}
	}
	go worker()
	m.move(t, true)
	m.move(t, false)
	m.finishSoon(t)
	transmit(t, m.client, m.l.c0, synFrom(m.l.c0, m.l.d0.HardwareAddr, 999, "S", false))
	if !<-got {
		t.Error("the worker ended")
	}
}

// finishSoon is finish, for a worker that runs.
func (m *mover) finishSoon(t testing.TB) {
	t.Helper()
	netns.Eventually(t, "the worker takes over the new socket", func() bool { return len(m.hook.retired) > 0 })
	m.finish(t)
}

func TestAddressesChangeWhereverSYNsCome(t *testing.T) {
	if !netns.Alone(t) {
		return
	}
	m := newMover(t, Config{SYNSlots: 64})
	syn := func(over6 bool) []byte { return synFrom(m.l.c0, m.l.d0.HardwareAddr, 999, "S", over6) }
	for _, wide := range []bool{true, false, true, false} {
		m.move(t, wide)
		must(t, m.SetVIPs([]netip.Addr{labVIP}))
		others, syns := m.arrive(t, syn(false), syn(true))
		if len(others)+len(syns) != 1 || wide != (others[string(syn(false))] == 1) {
			t.Errorf("wide %v, one VIP: %d frames by the main ring, %d by that for SYNs", wide, len(others), len(syns))
		}
		must(t, m.SetVIPs([]netip.Addr{labVIP, labVIP6}))
		if others, syns := m.arrive(t, syn(false), syn(true)); len(others)+len(syns) != 2 {
			t.Errorf("wide %v, both VIPs: %d and %d frames", wide, len(others), len(syns))
		}
		if wide {
			m.finish(t)
		}
	}
}

func TestAnInterfaceGoesDownAndUpWhereverSYNsCome(t *testing.T) {
	if !netns.Alone(t) {
		return
	}
	m := newMover(t, Config{SYNSlots: 64})
	up := func() {
		t.Helper()
		setLink(t, "d0", netlink.LinkSetUp)
		awaitUp(t, "d0")
		netns.Eventually(t, "frames pass again", func() bool {
			transmit(t, m.client, m.l.c0, frameTo(m.l.c0, m.l.d0.HardwareAddr, labVIP, 1, 60))
			return m.ring.ready()
		})
		m.read(t, isNumber(1))
	}
	m.move(t, true)
	setLink(t, "d0", netlink.LinkSetDown)
	up()
	for _, wide := range []bool{true, false} {
		if !wide { // the socket returns while the interface is down
			setLink(t, "d0", netlink.LinkSetDown)
			m.move(t, false)
			up()
		}
		f := synFrom(m.l.c0, m.l.d0.HardwareAddr, 999, "S", true)
		others, syns := m.arrive(t, f)
		if others[string(f)]+syns[string(f)] != 1 || wide != (others[string(f)] == 1) {
			t.Errorf("wide %v: %d times by the main ring, %d times by that for SYNs", wide, others[string(f)], syns[string(f)])
		}
	}
}

// A NIC leaves no descriptor behind, whenever it is closed.
func TestCloseLeavesNoSocketBehind(t *testing.T) {
	if !netns.Alone(t) {
		return
	}
	l := newLab(t)
	open := func() int {
		names, err := os.ReadDir("/proc/self/fd")
		must(t, err)
		return len(names)
	}
	before := open()
	b := dataplane.NewBatch()
	for stage := range 4 {
		p, err := Open(Config{Interface: l.d0, SYNSlots: 64})
		must(t, err)
		p.hook.stop()
		if stage > 0 {
			must(t, p.widen())
		}
		if stage > 1 {
			p.Wake()
			must(t, p.Recv(b)) // takes over
		}
		if stage > 2 {
			p.narrow()
		}
		must(t, p.Close())
		must(t, p.Close())
		if n := open(); n > before {
			t.Errorf("stage %d: %d descriptors, %d before", stage, n, before)
		}
	}
}

// A goroutine runs in the program's namespace, wherever the NIC was opened.
func TestANICOfAnotherNamespaceKeepsItsSockets(t *testing.T) {
	if !netns.Alone(t) {
		return
	}
	l := newLab(t)
	p := openIn(t, l.client, l.c0, labVIP)
	p.hook.stop()
	if err := p.widen(); err == nil || p.hook.wide.Load() || p.Sockets() != SocketsPerNIC {
		t.Errorf("%v; wide %v, %d sockets", err, p.hook.wide.Load(), p.Sockets())
	}
}

// The whole way: reports of the worker, moves of the goroutine.
func TestReportsMoveSYNs(t *testing.T) {
	if !netns.Alone(t) {
		return
	}
	l := newLab(t)
	p := open(t, Config{Interface: l.d0, VIPs: []netip.Addr{labVIP, labVIP6}})
	c := openIn(t, l.client, l.c0)
	if p.narrow(); p.hook.wide.Load() || p.Sockets() != SocketsPerNIC {
		t.Error("SYNs that have their ring came to it again")
	}
	netns.Eventually(t, "a heavy load moves SYNs to the main ring", func() bool {
		poke(p.hook.heavy)
		return p.hook.wide.Load()
	})
	m := &mover{NIC: p, l: l, client: c, batch: dataplane.NewBatch()}
	netns.Eventually(t, "the worker takes over and the old socket goes", func() bool {
		m.arrive(t)
		return p.Sockets() == 1
	})
	first := 1024
	netns.Eventually(t, "a flood moves them back", func() bool {
		burst(t, l, c, first, 50)
		m.arrive(t)
		first += 50
		return !p.hook.wide.Load()
	})
	if n := p.Sockets(); n != SocketsPerNIC {
		t.Errorf("%d sockets", n)
	}
	f := synFrom(l.c0, l.d0.HardwareAddr, 999, "S", false)
	if _, syns := m.arrive(t, f); syns[string(f)] != 1 {
		t.Error("the next SYN is not in the ring for SYNs")
	}
}
