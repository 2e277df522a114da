package offload

import (
	"errors"
	"math/rand"
	"net/netip"
	"testing"
	"time"

	"lvsdr/conntrack"
	"lvsdr/dataplane"
	"lvsdr/dataplane/frame"
	"lvsdr/dataplane/frame/build"
)

// A fakeSide is the kernel's part in memory, and the program's steps written once more.
type fakeSide struct {
	mem  []byte
	keys map[conntrack.Key]uint32
	deny error
}

func newFakeSide(n int) *fakeSide {
	return &fakeSide{mem: make([]byte, n*flowSize), keys: map[conntrack.Key]uint32{}}
}

func (s *fakeSide) flow(slot uint32) flow { return s.mem[slot*flowSize:][:flowSize] }
func (s *fakeSide) put(k conntrack.Key, slot uint32) error {
	if s.deny == nil {
		s.keys[k] = slot
	}
	return s.deny
}
func (s *fakeSide) remove(k conntrack.Key) error {
	if s.deny == nil {
		delete(s.keys, k)
	}
	return s.deny
}

// see does with a frame what the program does: it forwards it, or passes it up, counted or
// not.
func (s *fakeSide) see(k conntrack.Key, plain bool) (forwards, counts bool) {
	slot, known := s.keys[k]
	if !known {
		return false, false
	}
	f := s.flow(slot)
	punted := load32(f, flowPunted)
	if !plain {
		f.close()
	}
	switch {
	case f.state() == Fast:
		return true, false
	case f.state() == Pending && punted == load32(f, flowAcked):
		store32(f, flowState, Fast)
		return true, false
	}
	f.setPunted(punted + 1)
	return false, true
}

// A fakeCore finds every flow steady, but those that it has been told are not.
type fakeCore struct {
	unsteady map[conntrack.Key]bool
	server   uint32
}

func (c *fakeCore) Steady(k conntrack.Key, _ uint32, _ int64) (uint32, bool) {
	return c.server, !c.unsteady[k]
}

// drop takes the flow of k back, if there is one.
func (f *Flows) drop(k conntrack.Key, now int64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if slot, known := f.byKey[k]; known {
		f.end(slot, now)
	}
}

// A path is a flow's way through the program, a ring, a director and its worker.
type path struct {
	t     *testing.T
	d     *dataplane.Director
	s     *dataplane.Scratch
	side  *fakeSide
	flows *Flows
	w     *Worker
	e     ends
	ring  []arrived
	room  int
	seq   uint32
	out   []uint32 // the sequence numbers in the order in which they left
	batch *dataplane.Batch
	now   int64
	lost  int
}

type arrived struct {
	frame   []byte
	seq     uint32
	counted bool
}

// newPath makes one whose ring has room for so many frames.
func newPath(t *testing.T, room int) *path {
	d, err := dataplane.New(dataplane.Config{Conns: conntrack.Config{Limit: conntrack.MinLimit, Secret: [16]byte{1}}, Tunables: dataplane.DefaultTunables()})
	if err != nil {
		t.Fatal(err)
	}
	e := families[0]
	vip := frame.AddrFrom(e.vip.Addr())
	d.SetVIPs([]frame.Addr{vip})
	k := dataplane.ServiceKey{Proto: frame.ProtoTCP, Addr: vip, Port: e.vip.Port()}
	server := frame.AddrFrom4([4]byte{10, 0, 0, 1})
	d.SetNeighbour(server, serverMAC, outward)
	if err := errors.Join(d.AddService(dataplane.ServiceConfig{Key: k, Scheduler: "rr"}), d.AddServer(k, dataplane.ServerConfig{Addr: server, Port: k.Port, Weight: 1})); err != nil {
		t.Fatal(err)
	}
	p := &path{t: t, d: d, s: d.NewScratch(0), side: newFakeSide(8), e: e, room: room, batch: dataplane.NewBatch(), now: 1e9}
	p.flows = newFlows(d, p.side, 8, 64, 4)
	p.w = p.flows.worker()
	p.flows.serve(outward.Index, []netip.Addr{e.vip.Addr()}, 0)
	p.batch.In = outward.Index
	return p
}

// arrive has the next segment arrive.
func (p *path) arrive(flags string) {
	p.seq++
	forwards, counts := p.side.see(p.e.key(frame.ProtoTCP), flags == "A")
	switch {
	case forwards:
		p.out = append(p.out, p.seq)
	case len(p.ring) == p.room:
		p.lost++
	default:
		p.ring = append(p.ring, arrived{p.e.frame(frame.ProtoTCP, flags), p.seq, counts})
	}
}

// work moves at most n frames of the ring; a full batch says that there may be more.
func (p *path) work(n int) {
	n = min(n, len(p.ring))
	b := p.batch
	b.Packets = b.Packets[:0]
	for _, a := range p.ring[:n] {
		b.Packets = append(b.Packets, dataplane.Packet{Data: a.frame, Counted: a.counted})
	}
	p.d.Process(p.s, b, p.now)
	for i, a := range p.ring[:n] {
		if b.Packets[i].Verdict == dataplane.Forward {
			p.out = append(p.out, a.seq)
		}
	}
	p.ring = append([]arrived(nil), p.ring[n:]...)
	if len(p.ring) > 0 { // not empty behind this batch
		full := *b
		full.Packets = append(append([]dataplane.Packet(nil), b.Packets...), make([]dataplane.Packet, dataplane.MaxBatch-n)...)
		p.w.Sent(&full, p.now)
		return
	}
	p.w.Sent(b, p.now)
}

// pending reports whether the flow is being handed over.
func (p *path) pending() bool {
	slot, known := p.side.keys[p.e.key(frame.ProtoTCP)]
	return known && p.side.flow(slot).state() == Pending
}

// Whatever comes, and whenever the worker runs: no frame leaves twice, and none before one
// that came before it, as long as the ring has room, and the handing over takes not too long.
func TestNoFrameLeavesTwiceOrTooEarly(t *testing.T) {
	for seed := range int64(200) {
		r := rand.New(rand.NewSource(seed))
		p := newPath(t, 1<<20)
		p.arrive("S")
		p.arrive("A")
		for range 3000 {
			switch x := r.Intn(100); {
			case x < 1:
				p.arrive("FA")
				p.arrive("A")
			case x < 2:
				p.arrive("S")
			case x < 3 && len(p.ring) == 0 && !p.pending():
				p.now += int64(rest) + r.Int63n(int64(rest))
			case x < 4:
				k := p.e.key(frame.ProtoTCP)
				p.flows.drop(k, p.now)
			case x < 5:
				p.flows.serve(outward.Index, nil, p.now)
			case x < 12:
				p.flows.serve(outward.Index, []netip.Addr{p.e.vip.Addr()}, p.now)
			case x < 60:
				p.arrive("A")
			default:
				p.work(1 + r.Intn(8))
			}
			p.now += 1000
		}
		for len(p.ring) > 0 {
			p.work(8)
		}
		for i := 1; i < len(p.out); i++ {
			if p.out[i] <= p.out[i-1] {
				t.Fatalf("seed %d: frame %d left after %d; %+v", seed, p.out[i], p.out[i-1], p.flows.Counts())
			}
		}
		if c := p.flows.Counts(); seed == 0 && (c.Begun < 3 || c.Ended < 3) {
			t.Fatalf("%+v: the test looks at too little", c)
		}
	}
}

// A frame that the ring had no room for holds a flow up for a while, and not for ever; nor
// does a FIN that was lost.
func TestALostFrameHoldsAFlowUpForAWhile(t *testing.T) {
	p := newPath(t, 4)
	p.arrive("S")
	for range 8 {
		p.arrive("A")
		p.work(4)
	}
	k := p.e.key(frame.ProtoTCP)
	if _, known := p.side.keys[k]; !known {
		t.Fatal("the flow was not handed over")
	}
	p.side.flow(p.side.keys[k]).begin(0, outward.Index, Pending)
	p.side.flow(p.side.keys[k]).setPunted(1)
	for range 10 {
		p.arrive("A")
	}
	if p.lost == 0 {
		t.Fatal("the ring has room")
	}
	p.work(4)
	p.now += int64(handing) + 1
	p.arrive("A")
	p.work(4)
	if n := p.flows.Counts().Forced; n != 1 {
		t.Errorf("%d flows were forced, want 1", n)
	}
	before := len(p.out)
	p.arrive("A")
	if len(p.out) != before+1 {
		t.Error("the kernel does not forward it")
	}
	for range p.room {
		p.ring = append(p.ring, arrived{p.e.frame(frame.ProtoTCP, "A"), p.seq, false})
	}
	p.arrive("FA") // no room
	p.work(4)
	for range 3 {
		p.arrive("A")
		p.work(4)
	}
	if p.flows.Counts().Now != 0 {
		t.Fatal("a flow that the program closed is still there")
	}
	p.now += 3 * int64(rest)
	for range 10 {
		p.arrive("A")
		p.work(4)
	}
	if p.flows.Counts().Now != 1 {
		t.Error("the flow does not come back")
	}
}

// The director is asked before a flow is handed over; and a pause, the end of the
// connection and a full table leave it with the director.
func TestTheDirectorKeepsWhatItWants(t *testing.T) {
	side, c := newFakeSide(2), &fakeCore{unsteady: map[conntrack.Key]bool{}, server: 3}
	f := newFlows(c, side, 2, 8, 1)
	w := f.worker()
	f.serve(outward.Index, []netip.Addr{families[0].vip.Addr()}, 0)
	key := func(n byte) conntrack.Key {
		return ends{netip.AddrPortFrom(netip.AddrFrom4([4]byte{198, 51, 100, n}), 1000), families[0].vip}.key(frame.ProtoTCP)
	}
	for n := byte(1); n <= 3; n++ {
		f.add(w, key(n), outward.Index, c.server, 0)
	}
	if got := f.Counts(); got.Now != 2 || got.Full != 1 || side.flow(side.keys[key(1)]).server() != 3 {
		t.Fatalf("%+v, want 2 of 3 flows", got)
	}
	f.add(w, key(4), outward.Index, 8, 0) // a server for which there is no room
	c.unsteady[key(1)] = true
	f.Check(5)
	if _, there := side.keys[key(1)]; there || f.Counts().Now != 1 {
		t.Error("a flow that is not steady any more is still there")
	}
	k := key(2)
	f.Recheck(&k, 5)
	if f.Counts().Now != 1 {
		t.Error("a flow that is as it was is taken back")
	}
	store64(side.flow(side.keys[k]), flowLast, 99)
	if f.Last(&k) != 99 {
		t.Errorf("last used at %d, want 99", f.Last(&k))
	}
	c.server = 4
	f.Recheck(&k, 5)
	if f.Counts().Now != 0 {
		t.Error("a flow whose server is another is still there")
	}
	c.server = 3
	f.add(w, key(6), outward.Index, 3, 5)
	f.Pause(6)
	f.add(w, key(5), outward.Index, 3, 1<<40)
	if len(side.keys) != 0 {
		t.Error("there are flows in a pause")
	}
	f.Resume()
	for range 2 {
		w.Sent(dataplane.NewBatch(), 7) // the ring was empty
	}
	f.add(w, key(5), outward.Index, 3, 1<<40)
	if len(side.keys) != 1 {
		t.Error("there is none after a pause")
	}
	side.deny = errors.New("refused")
	k = key(5)
	f.drop(k, 1<<41)
	if side.flow(side.keys[k]).state() != Closed || f.Counts().Failures != 1 {
		t.Error("a flow that the kernel does not give back is forwarded")
	}
}

// Looking at batches allocates nothing while no flow comes or goes.
func TestSentAllocatesNothing(t *testing.T) {
	p := newPath(t, 1<<10)
	p.arrive("S")
	p.arrive("A")
	p.work(2)
	f := build.TCP{IP: build.IP{TTL: 64}, Src: p.e.client, Dst: p.e.vip, Flags: "A"}.Bytes()
	p.flows.Pause(p.now)
	b := dataplane.NewBatch()
	for range 64 {
		b.Packets = append(b.Packets, dataplane.Packet{Data: append([]byte(nil), f...)})
	}
	p.d.Process(p.s, b, p.now)
	if b.Packets[0].Reason != dataplane.Hit {
		t.Fatal(b.Packets[0].Reason)
	}
	if n := testing.AllocsPerRun(100, func() { p.w.Sent(b, p.now) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// heir is the path of a next process that goes on with the kernel's part of p's, and with its
// connection table.
func (p *path) heir(t *testing.T) *path {
	t.Helper()
	next := *p
	next.t, next.ring = t, nil // what was in the ring is gone with the process
	next.flows = newFlows(p.d, p.side, 8, 64, 4)
	next.flows.adopt(p.side.keys, p.now)
	next.w = next.flows.worker()
	return &next
}

// A flow goes on in the kernel when the process is killed, whatever state it was in, and the next
// process has it: no frame that comes afterwards is lost or late, and none comes twice.
func TestAKilledProcessLeavesItsFlows(t *testing.T) {
	for _, c := range []struct {
		name string
		lead func(*path)
		lost int // in the ring of the process
	}{
		{"fast", func(p *path) { p.work(8) }, 0},
		{"about to be: a frame is in the ring", func(p *path) { p.arrive("A") }, 1},
		{"closed, and the frame that did it is in the ring", func(p *path) { p.work(8); p.arrive("A"); p.arrive("FA") }, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := newPath(t, 8)
			for _, flags := range []string{"S", "A", "A", "A", "A", "A"} {
				p.arrive(flags)
				p.work(8)
			}
			p.arrive("A")
			c.lead(p)
			before := p.seq - uint32(len(p.ring))
			next := p.heir(t)
			if n := next.flows.Counts(); n.Adopted != 1 || n.Now != 1 {
				t.Fatalf("%+v: the flow is not gone on with", n)
			}
			next.flows.serve(outward.Index, []netip.Addr{p.e.vip.Addr()}, next.now)
			next.flows.settle(next.now)
			for range 40 {
				next.now += int64(time.Second)
				next.arrive("A")
				next.work(8)
			}
			if got, want := len(next.out), int(next.seq)-len(p.ring); got != want {
				t.Errorf("%d frames are out of %d, %d were in the ring", got, next.seq, len(p.ring))
			}
			for i := 1; i < len(next.out); i++ {
				if next.out[i] <= next.out[i-1] {
					t.Errorf("frame %d is behind %d", next.out[i], next.out[i-1])
				}
			}
			if slot, known := p.side.keys[p.e.key(frame.ProtoTCP)]; !known || p.side.flow(slot).state() != Fast {
				t.Errorf("the kernel does not forward it; %d frames before the kill", before)
			}
		})
	}
}

// What the next process does not serve is forwarded until it has settled, and not longer.
func TestTheNextProcessTakesBackWhatItDoesNotServe(t *testing.T) {
	for _, served := range []bool{true, false} {
		p := newPath(t, 8)
		for _, flags := range []string{"S", "A", "A", "A", "A", "A"} {
			p.arrive(flags)
			p.work(8)
		}
		next := p.heir(t)
		next.flows.serve(outward.Index, nil, next.now) // the address is not this one's yet
		next.flows.Check(next.now)
		if next.flows.Counts().Now != 1 {
			t.Fatal("the flow is taken back before the process has settled")
		}
		if served {
			next.flows.serve(outward.Index, []netip.Addr{p.e.vip.Addr()}, next.now)
		}
		next.flows.settle(next.now)
		if got := next.flows.Counts().Now == 1; got != served {
			t.Errorf("the address is served: %v, the flow is there: %v", served, got)
		}
	}
}
