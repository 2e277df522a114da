package dataplane

import (
	"bytes"
	"math/rand/v2"
	"testing"
)

// Kept fragments have the room of fragHeld, whatever comes and goes: none is lost while there is room, none is kept
// without, and each is as it was.
func TestKeptFragmentsHaveTheirRoom(t *testing.T) {
	for seed := range uint64(5) {
		r := rand.New(rand.NewPCG(seed, 1))
		f := newFragments([16]byte{byte(seed)})
		datagrams := make([]datagram, 40)
		model := make([][][]byte, len(datagrams))
		kept := 0
		for step := range 5000 {
			i := r.IntN(len(datagrams))
			d := &datagrams[i]
			if r.IntN(30) == 0 {
				f.forget(d)
				kept -= len(model[i])
				model[i] = nil
				continue
			}
			data := bytes.Repeat([]byte{byte(step)}, 1+r.IntN(fragHeldSize+200))
			want := kept < fragHeld && len(data) <= fragHeldSize
			if got := f.hold(d, data, 0); got != want {
				t.Fatalf("seed %d, step %d: %d bytes beside %d fragments: kept %v, want %v", seed, step, len(data), kept, got, want)
			}
			if want {
				kept++
				model[i] = append(model[i], data)
			}
			at := d.held
			for n, data := range model[i] {
				h := &f.held[at-1]
				if !bytes.Equal(h.data[:h.n], data) {
					t.Fatalf("seed %d, step %d: fragment %d of a datagram is another one", seed, step, n)
				}
				at = h.next
			}
			if at != 0 {
				t.Fatalf("seed %d, step %d: a datagram has more than its %d fragments", seed, step, len(model[i]))
			}
		}
	}
}

// Memory that no fragment has needed yet is not touched: a start would wait for it.
func TestNoFragmentTakesNoMemory(t *testing.T) {
	if f := newFragments([16]byte{}); f.used != 0 || f.free != 0 || f.full() {
		t.Errorf("%d used, %d free, full %v", f.used, f.free, f.full())
	}
}
