package afpacket

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"net"
	"testing"

	"lvsdr/dataplane"
)

// A fakeKernel fills slots as tpacket_rcv in net/packet/af_packet.c does.
type fakeKernel struct {
	mem  []byte
	l    layout
	head int // the slot to fill next
	drop int // frames that found no free slot
}

// A wireFrame is a frame as the kernel has it.
type wireFrame struct {
	data   []byte
	vnet   [vnetLen]byte
	status uint32 // beside statusUser
	tci    uint16
	tpid   uint16
	length int   // of the frame on the wire if longer than the slot; 0: len(data)
	at     int64 // when it came, ns
}

func (k *fakeKernel) slot() int {
	per := k.l.blockSize / k.l.slotSize
	return k.head/per*k.l.blockSize + k.head%per*k.l.slotSize
}

func (k *fakeKernel) put(f wireFrame) {
	off := k.slot()
	if readShared(k.mem, off) != statusKernel {
		k.drop++
		return
	}
	s := k.mem[off:][:k.l.slotSize]
	snap := min(len(f.data), len(s)-frameOff)
	length := max(f.length, len(f.data))
	binary.NativeEndian.PutUint32(s[slotLen:], uint32(length))
	binary.NativeEndian.PutUint32(s[slotSnaplen:], uint32(snap))
	binary.NativeEndian.PutUint16(s[slotMAC:], frameOff)
	binary.NativeEndian.PutUint32(s[slotSec:], uint32(f.at/1e9))
	binary.NativeEndian.PutUint32(s[slotNsec:], uint32(f.at%1e9))
	binary.NativeEndian.PutUint16(s[slotVLANTCI:], f.tci)
	binary.NativeEndian.PutUint16(s[slotVLANTPID:], f.tpid)
	copy(s[frameOff-vnetLen:], f.vnet[:])
	copy(s[frameOff:], f.data[:snap])
	writeShared(k.mem, off, statusUser|f.status)
	k.head = (k.head + 1) % k.l.slots()
}

func testRing(t testing.TB, l layout) (*ring, *fakeKernel) {
	t.Helper()
	mem := make([]byte, l.bytes())
	r, err := newRing(mem, l)
	if err != nil {
		t.Fatal(err)
	}
	return &r, &fakeKernel{mem: mem, l: l}
}

// smallLayout has 3 slots in a block and 4 blocks.
var smallLayout = layout{slotSize: 320, blockSize: 1024, blocks: 4}

func numbered(n, size int) []byte {
	f := make([]byte, size)
	binary.BigEndian.PutUint32(f, uint32(n))
	for i := 4; i < size; i++ {
		f[i] = byte(n + i)
	}
	return f
}

func TestEveryFrameComesOutOnceInOrderWhateverTheBatches(t *testing.T) {
	r, k := testRing(t, smallLayout)
	rng := rand.New(rand.NewPCG(1, 2))
	pkts := make([]dataplane.Packet, 8)
	put, got := 0, 0
	for got < 2000 {
		for free := 12 - (put - got); free > 0 && rng.IntN(4) > 0; free-- {
			k.put(wireFrame{data: numbered(put, 14+rng.IntN(150))})
			put++
		}
		if want := put > got; r.ready() != want {
			t.Fatalf("ready is %v with %d frames there", r.ready(), put-got)
		}
		taken := r.take(pkts[:1+rng.IntN(8)], queueRoom, always)
		if taken.cut != 0 || taken.queued != 0 {
			t.Fatalf("%+v", taken)
		}
		for i := range pkts[:taken.n] {
			if d := pkts[i].Data; !bytes.Equal(d, numbered(got, len(d))) {
				t.Fatalf("frame %d is % x", got, d)
			}
			got++
		}
		r.release()
	}
	if k.drop != 0 {
		t.Fatalf("%d frames found no slot though 12 were never there", k.drop)
	}
}

// However the ring is filled and emptied, it is pressed when more than a quarter of its
// slots wait.
func TestARingIsPressedWhenMoreThanAQuarterOfItWaits(t *testing.T) {
	for _, l := range []layout{smallLayout, {slotSize: 320, blockSize: 1024, blocks: 32}} {
		r, k := testRing(t, l)
		rng := rand.New(rand.NewPCG(3, uint64(l.blocks)))
		waiting, seen := 0, map[bool]int{}
		for range 5000 {
			for range rng.IntN(l.slots()/3 + 1) {
				before := k.drop
				if k.put(wireFrame{data: numbered(1, 60)}); k.drop == before {
					waiting++
				}
			}
			pkts := make([]dataplane.Packet, rng.IntN(l.slots()/3+1))
			waiting -= r.take(pkts, 1, always).n
			want := waiting > l.slots()/4
			if got := r.pressed(); got != want {
				t.Fatalf("%d of %d slots wait: pressed %v", waiting, l.slots(), got)
			}
			seen[want]++
			r.release()
		}
		if seen[true] < 100 || seen[false] < 100 {
			t.Errorf("pressed %v: the test tries too little", seen)
		}
	}
}

func TestAHeldSlotIsNotHandedOutTwiceNorOverwritten(t *testing.T) {
	r, k := testRing(t, smallLayout)
	for i := range 15 {
		k.put(wireFrame{data: numbered(i, 60)})
	}
	pkts := make([]dataplane.Packet, 32)
	if got := r.take(pkts, queueRoom, always); got.n != 12 || k.drop != 3 {
		t.Fatalf("took %d and %d found no slot, want 12 and 3", got.n, k.drop)
	}
	if got := r.take(pkts[12:], queueRoom, always); got.n != 0 || r.ready() {
		t.Fatalf("%d held slots handed out again", got.n)
	}
	k.put(wireFrame{data: numbered(99, 60)})
	for i := range 12 {
		if !bytes.Equal(pkts[i].Data, numbered(i, 60)) {
			t.Fatalf("held frame %d was overwritten", i)
		}
	}
	r.release()
	k.put(wireFrame{data: numbered(100, 60)})
	if got := r.take(pkts, queueRoom, always); got.n != 1 || !bytes.Equal(pkts[0].Data, numbered(100, 60)) {
		t.Fatalf("after release: %d frames", got.n)
	}
}

func TestVnetHeaderTellsOffloads(t *testing.T) {
	le := binary.NativeEndian
	gso := func(flags, typ byte, size uint16) (h [vnetLen]byte) {
		h[vnetFlags], h[vnetGSOType] = flags, typ
		le.PutUint16(h[vnetGSOSize:], size)
		return h
	}
	cases := []struct {
		name    string
		vnet    [vnetLen]byte
		partial bool
		size    uint16
	}{
		{"a plain frame has a checksum to be checked", gso(0, 0, 0), false, 0},
		{"an unfinished checksum is partial", gso(vnetNeedsCsum, 0, 0), true, 0},
		{"a verified checksum is partial", gso(vnetDataValid, 0, 0), true, 0},
		{"a TCPv4 super-frame has a segment size", gso(vnetNeedsCsum, 1, 1448), true, 1448},
		{"a TCPv4 super-frame with ECN too", gso(vnetNeedsCsum, 0x81, 1448), true, 1448},
		{"a segment size without a type means nothing", gso(0, 0, 77), false, 0},
	}
	r, k := testRing(t, smallLayout)
	pkts := make([]dataplane.Packet, 1)
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			k.put(wireFrame{data: numbered(1, 80), vnet: c.vnet})
			pkts[0] = dataplane.Packet{Partial: !c.partial, GSOSize: 9, Mark: 8, Out: 7, Verdict: dataplane.Forward}
			if n := r.take(pkts, queueRoom, always).n; n != 1 {
				t.Fatal("no frame")
			}
			p := &pkts[0]
			if p.Partial != c.partial || p.GSOSize != c.size {
				t.Errorf("partial %v size %d", p.Partial, p.GSOSize)
			}
			if p.Mark != 0 || p.Out != 0 || p.Verdict != dataplane.Drop {
				t.Errorf("something of the packet before is left: %+v", p)
			}
			if m := r.message(p); !bytes.Equal(m, append(c.vnet[:], p.Data...)) {
				t.Errorf("message % x", m)
			}
			r.release()
		})
	}
}

func TestStrippedTagIsPutBackInBand(t *testing.T) {
	le := binary.NativeEndian
	for _, c := range []struct {
		name   string
		status uint32
		tpid   uint16
		want   uint16
	}{
		{"with the protocol the kernel names", statusVLANValid | statusVLANTPIDValid, 0x88a8, 0x88a8},
		{"as 802.1Q if it names none", statusVLANValid, 0x1234, 0x8100},
	} {
		t.Run(c.name, func(t *testing.T) {
			r, k := testRing(t, smallLayout)
			f := wireFrame{data: numbered(3, 100), status: c.status, tpid: c.tpid, tci: 0x6064}
			f.vnet[vnetFlags], f.vnet[vnetGSOType] = vnetNeedsCsum, 1
			le.PutUint16(f.vnet[vnetCsumStart:], 34)
			le.PutUint16(f.vnet[vnetCsumStart+2:], 16)
			le.PutUint16(f.vnet[vnetHdrLen:], 66)
			le.PutUint16(f.vnet[vnetGSOSize:], 1448)
			k.put(f)
			k.put(wireFrame{data: f.data, tci: 0x6064}) // no tag: tci means nothing
			pkts := make([]dataplane.Packet, 2)
			if got := r.take(pkts, queueRoom, always); got.n != 2 {
				t.Fatalf("%d frames", got.n)
			}
			tag := []byte{byte(c.want >> 8), byte(c.want), 0x60, 0x64}
			want := append(append(bytes.Clone(f.data[:12]), tag...), f.data[12:]...)
			if !bytes.Equal(pkts[0].Data, want) {
				t.Errorf("tagged frame is\n% x, want\n% x", pkts[0].Data, want)
			}
			h := r.message(&pkts[0])[:vnetLen]
			if le.Uint16(h[vnetCsumStart:]) != 38 || le.Uint16(h[vnetHdrLen:]) != 70 ||
				le.Uint16(h[vnetCsumStart+2:]) != 16 || pkts[0].GSOSize != 1448 || !pkts[0].Partial {
				t.Errorf("header % x, packet %+v", h, pkts[0])
			}
			if !bytes.Equal(pkts[1].Data, f.data) {
				t.Errorf("untagged frame is % x", pkts[1].Data)
			}
		})
	}
}

func TestZeroOffsetsStayZeroBehindATag(t *testing.T) {
	r, k := testRing(t, smallLayout)
	k.put(wireFrame{data: numbered(3, 60), status: statusVLANValid, tci: 5})
	pkts := make([]dataplane.Packet, 1)
	r.take(pkts, queueRoom, always)
	if h := r.message(&pkts[0])[:vnetLen]; !bytes.Equal(h, make([]byte, vnetLen)) {
		t.Fatalf("header % x, want zeros", h)
	}
}

func TestCutFramesAreCountedAndPassedOver(t *testing.T) {
	r, k := testRing(t, smallLayout)
	k.put(wireFrame{data: numbered(1, 60)})
	k.put(wireFrame{data: numbered(2, 400)})
	k.put(wireFrame{data: numbered(4, 60), length: 61})
	k.put(wireFrame{data: numbered(5, 320-frameOff)}) // just fits
	pkts := make([]dataplane.Packet, 8)
	if got := r.take(pkts, queueRoom, always); got != (taking{n: 2, cut: 2}) {
		t.Fatalf("%+v, want 2 and 2 cut", got)
	}
	if !bytes.Equal(pkts[1].Data, numbered(5, 320-frameOff)) {
		t.Fatal("the frame that just fits is not whole")
	}
	r.release()
	for i := range 12 {
		k.put(wireFrame{data: numbered(i, 60)})
	}
	if k.drop != 0 {
		t.Fatal("slots of cut frames were not given back")
	}
}

// A frame in the socket's queue has its place among the others, and there are
// no more of them than there is room for.
func TestQueuedFramesKeepTheirPlace(t *testing.T) {
	r, k := testRing(t, smallLayout)
	long := func(n int) wireFrame { return wireFrame{data: numbered(n, 400), status: statusCopy} }
	for _, f := range []wireFrame{{data: numbered(0, 60)}, long(1), long(2), {data: numbered(3, 60)}, long(4), {data: numbered(5, 60)}} {
		k.put(f)
	}
	pkts := make([]dataplane.Packet, 8)
	pkts[1].Data = numbered(9, 60) // of an earlier batch
	if got := r.take(pkts, 2, always); got != (taking{n: 3, queued: 2}) {
		t.Fatalf("%+v, want 3, of them 2 queued", got)
	}
	for i, queued := range []bool{false, true, true} {
		if (pkts[i].Data == nil) != queued {
			t.Errorf("frame %d: % x", i, pkts[i].Data)
		}
	}
	if got := r.take(pkts, 2, always); got != (taking{n: 3, queued: 1}) || pkts[0].Data == nil || pkts[1].Data != nil || pkts[2].Data == nil {
		t.Fatalf("%+v, want 3, of them the second queued", got)
	}
}

func TestMessageRefusesWhatIsNotInTheRing(t *testing.T) {
	r, k := testRing(t, smallLayout)
	k.put(wireFrame{data: numbered(1, 60)})
	pkts := make([]dataplane.Packet, 1)
	r.take(pkts, queueRoom, always)
	good := pkts[0]
	for name, p := range map[string]dataplane.Packet{
		"another slot":     {Data: good.Data, Slot: 1},
		"no slot":          {Data: good.Data, Slot: 12},
		"other memory":     {Data: bytes.Clone(good.Data), Slot: good.Slot},
		"a moved start":    {Data: good.Data[1:], Slot: good.Slot},
		"no frame":         {Slot: good.Slot},
		"less than MACs":   {Data: good.Data[:13], Slot: good.Slot},
		"beyond its slot":  {Data: make([]byte, 4096), Slot: good.Slot},
		"the empty packet": {},
	} {
		if r.message(&p) != nil {
			t.Errorf("%s was accepted", name)
		}
	}
	if r.message(&good) == nil {
		t.Error("the frame itself was refused")
	}
}

func TestLayoutHoldsWhatTheKernelDemands(t *testing.T) {
	for _, slots := range []int{1, 2, 31, 32, 496, 5000, maxSlots} {
		for _, maxFrame := range []int{minMaxFrame, 1518, 9018, DefaultMaxFrame, maxMaxFrame} {
			l := newLayout(slots, maxFrame)
			per := l.blockSize / l.slotSize
			switch {
			case l.slotSize%64 != 0 || l.slotSize < frameOff+maxFrame:
				t.Errorf("%d frames of %d: slot of %d", slots, maxFrame, l.slotSize)
			case l.blockSize&(l.blockSize-1) != 0 || l.blockSize < minBlock || per < 1:
				t.Errorf("%d frames of %d: block of %d with slots of %d", slots, maxFrame, l.blockSize, l.slotSize)
			case l.slots() < slots || l.slots() >= slots+per:
				t.Errorf("%d frames of %d: %d slots", slots, maxFrame, l.slots())
			case 8*(l.blockSize-per*l.slotSize) > l.blockSize:
				t.Errorf("%d frames of %d: block of %d wastes more than an eighth with slots of %d", slots, maxFrame, l.blockSize, l.slotSize)
			}
		}
	}
	for _, c := range []struct {
		mtu         int
		queued      bool
		slots, size int // at least, at most
	}{
		{1500, true, DefaultSlots, 7 << 20},
		{500, true, DefaultSlots, 7 << 20}, // the interface may be set to more
		{9000, true, 900, 9 << 20},
		{65536, true, 496, 9 << 20},
		{1500, false, 496, 32 << 20},
	} {
		cfg, err := Config{Interface: &net.Interface{MTU: c.mtu}}.withDefaults()
		if err != nil {
			t.Fatal(err)
		}
		if l := cfg.layout(c.queued); l.slots() < c.slots || l.bytes() > c.size {
			t.Errorf("MTU %d, queue %v: %d slots in %d bytes, documented are %d in %d", c.mtu, c.queued, l.slots(), l.bytes(), c.slots, c.size)
		}
	}
}

// FuzzRing: whatever stands in a slot's header, a frame handed out lies in its
// own slot behind the header, and nothing outside the slot changes.
func FuzzRing(f *testing.F) {
	f.Add(uint32(1), uint32(60), uint32(60), uint16(frameOff), uint16(0), uint16(0))
	f.Add(uint32(0x51), uint32(60), uint32(60), uint16(frameOff), uint16(0x8100), uint16(100))
	f.Add(uint32(0x11), uint32(14), uint32(14), uint16(66), uint16(0), uint16(1))
	f.Add(uint32(1), ^uint32(0), ^uint32(0), uint16(300), uint16(0), uint16(0))
	f.Fuzz(func(t *testing.T, status, length, snap uint32, mac, tpid, tci uint16) {
		r, _ := testRing(t, smallLayout)
		const slot = 4 // the second of the second block
		off := r.offs[slot]
		for i := range r.mem {
			r.mem[i] = byte(i)
		}
		s := r.mem[off:][:r.size]
		binary.NativeEndian.PutUint32(s[slotLen:], length)
		binary.NativeEndian.PutUint32(s[slotSnaplen:], snap)
		binary.NativeEndian.PutUint16(s[slotMAC:], mac)
		binary.NativeEndian.PutUint16(s[slotVLANTPID:], tpid)
		binary.NativeEndian.PutUint16(s[slotVLANTCI:], tci)
		before := bytes.Clone(r.mem)
		var p dataplane.Packet
		if r.open(slot, status|statusUser, &p) {
			m := r.message(&p)
			if m == nil {
				t.Fatal("a frame handed out cannot be sent")
			}
			at := off + int(r.msgs[slot].at) - vnetLen
			if at < off+slotHeader || at+len(m) > off+r.size || len(p.Data) < etherLen {
				t.Fatalf("message at %d, %d bytes, in the slot at %d", at, len(m), off)
			}
		} else if !bytes.Equal(before, r.mem) {
			t.Fatal("a refused slot was changed")
		}
		copy(s[slotHeader:], before[off+slotHeader:off+r.size])
		if !bytes.Equal(before, r.mem) {
			t.Fatal("something outside the room for frames was changed")
		}
	})
}

func BenchmarkRing(b *testing.B) {
	r, k := testRing(b, newLayout(496, 1518))
	pkts := make([]dataplane.Packet, dataplane.MaxBatch)
	frame := wireFrame{data: numbered(1, 60)}
	total := 0
	b.ReportAllocs()
	for b.Loop() {
		b.StopTimer()
		for range len(pkts) {
			k.put(frame)
		}
		b.StartTimer()
		total += r.take(pkts, queueRoom, always).n
		r.release()
	}
	b.ReportMetric(float64(total)/b.Elapsed().Seconds(), "frames/s")
}
