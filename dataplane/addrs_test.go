package dataplane

import (
	"math/rand/v2"
	"slices"
	"testing"

	"lvsdr/dataplane/frame"
)

func TestASetOfAddressesHasWhatItWasMadeOf(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	random4 := func() frame.Addr { return frame.AddrFrom4([4]byte{10, 0, byte(rnd.IntN(2)), byte(rnd.Uint32())}) }
	random6 := func() frame.Addr { return frame.Addr{0: 0xfd, 7: byte(rnd.IntN(3)), 15: byte(rnd.IntN(3))} }
	for i := range 400 {
		random := random4
		if i%2 == 1 {
			random = random6
		}
		var of []frame.Addr
		for range rnd.IntN(100) {
			of = append(of, random())
		}
		s := newAddrs(of)
		for range 200 {
			if a := random(); s.has(&a) != slices.Contains(of, a) {
				t.Fatalf("%v in %v: %v", a, of, s.has(&a))
			}
		}
	}
	if (&addrs{}).has(&frame.Addr{}) {
		t.Error("the empty set has an address")
	}
}
