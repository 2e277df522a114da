package ladder

import (
	"net/netip"
	"testing"

	"lvsdr/conntrack"
	"lvsdr/dataplane"
	"lvsdr/dataplane/frame"
	"lvsdr/dataplane/frame/build"
)

// manyFlows are more than half of the least room of a table: with an entry for the answers
// each they once evicted each other.
const manyFlows = 10_000

// begun is w with manyFlows established connections.
func begun(t *testing.T, w way) *methodDriver {
	t.Helper()
	m, err := w.driver(manyFlows, 32)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := m.d.Close(); err != nil {
			t.Error(err)
		}
	})
	if err := m.establish(t.Context(), manyFlows); err != nil {
		t.Fatal(err)
	}
	return m
}

// Every frame of a method's rung is one of a known connection, leaves changed as the method
// says, and costs no allocation.
func TestEachMethodForwardsItsHits(t *testing.T) {
	reasons := map[bool]dataplane.Reason{false: dataplane.Hit, true: dataplane.Answered}
	longer := map[conntrack.Method]int{conntrack.IPIP: 20, conntrack.GRE: 24, conntrack.GUE: 32}
	for _, w := range ways() {
		t.Run(w.name, func(t *testing.T) {
			m := begun(t, w)
			before, picked := m.d.Reasons(), Uniform(manyFlows)
			m.offered, m.forwarded = 0, 0
			if n := testing.AllocsPerRun(20, func() { m.send(w.answer, flagACK, picked.Next) }); n != 0 {
				t.Errorf("%v allocations a batch", n)
			}
			if got := m.d.Reasons()[reasons[w.answer].String()] - before[reasons[w.answer].String()]; int(got) != m.offered || m.offered == 0 {
				t.Errorf("%d of %d frames are %s: %v", got, m.offered, reasons[w.answer], m.d.Reasons())
			}
			if err := m.check(); err != nil {
				t.Error(err)
			}
			for i := range m.d.batch.Packets {
				// Tunnels leave the padding behind.
				want := FrameSize
				if n := longer[w.method]; n > 0 {
					want = used + n
				}
				if got := len(m.d.batch.Packets[i].Data); got != want {
					t.Fatalf("%d bytes leave, want %d", got, want)
				}
			}
		})
	}
}

// NAT changes the address and the port of one end, and nothing of the other.
func TestMasqueradedFramesHaveTheOtherEnd(t *testing.T) {
	s := DefaultSetup(0)
	client := netip.AddrPortFrom(netip.AddrFrom4([4]byte{100, 0, 0, 1}), 1024+5) // of flow 21
	virtual, server := netip.AddrPortFrom(netip.AddrFrom4(s.VIP), s.Port), netip.AddrPortFrom(netip.AddrFrom4(s.Servers[0].Addr), s.Port)
	for _, w := range ways() {
		if w.method != conntrack.Masquerade {
			continue
		}
		m := begun(t, w)
		m.send(w.answer, flagACK, func() uint32 { return 21 })
		want := build.TCP{Src: client, Dst: server, Flags: "A", IP: build.IP{SrcMAC: s.MAC, DstMAC: s.Servers[0].MAC, Pad: true, TTL: 63}}
		if w.answer {
			want.Src, want.Dst, want.IP.DstMAC = virtual, client, clientMAC
		}
		if got := m.d.batch.Packets[0].Data; string(got) != string(want.Bytes()) {
			t.Errorf("%s:\n% x, want\n% x", w.name, got, want.Bytes())
		}
	}
}

// An answer is the frame that the other end would have made.
func TestAnswersAreTheOtherEnds(t *testing.T) {
	s := DefaultSetup(0)
	for _, flow := range []uint32{0, 5, 16, 70_000, NumFlows - 1} {
		f, answers := newFrames(s, 1, dataplane.Headroom), newAnswers(s, 1, dataplane.Headroom)
		f.Set(0, flow, flagACK)
		answers.Set(0, flow, flagACK)
		var h frame.Header
		frame.Parse(f.batch[0], &h)
		want := build.TCP{Src: netip.AddrPortFrom(netip.AddrFrom4(s.VIP), s.Port), Dst: netip.AddrPortFrom(netip.AddrFrom4(h.Src.As4()), h.SrcPort),
			Flags: "A", IP: build.IP{SrcMAC: clientMAC, DstMAC: s.MAC, Pad: true}}
		if got := answers.batch[0]; string(got) != string(want.Bytes()) {
			t.Errorf("flow %d:\n% x, want\n% x", flow, got, want.Bytes())
		}
	}
}

// The memory in front of a frame is its own: nothing of another frame is in it.
func TestFramesHaveTheirHeadroom(t *testing.T) {
	const n = 5
	f := newFrames(DefaultSetup(0), n, dataplane.Headroom)
	for i := range n {
		p := dataplane.Packet{Data: f.batch[i], Front: f.front[i]}
		head := p.Prepend(dataplane.Headroom)
		for k := range head {
			head[k] = 0xff
		}
		if len(head) != dataplane.Headroom || len(p.Data) != dataplane.Headroom+FrameSize || &p.Data[dataplane.Headroom] != &f.batch[i][0] {
			t.Fatalf("frame %d: %d bytes in front of it, %d with them", i, len(head), len(p.Data))
		}
	}
	for i := range n {
		f.Set(i, uint32(i), flagACK)
		if string(f.batch[i]) != string(slowFrame(DefaultSetup(0), uint32(i), "A")) {
			t.Errorf("frame %d was overwritten", i)
		}
	}
}

// A turn whose frames are not forwarded, or go elsewhere, is no number.
func TestAMethodThatFailsIsNoNumber(t *testing.T) {
	m := begun(t, ways()[0])
	m.forwarded -= 1 + m.offered/1000
	if m.check() == nil {
		t.Error("lost frames were not found")
	}
	m.forwarded = m.offered
	copy(m.d.batch.Packets[0].Data, make([]byte, 6))
	if m.check() == nil {
		t.Error("a frame to nobody was not found")
	}
}
