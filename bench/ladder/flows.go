package ladder

import "math/rand/v2"

// ZipfExponent is how fast popularity falls in the zipf rungs, unless Options
// say otherwise.
const ZipfExponent = 1.1

// A Flows is an endless sequence of flow numbers. It is not safe for
// concurrent use.
type Flows struct {
	n     uint32
	state uint64   // of the uniform generator
	drawn []uint32 // of the zipf law, in a circle; nil: uniform
	at    int
}

// Uniform is a sequence in which all of n flows are alike.
func Uniform(n int) *Flows { return &Flows{n: uint32(n), state: 1} }

// zipfDraws is how many numbers of the zipf law are drawn beforehand, because
// one costs more than forwarding a frame. A power of 2.
const zipfDraws = 1 << 21

// Zipf is a sequence of n flows with popularity by Zipf's law: the k-th most
// popular flow, from 0, has a share proportional to 1/(k+1)^exponent, which
// must be greater than 1. Which flows are the popular ones has no pattern.
// After 2^21 numbers it begins again.
func Zipf(n int, exponent float64) *Flows {
	z := rand.NewZipf(rand.New(rand.NewPCG(1, 2)), exponent, 1, uint64(n-1))
	f := &Flows{n: uint32(n), drawn: make([]uint32, zipfDraws)}
	for i := range f.drawn {
		f.drawn[i] = scatter(uint32(z.Uint64()), uint32(n))
	}
	return f
}

// scatter is a permutation of the numbers below n: the factor is a prime
// greater than any n.
func scatter(rank, n uint32) uint32 { return uint32(uint64(rank) * 2654435761 % uint64(n)) }

// Again returns the same sequence from its start.
func (f *Flows) Again() *Flows { return &Flows{n: f.n, state: 1, drawn: f.drawn} }

// Next is the next flow number.
func (f *Flows) Next() uint32 {
	if f.drawn != nil {
		f.at = (f.at + 1) & (zipfDraws - 1)
		return f.drawn[f.at]
	}
	// Knuth's MMIX generator; the high bits are the good ones.
	f.state = f.state*6364136223846793005 + 1442695040888963407
	return uint32(f.state >> 32 * uint64(f.n) >> 32)
}
