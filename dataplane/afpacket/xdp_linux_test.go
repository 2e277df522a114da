package afpacket

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"net/netip"
	"testing"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"lvsdr/bench/netns"
	"lvsdr/dataplane"
)

// A pass sends numbered frames from the client, and the NIC forwards them, in
// one batch, to the server.
type pass struct {
	*lab
	p, client, server *NIC
	b                 *dataplane.Batch
	number            int
}

func newPass(t *testing.T, cfg Config) *pass {
	l := newLab(t)
	if err := ProbeXDP(); err != nil {
		t.Skipf("needs AF_XDP sockets: %v", err)
	}
	cfg.Interface, cfg.VIPs = l.d0, []netip.Addr{labVIP}
	x := &pass{lab: l, p: open(t, cfg), client: openIn(t, l.client, l.c0), b: dataplane.NewBatch()}
	within(t, l.server, func() { x.server = open(t, Config{Interface: l.s0, VIPs: []netip.Addr{labVIP}}) })
	return x
}

// receive has n frames received in one batch, ready to be forwarded.
func (x *pass) receive(t *testing.T, n, size int) {
	t.Helper()
	var frames [][]byte
	for range n {
		frames = append(frames, frameTo(x.c0, x.d0.HardwareAddr, labVIP, x.number, size))
		x.number++
	}
	transmit(t, x.client, x.c0, frames...)
	netns.Eventually(t, "all frames are in the ring", func() bool {
		r := &x.p.ring
		return readShared(r.mem, r.offs[(r.next+n-1)%len(r.offs)]+slotStatus)&statusUser != 0
	})
	if err := x.p.Recv(x.b); err != nil || len(x.b.Packets) != n {
		t.Fatalf("%d of %d frames in a batch, %v", len(x.b.Packets), n, err)
	}
	rewrite(x.b, x.d1, x.s0.HardwareAddr)
}

// arrive expects the last n frames at the server, in their order.
func (x *pass) arrive(t *testing.T, n, size int) {
	t.Helper()
	got := collect(t, x.server, dataplane.NewBatch(), isNumber(x.number-1))
	if len(got) != n {
		t.Fatalf("%d of %d frames arrived", len(got), n)
	}
	for i, f := range got {
		want := frameTo(x.c0, x.d0.HardwareAddr, labVIP, x.number-n+i, size)
		if !bytes.Equal(f[macsLen:], want[macsLen:]) || !bytes.Equal(f[:6], x.s0.HardwareAddr) {
			t.Fatalf("frame %d came as % x", i, f)
		}
	}
}

func TestWhatGoesByXDP(t *testing.T) {
	t.Parallel()
	const full = 4 * xdpLeast
	for _, c := range []struct {
		name   string
		frames int
		size   int
		xdp    bool
		change func(x *pass)
		want   uint64
	}{
		{"a full batch", full, 60, true, nil, full},
		{"a full batch of long frames", full, 1500, true, nil, full},
		{"as few as are worth it", xdpLeast, 60, true, nil, xdpLeast},
		{"fewer", xdpLeast - 1, 60, true, nil, 0},
		{"when it is not asked for", full, 60, false, nil, 0},
		{"when somebody captures", full, 60, true, func(x *pass) { x.p.SetVisible(true) }, 0},
		{"when nobody does any more", full, 60, true, func(x *pass) { x.p.SetVisible(true); x.p.SetVisible(false) }, full},
		{"not if one is unfinished", full, 60, true, func(x *pass) {
			head := x.p.message(&x.b.Packets[full-1])
			head[vnetFlags] |= vnetNeedsCsum
			binary.NativeEndian.PutUint16(head[vnetCsumStart:], 34)
			binary.NativeEndian.PutUint16(head[vnetCsumStart+2:], 6)
		}, 0},
		{"nor if one is dropped", full, 60, true, func(x *pass) {
			x.b.Packets[0].Verdict = dataplane.Drop
		}, full - 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			if !netns.Alone(t) {
				return
			}
			x := newPass(t, Config{XDP: c.xdp})
			x.receive(t, c.frames, c.size)
			if c.change != nil {
				c.change(x)
			}
			if err := x.p.Send(x.b); err != nil {
				t.Fatal(err)
			}
			sent := uint64(c.frames)
			for i := range x.b.Packets {
				if x.b.Packets[i].Verdict == dataplane.Drop {
					sent--
				}
			}
			if s := x.p.Stats(); s.SentXDP != c.want || s.Sent != sent || s.SendFull+s.SendError != 0 {
				t.Errorf("stats %+v, want %d sent, %d of them by AF_XDP", s, sent, c.want)
			}
			x.arrive(t, int(sent), c.size)
		})
	}
}

func TestFramesByXDPArriveInOrderAndPlacesAreUsedAgain(t *testing.T) {
	if !netns.Alone(t) {
		return
	}
	x := newPass(t, Config{XDP: true})
	const n = 100
	for range 3*xdpSlots/n + 1 {
		x.receive(t, n, 300)
		if err := x.p.Send(x.b); err != nil {
			t.Fatal(err)
		}
		x.arrive(t, n, 300)
	}
	if s := x.p.Stats(); s.SentXDP != s.Received || s.Sent != s.Received {
		t.Errorf("stats %+v", s)
	}
}

func TestFramesThatLeaveTwoWaysKeepToTheSocket(t *testing.T) {
	if !netns.Alone(t) {
		return
	}
	x := newPass(t, Config{XDP: true})
	x.receive(t, 20, 60)
	x.b.Packets[3].Out = int32(x.d0.Index)
	if err := x.p.Send(x.b); err != nil {
		t.Fatal(err)
	}
	if s := x.p.Stats(); s.SentXDP != 0 || s.Sent != 20 {
		t.Errorf("stats %+v", s)
	}
}

func TestFramesLongerThanAPlaceKeepToTheSocket(t *testing.T) {
	if !netns.Alone(t) {
		return
	}
	x := newPass(t, Config{XDP: true})
	for _, name := range []string{"d0", "d1"} {
		setLink(t, name, func(l netlink.Link) error { return netlink.LinkSetMTU(l, 3000) })
	}
	within(t, x.lab.client, func() { setLink(t, "c0", func(l netlink.Link) error { return netlink.LinkSetMTU(l, 3000) }) })
	within(t, x.lab.server, func() { setLink(t, "s0", func(l netlink.Link) error { return netlink.LinkSetMTU(l, 3000) }) })
	for _, size := range []int{xdpFrame, xdpFrame + 1} {
		x.receive(t, 20, size)
		if err := x.p.Send(x.b); err != nil {
			t.Fatal(err)
		}
		x.arrive(t, 20, size)
	}
	if s := x.p.Stats(); s.SentXDP != 20 || s.Sent != 40 {
		t.Errorf("stats %+v", s)
	}
}

// A veth interface has one queue, and one socket sends by it.
func TestWithoutAQueueOfItsOwnAPortSendsAsEver(t *testing.T) {
	if !netns.Alone(t) {
		return
	}
	x := newPass(t, Config{XDP: true})
	x.receive(t, 20, 60)
	if err := x.p.Send(x.b); err != nil {
		t.Fatal(err)
	}
	x.arrive(t, 20, 60)
	if err := x.p.SetVIPs(nil); err != nil {
		t.Fatal(err)
	}
	first := x.p
	x.p = open(t, Config{Interface: x.d0, VIPs: []netip.Addr{labVIP}, XDP: true})
	x.receive(t, 20, 60)
	if err := x.p.Send(x.b); err != nil {
		t.Fatal(err)
	}
	x.arrive(t, 20, 60)
	if one, two := first.Stats(), x.p.Stats(); one.SentXDP != 20 || two.SentXDP != 0 || two.Sent != 20 {
		t.Errorf("stats %+v, %+v", one, two)
	}
	if first.XDPError() != nil || x.p.XDPError() == nil {
		t.Errorf("errors: %v, %v", first.XDPError(), x.p.XDPError())
	}
}

func TestXDPEndsWithTheInterfaceAndBeginsAgain(t *testing.T) {
	if !netns.Alone(t) {
		return
	}
	x := newPass(t, Config{XDP: true})
	send := func() {
		t.Helper()
		x.receive(t, 20, 60)
		if err := x.p.Send(x.b); err != nil {
			t.Fatal(err)
		}
	}
	send()
	x.arrive(t, 20, 60)
	setLink(t, "d1", netlink.LinkSetDown)
	send()
	if s := x.p.Stats(); s.SentXDP != 20 || s.Sent != 20 || s.SendError != 20 {
		t.Fatalf("stats %+v while the interface is down", s)
	}
	setLink(t, "d1", netlink.LinkSetUp)
	awaitUp(t, "d1")
	send()
	x.arrive(t, 20, 60)
	if s := x.p.Stats(); s.SentXDP != 20 || s.Sent != 40 {
		t.Fatalf("stats %+v after the interface came up", s)
	}
	netns.Eventually(t, "a batch goes by AF_XDP again", func() bool { // the kernel frees the queue some time after
		x.p.SetVisible(false)
		send()
		x.arrive(t, 20, 60)
		return x.p.Stats().SentXDP == 40
	})
	if s := x.p.Stats(); s.SendError != 20 || s.Sent != s.Received-20 {
		t.Fatalf("stats %+v at the end", s)
	}
}

// A kernel takes frames from an xdp's ring as it likes: some at a time, dropping
// one for want of room now and then, and gives their places back late.
type kernel struct {
	t       *testing.T
	x       *xdp
	rnd     *rand.Rand
	holds   []uint64 // places of frames on their way
	sent    []uint32 // by number
	dropped int
}

func newKernel(t *testing.T, seed uint64) *kernel {
	ring := func(entry int) xdpRing {
		return xdpRing{mem: make([]byte, 16+xdpSlots*entry), consumed: 4, entries: 16}
	}
	k := &kernel{t: t, rnd: rand.New(rand.NewPCG(seed, 1))}
	k.x = &xdp{call: k.call, umem: make([]byte, xdpSlots*xdpFrame), tx: ring(xdpDesc), done: ring(xdpAddr)}
	start := k.rnd.Uint32() // so that positions wrap
	for _, r := range []xdpRing{k.x.tx, k.x.done} {
		writeShared(r.mem, r.produced, start)
		writeShared(r.mem, r.consumed, start)
	}
	for i := range uint64(xdpSlots) {
		k.x.free = append(k.x.free, i*xdpFrame)
	}
	return k
}

// call is the system call.
func (k *kernel) call(int) unix.Errno {
	tx := k.x.tx
	for range k.rnd.IntN(40) {
		at := readShared(tx.mem, tx.consumed)
		if at == readShared(tx.mem, tx.produced) {
			return 0
		}
		e := tx.entry(at, xdpDesc)
		place, size := binary.NativeEndian.Uint64(e), binary.NativeEndian.Uint32(e[8:])
		if size != 60 || binary.NativeEndian.Uint32(e[12:]) != 0 {
			k.t.Fatalf("a frame of %d bytes, options %x", size, e[12:])
		}
		writeShared(tx.mem, tx.consumed, at+1)
		k.holds = append(k.holds, place)
		if k.rnd.IntN(100) == 0 {
			k.dropped++
			return unix.EBUSY
		}
		k.sent = append(k.sent, binary.NativeEndian.Uint32(k.x.umem[place:]))
	}
	return []unix.Errno{0, unix.EAGAIN, unix.ENOBUFS, unix.EINTR}[k.rnd.IntN(4)]
}

// finish gives some places back.
func (k *kernel) finish() {
	done := k.x.done
	k.rnd.Shuffle(len(k.holds), func(i, j int) { k.holds[i], k.holds[j] = k.holds[j], k.holds[i] })
	for range k.rnd.IntN(len(k.holds) + 1) {
		at := readShared(done.mem, done.produced)
		binary.NativeEndian.PutUint64(done.entry(at, xdpAddr), k.holds[0])
		k.holds = k.holds[1:]
		writeShared(done.mem, done.produced, at+1)
	}
}

// Whatever the kernel takes and when: every frame is sent once, in order, as it
// was, or dropped and counted; and no place is in two hands.
func TestXDPRingsAgainstAKernelThatTakesWhatItLikes(t *testing.T) {
	for seed := range uint64(20) {
		k := newKernel(t, seed)
		var sent, dropped int
		var number uint32
		frame := make([]byte, 60)
		for range 300 {
			k.x.reclaim()
			n := 0
			for range k.rnd.IntN(256) {
				binary.NativeEndian.PutUint32(frame, number+uint32(n))
				if k.x.pending > 0 || !k.x.put(n, frame) {
					break
				}
				n++
			}
			if n > 0 {
				k.x.commit(n)
				number += uint32(n)
			}
			s, d, _ := k.x.kick()
			sent, dropped = sent+s, dropped+d
			k.finish()
			if len(k.x.free)+k.x.pending+len(k.holds) > xdpSlots {
				t.Fatalf("seed %d: %d places free, %d pending, %d with the kernel", seed, len(k.x.free), k.x.pending, len(k.holds))
			}
		}
		if sent != len(k.sent) || dropped != k.dropped || sent+dropped+k.x.pending != int(number) || sent < 1000 {
			t.Fatalf("seed %d: said %d sent and %d dropped of %d, %d pending; were %d and %d", seed, sent, dropped, number, k.x.pending, len(k.sent), k.dropped)
		}
		for i := 1; i < len(k.sent); i++ {
			if k.sent[i] <= k.sent[i-1] {
				t.Fatalf("seed %d: frame %d after %d", seed, k.sent[i], k.sent[i-1])
			}
		}
	}
}
