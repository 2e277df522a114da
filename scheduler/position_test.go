package scheduler

import "testing"

// A scheduler that is given another's position chooses what that one would, whatever it
// has chosen before.
func TestASchedulerGoesOnFromAPosition(t *testing.T) {
	for _, name := range []string{"rr", "wrr"} {
		for steps := range 30 {
			dests := []*Dest{{Port: 1, Weight: 4}, {Port: 2, Weight: 2}, {Port: 3, Weight: 1}, {Port: 4, Weight: 6}}
			a, errA := New(name, dests)
			b, errB := New(name, dests)
			if errA != nil || errB != nil {
				t.Fatal(errA, errB)
			}
			for range steps {
				a.Pick(dests, &Flow{})
			}
			b.Pick(dests, &Flow{})
			b.(Keeper).SetPosition(dests, a.(Keeper).Position())
			for i := range 30 {
				if got, want := b.Pick(dests, &Flow{}), a.Pick(dests, &Flow{}); got != want {
					t.Fatalf("%s after %d: choice %d is %d, want %d", name, steps, i, got, want)
				}
			}
		}
	}
}

// A position of another scheduler, of a longer list or of greater weights changes
// nothing.
func TestAPositionThatDoesNotFitIsPassedOver(t *testing.T) {
	dests := []*Dest{{Port: 1, Weight: 2}, {Port: 2, Weight: 1}}
	rr, wrr := newRR(), newWRR(dests)
	rr.Pick(dests, &Flow{})
	wrr.Pick(dests, &Flow{})
	for _, p := range []uint64{0, 1, ofRR | 3, ofRR | 1<<40, ofWRR | 3<<32 | 1, ofWRR | 1<<60, ofWRR | 1<<32 | 9, 1<<64 - 1} {
		for _, k := range []Keeper{rr, wrr} {
			before := k.Position()
			if k.SetPosition(dests, p); k.Position() != before {
				t.Errorf("%T: position %#x was taken", k, p)
			}
			k.(Scheduler).Pick(dests, &Flow{})
		}
	}
}
