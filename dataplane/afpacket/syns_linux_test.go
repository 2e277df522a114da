package afpacket

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"net"
	"net/netip"
	"slices"
	"testing"

	"github.com/vishvananda/netlink"
	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"

	"lvsdr/bench/netns"
	"lvsdr/dataplane"
	"lvsdr/dataplane/frame"
	"lvsdr/dataplane/frame/build"
)

// A pair is a NIC without sockets: two rings that a test fills, with a clock of its own.
type pair struct {
	nic    *NIC
	others *fakeKernel
	syns   *fakeKernel
	now    int64
	sent   int
	pkts   []dataplane.Packet
}

func newPair(t testing.TB, others, syns int) *pair {
	t.Helper()
	r, k := testRing(t, newLayout(others, 178))
	s, ks := testRing(t, newLayout(syns, synMax))
	s.base = len(r.offs) + queueRoom
	p := &pair{nic: &NIC{ring: *r}, others: k, syns: ks, now: 1_700_000_000_123_456_789, pkts: make([]dataplane.Packet, dataplane.MaxBatch)}
	p.nic.syns.ring = *s
	return p
}

// put has the next n frames arrive, in order, in the ring of k.
func (p *pair) put(k *fakeKernel, n int) {
	for range n {
		p.now += 700_000_001
		k.put(wireFrame{data: numbered(p.sent, 60), at: p.now})
		p.sent++
	}
}

// take is the numbers of the frames of the next batch.
func (p *pair) take() []int {
	var all []int
	n := p.nic.take(p.pkts)
	for i := range p.pkts[:n] {
		all = append(all, int(binary.BigEndian.Uint32(p.pkts[i].Data)))
	}
	p.nic.release()
	return all
}

func TestFramesOfBothRingsComeOutInTheOrderOfTheirArrival(t *testing.T) {
	p := newPair(t, 400, 400)
	rng := rand.New(rand.NewPCG(11, 12))
	want := 0
	for range 500 {
		syns := 0
		for range rng.IntN(120) {
			if rng.IntN(2) == 0 && syns < synShare {
				syns++
				p.put(p.syns, 1)
			} else {
				p.put(p.others, 1)
			}
		}
		if ready := p.nic.ready(); ready != (p.sent > want) {
			t.Fatalf("ready is %v with %d frames there", ready, p.sent-want)
		}
		for want < p.sent {
			for _, n := range p.take() {
				if n != want {
					t.Fatalf("frame %d came out before frame %d", n, want)
				}
				want++
			}
		}
	}
	if p.others.drop+p.syns.drop != 0 {
		t.Error("frames found no room")
	}
}

// The definition of what a batch has, for frames that came in any order.
func TestNoFrameIsLostWhateverTheRings(t *testing.T) {
	rng := rand.New(rand.NewPCG(13, 14))
	p := newPair(t, 600, 600)
	seen := map[int]bool{}
	waiting := [2]int{}
	for range 400 {
		for i, k := range []*fakeKernel{p.others, p.syns} {
			n := rng.IntN(200) * rng.IntN(2)
			n = min(n, 600-waiting[i])
			p.put(k, n)
			waiting[i] += n
		}
		others, syns, pressed := waiting[0], waiting[1], p.nic.ring.pressed()
		n := p.nic.take(p.pkts)
		taken := [2]int{}
		for i := range p.pkts[:n] {
			k := &p.pkts[i]
			number := int(binary.BigEndian.Uint32(k.Data))
			if seen[number] {
				t.Fatalf("frame %d came out twice", number)
			}
			seen[number] = true
			if m := p.nic.message(k); m == nil || !bytes.Equal(m[vnetLen:], k.Data) {
				t.Fatalf("frame %d in slot %d cannot be sent", number, k.Slot)
			}
			if int(k.Slot) >= p.nic.syns.ring.base {
				taken[1]++
			} else {
				taken[0]++
			}
		}
		p.nic.release()
		waiting[0] -= taken[0]
		waiting[1] -= taken[1]
		share := synShare
		if pressed {
			share = 0
		}
		if n < min(others+min(syns, share), dataplane.MaxBatch) {
			t.Fatalf("%d frames of %d and %d", n, others, syns)
		}
		if taken[1] > share {
			t.Fatalf("%d SYNs with %d other frames", taken[1], taken[0])
		}
	}
	for len(seen) < p.sent {
		for _, n := range p.take() {
			seen[n] = true
		}
	}
}

func TestAFloodOfSYNsDoesNotHoldUpOtherFrames(t *testing.T) {
	p := newPair(t, 600, 2000)
	p.put(p.syns, 3000)
	last := p.sent
	p.put(p.others, 100)
	others, syns := 0, 0
	for _, n := range p.take() {
		if n >= last {
			others++
		} else {
			syns++
		}
	}
	if others != 100 || syns != synShare {
		t.Errorf("the first batch has %d other frames of 100 and %d SYNs", others, syns)
	}
	if p.others.drop != 0 || p.syns.drop != 3000-len(p.nic.syns.ring.offs) {
		t.Errorf("%d SYNs and %d other frames found no room", p.syns.drop, p.others.drop)
	}
	p.put(p.others, 100)
	p.put(p.syns, 1)
	syns = 0
	for _, n := range p.take()[:synShare] {
		if n < last {
			syns++
		}
	}
	if syns != synShare {
		t.Errorf("%d SYNs are first, which came first; want %d", syns, synShare)
	}
}

func TestSYNsWaitWhileTheOtherRingIsPressed(t *testing.T) {
	p := newPair(t, 400, 400)
	p.put(p.syns, 10)
	p.put(p.others, 380)
	if got := p.take(); len(got) != dataplane.MaxBatch || got[0] != 10 {
		t.Errorf("%d frames, the first of them %d", len(got), got[0])
	}
	if got := p.take(); len(got) != 124 {
		t.Errorf("%d frames, want the other 124", len(got))
	}
	if got := p.take(); len(got) != 10 {
		t.Errorf("%d frames, want the SYNs", len(got))
	}
}

func TestASYNThatTheKernelHasCutIsCountedAsTruncated(t *testing.T) {
	p := newPair(t, 10, 10)
	p.syns.put(wireFrame{data: numbered(1, 60), length: 400})
	p.syns.put(wireFrame{data: numbered(2, 60), length: 400, status: statusCopy})
	p.syns.put(wireFrame{data: numbered(3, 60)})
	if got := p.take(); len(got) != 1 || got[0] != 3 || p.nic.truncated.Load() != 2 {
		t.Errorf("frames %v, %d truncated", got, p.nic.truncated.Load())
	}
}

func TestTakingFromBothRingsAllocatesNothing(t *testing.T) {
	p := newPair(t, 600, 600)
	frame := wireFrame{data: numbered(1, 60)}
	if n := testing.AllocsPerRun(100, func() {
		for range 50 {
			frame.at++
			p.syns.put(frame)
			p.others.put(frame)
		}
		if n := p.nic.take(p.pkts); n != 100 {
			t.Fatal(n)
		}
		p.nic.release()
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// synFrom is a SYN of client port port from ifi to MAC dst, or with other flags.
func synFrom(ifi *net.Interface, dst net.HardwareAddr, port uint16, flags string, over6 bool) []byte {
	src, vip := labClient, labVIP
	if over6 {
		src, vip = labClient6, labVIP6
	}
	return build.TCP{Src: netip.AddrPortFrom(src, port), Dst: netip.AddrPortFrom(vip, 80), Flags: flags,
		IP: build.IP{SrcMAC: frame.MAC(ifi.HardwareAddr), DstMAC: frame.MAC(dst)}}.Bytes()
}

// portOf is the client's port of a frame of synFrom.
func portOf(f []byte) int {
	at := 34
	if f[12] == 0x86 {
		at = 54
	}
	return int(binary.BigEndian.Uint16(f[at:]))
}

// burst sends n SYNs, over both families, from client port first on.
func burst(t testing.TB, l *lab, from *NIC, first, n int) {
	t.Helper()
	var frames [][]byte
	for i := range n {
		frames = append(frames, synFrom(l.c0, l.d0.HardwareAddr, uint16(first+i), "S", i%2 == 1))
	}
	transmit(t, from, l.c0, frames...)
}

// 10 000 SYNs are what the guide says a burst may be, docs/operations.md.
func TestABurstOf10000SYNsFindsRoomWhileTheWorkerStandsStill(t *testing.T) {
	if !netns.Alone(t) {
		return
	}
	l := newLab(t)
	p := open(t, Config{Interface: l.d0, VIPs: []netip.Addr{labVIP, labVIP6}})
	c := openIn(t, l.client, l.c0)
	const n = 10_000
	r := &p.syns.ring
	for sent := 0; sent < n; sent += 500 { // the kernel has room for 1000 before its sockets
		burst(t, l, c, 1024+sent, 500)
		netns.Eventually(t, "they are in the ring", func() bool {
			return readShared(r.mem, r.offs[sent+499]+slotStatus)&statusUser != 0
		})
	}
	transmit(t, c, l.c0, frameTo(l.c0, l.d0.HardwareAddr, labVIP, 77, 60))
	netns.Eventually(t, "another frame finds room beside them", p.ring.ready)
	seen := map[int]bool{}
	b := dataplane.NewBatch()
	for len(seen) < n {
		if err := p.Recv(b); err != nil {
			t.Fatal(err)
		}
		for i := range b.Packets {
			if f := b.Packets[i].Data; numberOf(f) != 77 {
				seen[portOf(f)] = true
			}
		}
	}
	if s := p.Stats(); s.Missed != 0 || s.MissedSYN != 0 || s.Truncated != 0 || s.Received < n {
		t.Errorf("stats %+v", s)
	}
}

// What is lost in a flood of SYNs is SYNs, and it is counted apart.
func TestSYNsWithoutRoomTakeNoneFromOtherFrames(t *testing.T) {
	if !netns.Alone(t) {
		return
	}
	l := newLab(t)
	p := open(t, Config{Interface: l.d0, VIPs: []netip.Addr{labVIP, labVIP6}, SYNSlots: 64})
	c := openIn(t, l.client, l.c0)
	burst(t, l, c, 1024, 800)
	var frames [][]byte
	for i := range 100 {
		frames = append(frames, synFrom(l.c0, l.d0.HardwareAddr, uint16(5000+i), "A", i%2 == 0))
	}
	transmit(t, c, l.c0, frames...)
	netns.Eventually(t, "the kernel counts what found no slot", func() bool { return p.Stats().MissedSYN == 800-64 })
	acks := 0
	collect(t, p, dataplane.NewBatch(), func(f []byte) bool {
		if portOf(f) >= 5000 {
			acks++
		}
		return acks == 100
	})
	if s := p.Stats(); s.Missed != 0 || s.Received != 164 || s.MissedSYN != 800-64 {
		t.Errorf("stats %+v", s)
	}
}

func TestASYNIsSentFromWhereItLies(t *testing.T) {
	if !netns.Alone(t) {
		return
	}
	l := newLab(t)
	p := open(t, Config{Interface: l.d0, VIPs: []netip.Addr{labVIP, labVIP6}, SYNSlots: 64})
	c := openIn(t, l.client, l.c0)
	var server *NIC
	within(t, l.server, func() {
		server = open(t, Config{Interface: l.s0, VIPs: []netip.Addr{labVIP, labVIP6}})
	})
	b, out := dataplane.NewBatch(), dataplane.NewBatch()
	for i := range 100 { // round the ring
		f := synFrom(l.c0, l.d0.HardwareAddr, uint16(4000+i), "S", i%2 == 0)
		transmit(t, c, l.c0, f)
		if err := p.Recv(b); err != nil || len(b.Packets) != 1 {
			t.Fatalf("%d frames, %v", len(b.Packets), err)
		}
		rewrite(b, l.d1, l.s0.HardwareAddr)
		if err := p.Send(b); err != nil {
			t.Fatal(err)
		}
		if got := collect(t, server, out, func([]byte) bool { return true }); len(got) != 1 || !bytes.Equal(got[0][12:], f[12:]) {
			t.Fatalf("SYN %d came as % x", i, got)
		}
	}
	if s := p.Stats(); s.Sent != 100 || s.SendError != 0 {
		t.Errorf("stats %+v", s)
	}
}

// A worker has a part of the connection table of its own: all of a connection must come
// to it.
func TestASYNComesToTheNICOfItsConnection(t *testing.T) {
	if !netns.Alone(t) {
		return
	}
	l := newLab(t)
	nics, err := OpenGroup(Config{Interface: l.d0, VIPs: []netip.Addr{labVIP, labVIP6}, SYNSlots: 256}, 3)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		for _, p := range nics {
			must(t, p.Close())
		}
	}()
	c := openIn(t, l.client, l.c0)
	const flows = 100
	for round := range 2 {
		if round == 1 { // the kernel puts the groups together anew
			setLink(t, "d0", netlink.LinkSetDown)
			setLink(t, "d0", netlink.LinkSetUp)
			netns.Eventually(t, "frames pass again", func() bool {
				transmit(t, c, l.c0, frameTo(l.c0, l.d0.HardwareAddr, labVIP, 1, 60))
				return slices.ContainsFunc(nics, (*NIC).ready)
			})
		}
		owner := map[int]int{}
		for _, flags := range []string{"S", "A", "S"} {
			var frames [][]byte
			for i := range flows {
				frames = append(frames, synFrom(l.c0, l.d0.HardwareAddr, uint16(4000+i), flags, i%2 == 0))
			}
			transmit(t, c, l.c0, frames...)
			got := 0
			netns.Eventually(t, "all have arrived", func() bool {
				for i, p := range nics {
					b := dataplane.NewBatch()
					if !p.ready() {
						continue
					}
					must(t, p.Recv(b))
					for j := range b.Packets {
						if numberOf(b.Packets[j].Data) == 1 {
							continue
						}
						got++
						port := portOf(b.Packets[j].Data)
						if was, ok := owner[port]; ok && was != i {
							t.Errorf("round %d: %s of port %d came to NIC %d, earlier frames to %d", round, flags, port, i, was)
						}
						owner[port] = i
					}
				}
				return got == flows
			})
		}
	}
}

func TestBothSocketsOrNoneHaveNewAddresses(t *testing.T) {
	if !netns.Alone(t) {
		return
	}
	l := newLab(t)
	p := open(t, Config{Interface: l.d0, VIPs: []netip.Addr{labVIP}})
	c := openIn(t, l.client, l.c0)
	none, err := newFilters(nil, backward{}, false, arrival{})
	must(t, err)
	none.syns = []bpf.RawInstruction{{Op: 0xffff}}
	p.mu.Lock()
	err = p.attach(none)
	p.mu.Unlock()
	if err == nil {
		t.Fatal("the kernel took a filter that is none")
	}
	transmit(t, c, l.c0, frameTo(l.c0, l.d0.HardwareAddr, labVIP, 5, 60))
	collect(t, p, dataplane.NewBatch(), isNumber(5))
	must(t, p.SetVIPs([]netip.Addr{labServer}))
	burst(t, l, c, 1024, 10)
	must(t, p.SetVIPs([]netip.Addr{labVIP, labVIP6}))
	transmit(t, c, l.c0, synFrom(l.c0, l.d0.HardwareAddr, 999, "S", true))
	if got := collect(t, p, dataplane.NewBatch(), func(f []byte) bool { return portOf(f) == 999 }); len(got) != 1 {
		t.Errorf("%d frames, want the SYN to the new address alone", len(got))
	}
}

func TestSlotsForSYNsAreBounded(t *testing.T) {
	for _, n := range []int{-1, maxSlots + 1} {
		if _, err := Open(Config{Interface: &net.Interface{Index: 1, Name: "eth7"}, SYNSlots: n}); err == nil {
			t.Errorf("%d slots for SYNs were accepted", n)
		}
	}
}

func TestSYNsJoinTheNextGroup(t *testing.T) {
	if !netns.Alone(t) {
		return
	}
	l := newLab(t)
	p := open(t, Config{Interface: l.d0, Fanout: 77, Slots: 1, SYNSlots: 1})
	for fd, want := range map[int]int{p.fd: 77, p.syns.fd: 78} {
		if v, err := unix.GetsockoptInt(fd, unix.SOL_PACKET, unix.PACKET_FANOUT); err != nil || v&0xffff != want {
			t.Errorf("group %#x, %v, want %d", v, err, want)
		}
	}
}
