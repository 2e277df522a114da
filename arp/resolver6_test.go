package arp

import (
	"testing"
	"time"

	"lvsdr/arp/ndp"
	"lvsdr/dataplane/frame"
)

// TestWhatIsLearnedFromNeighborDiscovery is RFC 4861 sections 7.2.3 and 7.2.5
// as far as one is concerned who asks again every 30 seconds anyway.
func TestWhatIsLearnedFromNeighborDiscovery(t *testing.T) {
	answer := isAt6(strayMAC, server6, ourMAC, our6)
	unasked := announces6(strayMAC, server6)
	asks := wire6{dst: groupMAC, src: strayMAC, sip: server6, dip: vipGroup, target: client6, lla: strayMAC}
	weak := func(w *wire6) { w.o = false }
	without := func(w *wire6) { w.lla = zeroMAC }
	for _, c := range []struct {
		name   string
		in     wire6
		first  bool // learned when nothing is known
		moves  bool // learned in place of another MAC address
		agrees bool // when it agrees with what is known, it counts as heard
	}{
		{"an answer with the override flag", answer, true, true, true},
		{"an answer without it", answer.edit(weak), true, false, true},
		{"an answer without a link-layer address", answer.edit(without), true, false, true},
		{"an announcement with the override flag", unasked, true, true, true},
		{"an announcement without it", unasked.edit(weak), true, false, true},
		{"an answer sent from another address of the real server", answer.edit(func(w *wire6) { w.sip = ndp.LinkLocal(strayMAC) }), true, true, true},
		{"its own question", asks, true, true, true},
		{"its own question without a link-layer address", asks.edit(without), true, false, true},
		{"its probe, which says nothing yet", asks6(strayMAC, zero6).edit(func(w *wire6) { w.dip, w.target = serverGroup, server6 }), false, false, false},
		{"an answer about somebody else", answer.edit(func(w *wire6) { w.target = client6 }), false, false, false},
		{"somebody else's question for it", asks.edit(func(w *wire6) { w.sip, w.target = client6, server6 }), false, false, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, known := range []frame.MAC{zeroMAC, serverMAC, strayMAC} {
				b := newBench(t, Config{})
				b.set(t, nil, testTarget6())
				if known != zeroMAC {
					b.hear(isAt6(known, server6, ourMAC, our6).build())
				}
				b.now = 10 * time.Second
				b.hear(c.in.build())
				for range 3 { // a known one is asked first, and is silent
					b.now += claimSpacing
					b.turn()
				}
				learned := map[frame.MAC]bool{zeroMAC: c.first, serverMAC: c.moves, strayMAC: c.agrees}[known]
				want := known
				if learned {
					want = strayMAC
				}
				n := b.Neighbours()[0]
				if n.MAC != want || (n.Age < time.Second) != learned {
					t.Errorf("known at %v: then at %v, heard of %v ago; want %v, heard of: %v", known, n.MAC, n.Age, want, learned)
				}
			}
		})
	}
}
