package offload

import (
	"errors"
	"net/netip"
	"testing"

	"lvsdr/dataplane/frame"
)

// Flows are of addresses that are served at their interface; when one is not any more, its
// flows are taken back, and those of others stay.
func TestFlowsAreOfAddressesThatAreServed(t *testing.T) {
	one, two := families[0].vip.Addr(), families[1].vip.Addr()
	for _, c := range []struct {
		name  string
		after map[int32][]netip.Addr // by interface: what is served then
		left  []int                  // the flows: to one and two at interface 1, to one and two at 2
	}{
		{"all stay", map[int32][]netip.Addr{1: {two, one}, 2: {one, two}}, []int{0, 1, 2, 3}},
		{"one goes everywhere", map[int32][]netip.Addr{1: {two}, 2: {two}}, []int{1, 3}},
		{"one goes at an interface", map[int32][]netip.Addr{1: {two}}, []int{1, 2, 3}},
		{"an interface goes", map[int32][]netip.Addr{2: nil}, []int{0, 1}},
		{"all go", map[int32][]netip.Addr{1: nil, 2: nil}, nil},
		{"another interface has some", map[int32][]netip.Addr{3: {one}}, []int{0, 1, 2, 3}},
	} {
		t.Run(c.name, func(t *testing.T) {
			side, core := newFakeSide(8), &fakeCore{}
			f := newFlows(core, side, 8, 8, 1)
			w := f.worker()
			var all []uint32
			for in := int32(1); in <= 2; in++ {
				f.serve(in, []netip.Addr{one, two}, 0)
				for _, e := range families {
					e.client = netip.AddrPortFrom(e.client.Addr(), uint16(1000+in))
					f.add(w, e.key(frame.ProtoTCP), in, 0, 0)
					all = append(all, f.byKey[e.key(frame.ProtoTCP)])
				}
			}
			for in, vips := range c.after {
				f.serve(in, vips, 1)
			}
			left := map[uint32]bool{}
			for _, i := range c.left {
				left[all[i]] = true
			}
			for i, slot := range all {
				if f.records[slot].on != left[slot] || (side.flow(slot).state() == Closed) == left[slot] {
					t.Errorf("flow %d: on %t, state %d; want it to stay: %t", i, f.records[slot].on, side.flow(slot).state(), left[slot])
				}
			}
			if n := f.Counts(); n.Now != len(c.left) || int(n.Ended) != len(all)-len(c.left) || len(side.keys) != len(c.left) {
				t.Errorf("%+v and %d in the kernel, want %d", n, len(side.keys), len(c.left))
			}
		})
	}
}

// A flow that the kernel does not give back is closed all the same: its frames go up.
func TestAWithdrawnFlowIsClosedThoughTheKernelRefuses(t *testing.T) {
	side := newFakeSide(2)
	f := newFlows(&fakeCore{}, side, 2, 8, 1)
	e := families[0]
	f.serve(1, []netip.Addr{e.vip.Addr()}, 0)
	k := e.key(frame.ProtoTCP)
	f.add(f.worker(), k, 1, 0, 0)
	side.deny = errors.New("refused")
	f.serve(1, nil, 1)
	if forwards, _ := side.see(k, true); forwards || f.Counts().Failures != 1 {
		t.Errorf("forwarded: %t; %+v", forwards, f.Counts())
	}
	side.deny = nil
	f.serve(1, nil, 2) // once more
	if len(side.keys) != 0 {
		t.Error("the flow is still there")
	}
}

// Flows that are recalled go up with their next frame, which takes them back.
func TestRecalledFlowsGoUp(t *testing.T) {
	p := newPath(t, 16)
	p.arrive("S")
	for range 8 {
		p.arrive("A")
		p.work(4)
	}
	k := p.e.key(frame.ProtoTCP)
	if forwards, _ := p.side.see(k, true); !forwards {
		t.Fatal("the flow was not handed over")
	}
	p.flows.Recall()
	before := len(p.out)
	p.arrive("A")
	if len(p.out) != before || p.flows.Counts().Now != 1 {
		t.Error("forwarded by the kernel, or taken back before")
	}
	p.work(4)
	if len(p.out) != before+1 || p.flows.Counts().Now != 0 {
		t.Error("not forwarded by the director, or still the kernel's")
	}
}
