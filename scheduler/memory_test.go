package scheduler

import (
	"math/rand"
	"testing"
)

// A memory remembers exactly the addresses asked for last, as many as it may.
func TestMemoryForgetsTheLeastRecentlyUsed(t *testing.T) {
	const limit = 8
	r := rand.New(rand.NewSource(1))
	m := newMemory[int](limit)
	var recent []int // the last used one first
	used := map[int]int64{}
	for now := range int64(20000) {
		n := r.Intn(12)
		v, idle := m.recall(address(n), now)
		at := -1
		for i, o := range recent {
			if o == n {
				at = i
			}
		}
		switch {
		case (v != nil) != (at >= 0):
			t.Fatalf("at %d address %d is known: %v, want %v", now, n, v != nil, at >= 0)
		case v != nil:
			if *v != n || idle != now-used[n] {
				t.Fatalf("address %d has the value %d, unused for %d, want %d", n, *v, idle, now-used[n])
			}
			recent = append(recent[:at], recent[at+1:]...)
		default:
			*m.add(address(n), now) = n
			recent = recent[:min(len(recent), limit-1)]
		}
		recent = append([]int{n}, recent...)
		used[n] = now
	}
}

func BenchmarkMemory(b *testing.B) {
	m := newMemory[*Dest](localityLimit)
	for n := 0; b.Loop(); n++ {
		if v, _ := m.recall(address(n%(2*localityLimit)), int64(n)); v == nil {
			m.add(address(n%(2*localityLimit)), int64(n))
		}
	}
}
