package arp

import (
	"net/netip"
	"testing"
	"time"

	"lvsdr/arp/ndp"
	"lvsdr/dataplane/frame"
)

// The group of the real server.
var (
	serverGroup    = netip.MustParseAddr("ff02::1:ff00:11")
	serverGroupMAC = frame.MAC{0x33, 0x33, 0xff, 0, 0, 0x11}
)

// wants6 is our solicitation for the real server.
func wants6(from netip.Addr) wire6 {
	return wire6{dst: serverGroupMAC, src: ourMAC, sip: from, dip: serverGroup, target: server6, lla: ourMAC}
}

func TestAnIPv6RealServerIsAskedForByMulticastAndAgainByUnicast(t *testing.T) {
	r, j := NewResolver(), journal{}
	r.Set([]Target{testTarget6()}, nil, 0)
	asks, _ := r.Due(0)
	if got := readWire6(t, asks[0].Packet.Frame()); got != wants6(our6) {
		t.Errorf("asked with %v", got)
	}
	r.Learn(eth0, server6, serverMAC, 0)
	asks, _ = r.Due(30 * time.Second)
	want := wants6(our6).edit(func(w *wire6) { w.dst, w.dip = serverMAC, server6 })
	if got := readWire6(t, asks[0].Packet.Frame()); got != want {
		t.Errorf("asked again with %v, want %v", got, want)
	}
	j.until(r, 38*time.Second)
	j.expect(t, "31s unicast", "32s unicast", "33s broadcast", "34s broadcast", "35s broadcast",
		"36s real_server_lost", "37s broadcast")
}

func TestAHostWithoutAnIPv6AddressAsksFromTheLinkLocalOneOfItsMAC(t *testing.T) {
	r, tg := NewResolver(), testTarget6()
	tg.SourceIP = netip.Addr{}
	r.Set([]Target{tg}, nil, 0)
	asks, _ := r.Due(0)
	if got := readWire6(t, asks[0].Packet.Frame()); got != wants6(netip.MustParseAddr("fe80::ff:fe00:1")) {
		t.Errorf("asked with %v", got)
	}
}

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
				if err := b.SetRealServers([]Target{testTarget6()}); err != nil {
					t.Fatal(err)
				}
				if known != zeroMAC {
					b.hear(isAt6(known, server6, ourMAC, our6).build())
				}
				b.now = 10 * time.Second
				b.hear(c.in.build())
				learned := map[frame.MAC]bool{zeroMAC: c.first, serverMAC: c.moves, strayMAC: c.agrees}[known]
				want := known
				if learned {
					want = strayMAC
				}
				n := b.Neighbours()[0]
				if n.MAC != want || (n.Age == 0) != learned {
					t.Errorf("known at %v: then at %v, heard of %v ago; want %v, heard of: %v", known, n.MAC, n.Age, want, learned)
				}
			}
		})
	}
}
