package dataplane_test

import (
	"bytes"
	"testing"

	"lvsdr/dataplane"
)

// Prepend gives the bytes right before the frame, as many as there are, and
// leaves the frame as it is.
func TestPrepend(t *testing.T) {
	mem := make([]byte, dataplane.Headroom+60)
	for i := range mem {
		mem[i] = byte(i)
	}
	p := dataplane.Packet{Front: mem[:dataplane.Headroom], Data: mem[dataplane.Headroom:]}
	for _, n := range []int{0, 20, 8, dataplane.Headroom - 28} {
		was := bytes.Clone(p.Data)
		got := p.Prepend(n)
		if len(got) != n || len(p.Data) != n+len(was) || !bytes.Equal(p.Data[n:], was) {
			t.Fatalf("%d bytes more: %d given, the frame is % x, was % x", n, len(got), p.Data, was)
		}
		if n > 0 && &got[0] != &p.Data[0] {
			t.Errorf("%d bytes more: they are not the frame's", n)
		}
	}
	if !bytes.Equal(p.Data, mem) {
		t.Errorf("the frame is % x, want all of the memory", p.Data)
	}
	if p.Prepend(1) != nil || len(p.Data) != len(mem) {
		t.Error("a byte was given that there is not")
	}
	alone := dataplane.Packet{Data: mem}
	if alone.Prepend(1) != nil {
		t.Error("a frame without room in front was made longer")
	}
}
