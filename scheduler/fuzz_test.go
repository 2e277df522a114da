package scheduler

import (
	"slices"
	"testing"
)

// FuzzWRR takes two bytes a step, an edit or a pick. The law: a pick ends, and
// is none exactly if no server is fit, else a fit one.
func FuzzWRR(f *testing.F) {
	f.Add([]byte{0, 3, 0, 1, 9, 9, 9, 9, 3, 0, 9, 9})
	f.Add([]byte{0, 255, 0, 254, 0, 2, 9, 9, 4, 1, 9, 9, 4, 2, 9, 9})
	f.Fuzz(func(t *testing.T, b []byte) { fuzzScheduler(t, "wrr", b) })
}

// FuzzRR is FuzzWRR for rr.
func FuzzRR(f *testing.F) {
	f.Add([]byte{0, 3, 0, 1, 9, 9, 9, 9, 1, 0, 9, 9})
	f.Fuzz(func(t *testing.T, b []byte) { fuzzScheduler(t, "rr", b) })
}

func fuzzScheduler(t *testing.T, name string, b []byte) {
	s, err := New(name, nil)
	if err != nil {
		t.Fatal(err)
	}
	var dests []*Dest
	for ; len(b) >= 2; b = b[2:] {
		arg, i := int(b[1]), 0
		if len(dests) > 0 {
			i = arg % len(dests)
		}
		switch op := b[0] % 8; {
		case op == 0:
			dests = slices.Insert(dests, 0, &Dest{Weight: fuzzWeight(arg)})
			s.Update(dests, Added, 0)
		case len(dests) == 0:
		case op == 1:
			dests = slices.Delete(dests, i, i+1)
			s.Update(dests, Removed, i)
		case op == 2:
			dests[i].Weight = fuzzWeight(arg / len(dests))
			s.Update(dests, Edited, i)
		case op == 3:
			dests[i].Overloaded = !dests[i].Overloaded
		case op == 4:
			dests[i].Unreachable = !dests[i].Unreachable
		}
		got := s.Pick(dests, &Flow{})
		anyFit := slices.ContainsFunc(dests, (*Dest).Fit)
		if (got >= 0) != anyFit || got >= 0 && (!dests[got].Fit() || dests[got].Weight <= 0) {
			t.Fatalf("Pick = %d among %v, some being fit is %v", got, dests, anyFit)
		}
	}
}

// fuzzWeight is small for small bytes, and anything ipvsadm takes for others.
func fuzzWeight(b int) int {
	if b < 128 {
		return b % 32
	}
	return 1<<31 - 1 - (b-128)*(b-128)
}
