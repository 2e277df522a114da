package scheduler

import "fmt"

// weightedRoundRobin serves the servers in runs: heavy ones alone first, then
// together with ever lighter ones. Behaviour: ipvsadm(8) "wrr", measured on
// Linux 6.1 and 6.12.
//
// A pass walks the list and takes the servers whose weight reaches the current
// weight cw; at the end of the list cw falls by the gcd of the weights, and
// from 0 it starts again at the top weight.
type weightedRoundRobin struct {
	pos int // index of the last server tried; -1: before the head
	cw  int // current weight
	mw  int // top weight: greatest weight - (di - 1)
	di  int // gcd of the positive weights, 1 if there is none
}

func newWRR(dests []*Dest) *weightedRoundRobin {
	w := &weightedRoundRobin{}
	w.measure(dests)
	w.cw = w.mw
	return w
}

// Pick gives up once every server was tried at the lowest current weight. A
// search that begins in the middle of a lowest pass has seen only the servers
// behind it there, so it goes down once more and ends where it began.
func (w *weightedRoundRobin) Pick(dests []*Dest, _ *Flow) int {
	if w.mw == 0 {
		return -1
	}
	begin, wrapped := w.pos, false
	for first := true; ; first = false {
		end, final := len(dests), wrapped && w.cw <= w.di
		if final {
			end = begin + 1
		}
		for i := w.pos + 1; i < end; i++ {
			if d := dests[i]; d.available() && d.Weight >= w.cw {
				w.pos = i
				return i
			}
		}
		if final {
			w.pos = begin
			return -1
		}
		w.pos = -1
		if w.cw -= w.di; w.cw <= 0 {
			w.cw = w.mw
			if !first || begin < 0 {
				return -1
			}
			wrapped = true
		}
		w.cw = min(w.cw, w.highest(dests))
	}
}

// highest is the current weight of the first pass that an available server
// takes part in, or of the lowest one, 1. The passes before it find nobody, and
// there may be 2^31 of them.
func (w *weightedRoundRobin) highest(dests []*Dest) int {
	top := 0
	for _, d := range dests {
		if d.available() {
			top = max(top, d.Weight)
		}
	}
	return max(top-(w.di-1), 1)
}

// Update computes gcd and top weight anew and puts the position before the
// head, on any edit. The current weight survives as far as it still fits: so
// the first pass of a service whose servers are added one by one, the first of
// them alone having cw = 1, gives each server one connection.
func (w *weightedRoundRobin) Update(dests []*Dest, _ Change, _ int) {
	w.measure(dests)
	switch {
	case w.cw == 0 || w.cw > w.mw:
		w.cw = w.mw
	case w.di > 1:
		w.cw = w.cw/w.di*w.di + 1
	}
}

func (w *weightedRoundRobin) measure(dests []*Dest) {
	w.pos = -1
	w.di = gcdWeights(dests)
	w.mw = 0
	for _, d := range dests {
		w.mw = max(w.mw, d.Weight)
	}
	if w.mw > 0 {
		w.mw -= w.di - 1
	}
}

// gcdWeights is the greatest common divisor of the positive weights, 1 if
// there is none.
func gcdWeights(dests []*Dest) int {
	g := 0
	for _, d := range dests {
		g = gcd(d.Weight, g)
	}
	return max(g, 1)
}

// Clone copies the position.
func (w *weightedRoundRobin) Clone([]*Dest) Scheduler {
	c := *w
	return &c
}

// Describe says where in which pass it is.
func (w *weightedRoundRobin) Describe(dests []*Dest, _ *Flow) string {
	at := "before the head of the list"
	if w.pos >= 0 && w.pos < len(dests) {
		at = "at " + dests[w.pos].name()
	}
	return fmt.Sprintf("%s in the pass for weights of %d and more; the passes go from %d down in steps of %d", at, w.cw, w.mw, w.di)
}
