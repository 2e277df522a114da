package dataplane

import (
	"math/rand/v2"
	"testing"

	"lvsdr/dataplane/frame"
)

// Where a hop takes a packet, the long way would only have sent it, as it is; and it takes
// each packet that the long way only sends, unless that may be longer than the link.
func TestAHopTakesWhatTheLongWayOnlySends(t *testing.T) {
	rng := rand.New(rand.NewPCG(31, 32))
	seen := map[bool]int{}
	for range 20_000 {
		ds := &dest{}
		if rng.IntN(8) > 0 {
			ds.mac = frame.MAC{2, 0, 0, 0, 0, 1}
		}
		ds.link.MTU = []int{0, 576, 1500}[rng.IntN(3)]
		to := newHop(ds, true)
		length := []int{20, 575, 576, 577, 1499, 1500, 1501, 40_000}[rng.IntN(8)]
		behind := rng.IntN(3) * 6
		p := &Packet{Data: make([]byte, frame.EtherLen+length+behind)}
		p.header.L3, p.header.End = frame.EtherLen, uint32(frame.EtherLen+length)
		p.header.TTL, p.header.DF = []uint8{0, 1, 2, 64}[rng.IntN(4)], rng.IntN(2) == 0
		if rng.IntN(3) == 0 {
			p.GSOSize = 500
		}
		takes, before := to.takes(p), len(p.Data)
		if p.flow.hop != nil {
			t.Fatal("a question has set the hop")
		}
		reason := p.routeTo(to, Hit)
		asItIs := reason == Hit && len(p.Data) == before
		long := to.mtu > 0 && length+behind > to.mtu // one that is cut by the network card later
		if takes && !asItIs || asItIs && !takes && !long {
			t.Fatalf("TTL %d, %d bytes and %d behind, MTU %d, MAC %v: takes %v, the long way says %v with %d of %d bytes",
				p.header.TTL, length, behind, ds.link.MTU, ds.mac, takes, reason, len(p.Data), before)
		}
		if p.flow.hop != to {
			t.Fatal("the long way has not set the hop")
		}
		seen[takes]++
	}
	if seen[true] < 1000 || seen[false] < 1000 {
		t.Errorf("cases: %v", seen)
	}
}
