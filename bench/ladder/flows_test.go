package ladder

import (
	"math"
	"testing"
)

// The share of the k-th most popular flow is 1/(k+1)^s over the sum of all.
func TestZipfFollowsItsLaw(t *testing.T) {
	const n = 10_000
	for _, exponent := range []float64{ZipfExponent, 1.5} {
		z := Zipf(n, exponent)
		seen := make([]int, n)
		for range zipfDraws {
			seen[z.Next()]++
		}
		sum := 0.0
		for k := range n {
			sum += math.Pow(float64(k+1), -exponent)
		}
		for k := range 100 {
			want := zipfDraws * math.Pow(float64(k+1), -exponent) / sum
			got := float64(seen[scatter(uint32(k), n)])
			if math.Abs(got-want) > 5*math.Sqrt(want) { // five standard deviations
				t.Errorf("exponent %g: flow of rank %d came %.0f times, want %.0f", exponent, k, got, want)
			}
		}
	}
}

func TestScatterIsAPermutation(t *testing.T) {
	for _, n := range []uint32{1, 2, 4096, 10_000, 1 << 16, 99_991} {
		seen := make([]bool, n)
		for rank := range n {
			f := scatter(rank, n)
			if seen[f] {
				t.Fatalf("of %d, %d comes twice", n, f)
			}
			seen[f] = true
		}
	}
}

func TestUniformGivesAllFlowsAlike(t *testing.T) {
	const n, each = 1000, 1000
	u := Uniform(n)
	seen := make([]int, n)
	for range n * each {
		seen[u.Next()]++
	}
	for f, got := range seen {
		if math.Abs(float64(got-each)) > 6*math.Sqrt(each) {
			t.Errorf("flow %d came %d times, want %d", f, got, each)
		}
	}
}
