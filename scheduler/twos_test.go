package scheduler

import (
	"math"
	"testing"
)

// shares are the odds of each server, by trying every pair of numbers that may
// be drawn.
func shares(list []*Dest) []float64 {
	p := make([]float64, len(list))
	sum := 0
	for _, d := range fit(list) {
		sum += d.Weight
	}
	draw := func(n int) *Dest {
		for _, d := range fit(list) {
			if n -= d.Weight; n <= 0 {
				return d
			}
		}
		return nil
	}
	pairs := float64((sum + 1) * (sum + 1))
	for one := range sum + 1 {
		for two := range sum + 1 {
			a, b := draw(one), draw(two)
			if load(b).Cmp(load(a)) < 0 {
				a = b
			}
			for i, d := range list {
				if d == a {
					p[i] += 1 / pairs
				}
			}
		}
	}
	return p
}

// deviation is Pearson's chi-square of counts against the shares p, and whether
// chance alone exceeds it less than once in a thousand (by Wilson and Hilferty's
// approximation of the distribution).
func deviation(counts []int, p []float64) (chi float64, unlikely bool) {
	n, free := 0, -1.0
	for _, c := range counts {
		n += c
	}
	for i, c := range counts {
		if p[i] > 0 {
			want := p[i] * float64(n)
			chi += (float64(c) - want) * (float64(c) - want) / want
			free++
		} else if c > 0 {
			return math.Inf(1), true
		}
	}
	const z = 3.0902 // of the normal distribution at 0.001
	bound := free * math.Pow(1-2/(9*free)+z*math.Sqrt(2/(9*free)), 3)
	return chi, chi > bound
}

// twosList has servers that differ in weight and in load, and some not fit.
func twosList() []*Dest {
	dests := servers(1, 4, 0, 2, 7, 3)
	for i, active := range []int{1, 9, 0, 1, 7, 0} {
		dests[i].Active = active
	}
	dests[3].Overloaded = true
	return dests
}

func TestTwosSharesAreAsDefined(t *testing.T) {
	for name, dests := range map[string][]*Dest{
		"different loads": twosList(), "no load, where the first drawn wins": servers(3, 1, 2),
		"two servers": servers(1, 1), "one": servers(0, 5, 0, 1),
	} {
		s := scheduled(t, "twos", dests)
		counts := make([]int, len(dests))
		for range 200000 {
			counts[s.Pick(dests, &Flow{})]++
		}
		if chi, unlikely := deviation(counts, shares(dests)); unlikely {
			t.Errorf("%s: counts %v, chi-square %.1f against shares %.4f", name, counts, chi, shares(dests))
		}
	}
}

// The first server is favoured by the 0 among the numbers drawn: the test above
// would see it if it were not.
func TestTwosFavoursTheFirst(t *testing.T) {
	dests := servers(1, 1)
	s := scheduled(t, "twos", dests)
	counts := make([]int, 2)
	for range 200000 {
		counts[s.Pick(dests, &Flow{})]++
	}
	if _, unlikely := deviation(counts, []float64{0.5, 0.5}); !unlikely || counts[0] < counts[1] {
		t.Errorf("counts %v look even, want 2 to 1", counts)
	}
}

func TestTwosHasNobodyWhenNobodyIsFit(t *testing.T) {
	for _, dests := range [][]*Dest{nil, servers(0, 0)} {
		if got := scheduled(t, "twos", dests).Pick(dests, &Flow{}); got != -1 {
			t.Errorf("server %d of %v", got, dests)
		}
	}
}
