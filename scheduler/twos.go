package scheduler

import "math/rand/v2"

// twos draws two fit servers with the weights as odds and takes the one with
// less load for its weight, the first drawn on a tie. Behaviour: keepalived's
// "twos" and the kernel's; ipvsadm 1.31 takes the name, too.
//
// The draws are those of a generator that begins the same in every service, so
// that a scenario is played the same twice. Foreseeing them gains nothing:
// they choose a server, they keep no secret.
type twos struct {
	random *rand.Rand
	source *rand.PCG // what random draws from
}

func newTwos() twos { return twosFrom(rand.NewPCG(0x7477, 0x6f73)) }

func twosFrom(source *rand.PCG) twos { return twos{rand.New(source), source} }

// Pick draws twice, also where one server alone is fit.
func (t twos) Pick(dests []*Dest, _ *Flow) int {
	sum := uint64(0)
	for _, d := range dests {
		if d.Fit() {
			sum += uint64(d.Weight)
		}
	}
	if sum == 0 {
		return -1
	}
	// The sum is among the numbers drawn, and so is 0, which goes to the first
	// server: it is a little favoured.
	one := drawn(dests, t.random.Uint64N(sum+1))
	two := drawn(dests, t.random.Uint64N(sum+1))
	a, b := dests[one], dests[two]
	if connections.of(b)*uint64(a.Weight) < connections.of(a)*uint64(b.Weight) {
		return two
	}
	return one
}

// Update has nothing to do.
func (twos) Update([]*Dest, Change, int) {}

// drawn is the server at which the weights of the fit ones, added up in list
// order, reach n. There must be one.
func drawn(dests []*Dest, n uint64) int {
	for i, d := range dests {
		if !d.Fit() {
			continue
		}
		w := uint64(d.Weight)
		if n <= w {
			return i
		}
		n -= w
	}
	return -1
}

// Clone draws what the original would draw.
func (t twos) Clone([]*Dest) Scheduler {
	source := *t.source
	return twosFrom(&source)
}

// Describe is honest about chance.
func (twos) Describe([]*Dest, *Flow) string {
	return "two are drawn at random, with the weights as odds, and the one with less load, " +
		"(256 × active + inactive connections) / weight, is taken; every new connection moves the draw on"
}
