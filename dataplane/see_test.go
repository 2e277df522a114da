package dataplane

import (
	"math/rand"
	"testing"
)

// A bitmap is the definition of what datagram.see notes: one mark for each
// byte.
type bitmap [96]bool

// runs are the stretches of marked bytes.
func (m *bitmap) runs() []byteRange {
	var all []byteRange
	for i := range m {
		switch {
		case !m[i]:
		case i == 0 || !m[i-1]:
			all = append(all, byteRange{uint32(i), uint32(i) + 1})
		default:
			all[len(all)-1].to++
		}
	}
	return all
}

// see marks the bytes unless one of them is, or there would be too many runs.
func (m *bitmap) see(from, to uint32) bool {
	after := *m
	for i := from; i < to; i++ {
		if m[i] {
			return false
		}
		after[i] = true
	}
	if len(after.runs()) > fragRanges {
		return false
	}
	*m = after
	return true
}

// Whatever the pieces, in whatever order: see says what the bitmap says and
// knows the same runs, and a datagram is complete when no byte is missing.
func TestSeeIsItsDefinition(t *testing.T) {
	var refused, many, whole int
	for seed := range int64(4000) {
		r := rand.New(rand.NewSource(seed))
		var d datagram
		var m bitmap
		end := 1 + r.Intn(len(m))
		longest := 1 + r.Intn(end)
		if seed%2 == 0 {
			d.end = uint32(end)
		}
		for range 100 {
			from := uint32(r.Intn(end))
			to := from + 1 + uint32(r.Intn(longest))
			if to > uint32(end) {
				continue
			}
			want := m.see(from, to)
			if !want {
				refused++
			}
			if got := d.see(from, to); got != want {
				t.Fatalf("seed %d: see(%d, %d) = %v, want %v beside %v", seed, from, to, got, want, m.runs())
			}
			runs := m.runs()
			if int(d.n) != len(runs) {
				t.Fatalf("seed %d: after see(%d, %d): %v, want %v", seed, from, to, d.ranges[:d.n], runs)
			}
			for i := range runs {
				if d.ranges[i] != runs[i] {
					t.Fatalf("seed %d: after see(%d, %d): %v, want %v", seed, from, to, d.ranges[:d.n], runs)
				}
			}
			complete := d.end != 0 && len(runs) == 1 && runs[0] == byteRange{0, d.end}
			if d.seenAll() != complete {
				t.Fatalf("seed %d: complete is %v of %v up to %d", seed, d.seenAll(), runs, d.end)
			}
			if complete {
				whole++
			}
			if len(runs) == fragRanges {
				many++
			}
		}
	}
	if refused < 1000 || many < 1000 || whole < 100 {
		t.Errorf("%d refused, %d with as many pieces as there may be, %d complete: the ranges do not try it", refused, many, whole)
	}
}
