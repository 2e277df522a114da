//go:build long

package conntrack

import (
	"errors"
	"testing"
)

// The registry refuses one more than MaxDests, and takes one again as soon as
// another is forgotten.
func TestDestsAreLimited(t *testing.T) {
	d := &Dests{}
	var last DestRef
	for i := range MaxDests {
		ref, _, err := d.Add(destKey(i), Direct)
		if err != nil || ref.Slot() != uint32(i) {
			t.Fatalf("destination %d: slot %d, %v", i, ref.Slot(), err)
		}
		last = ref
	}
	if _, _, err := d.Add(destKey(MaxDests), Direct); !errors.Is(err, ErrDestsFull) {
		t.Errorf("one more: %v, want %v", err, ErrDestsFull)
	}
	d.Remove(last, 0)
	d.Forget(last)
	if ref, _, err := d.Add(destKey(MaxDests), Direct); err != nil || ref.Slot() != last.Slot() || ref == last {
		t.Errorf("after one was forgotten: %d, %v", ref, err)
	}
}
