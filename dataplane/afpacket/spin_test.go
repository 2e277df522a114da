package afpacket

import "testing"

func TestAQuickExchangeSpinsEveryTime(t *testing.T) {
	var s spinner
	for i := range 1000 {
		if !s.want() {
			t.Fatalf("did not spin at chance %d though every spin paid", i)
		}
		s.done(true)
	}
}

func TestRareFramesSpinOneTimeInSixtyFour(t *testing.T) {
	var s spinner
	spins := 0
	for range 64 * 100 {
		if s.want() {
			spins++
			s.done(false)
		}
	}
	if spins < 100 || spins > 110 {
		t.Fatalf("%d spins in 6400 chances, want about 100", spins)
	}
}

func TestOneHitRestoresSpinning(t *testing.T) {
	var s spinner
	for range 1000 {
		if s.want() {
			s.done(false)
		}
	}
	chances := 0
	for !s.want() {
		chances++
	}
	s.done(true)
	if chances > 63 || !s.want() {
		t.Fatalf("spun again after %d chances, and then again: %v", chances, s.want())
	}
}
