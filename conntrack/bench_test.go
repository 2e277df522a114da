package conntrack

import (
	"fmt"
	"math/rand"
	"testing"

	"lvsdr/dataplane/frame"
)

// benchTable is a table of n connections and their keys in random order.
func benchTable(b *testing.B, n int) (*Table, []Key) {
	t, err := New(Config{Limit: n, Secret: [16]byte{1}})
	if err != nil {
		b.Fatal(err)
	}
	var keys []Key
	for i := range n {
		k := Key{Client: frame.AddrFrom4([4]byte{10, 0, byte(i >> 16), byte(i >> 24)}), Virtual: vip,
			ClientPort: uint16(i), VirtualPort: 80, Proto: frame.ProtoTCP}
		e := t.Insert(&k, t.Hash(&k), 1, nil, 0)
		if e == nil {
			continue // one in 10^4, see TestFewFindNoRoom
		}
		t.SetState(e, Established)
		t.Refresh(e, 0)
		keys = append(keys, k)
	}
	rand.New(rand.NewSource(1)).Shuffle(len(keys), func(i, j int) { keys[i], keys[j] = keys[j], keys[i] })
	return t, keys
}

// BenchmarkHit is the look-up and refresh of a known connection in a table at
// its limit, hash included, keys in random order.
func BenchmarkHit(b *testing.B) {
	for _, n := range []int{10_000, 1_000_000} {
		b.Run(fmt.Sprintf("conns=%d", n), func(b *testing.B) {
			t, keys := benchTable(b, n)
			b.ReportAllocs()
			i := 0
			for b.Loop() {
				k := &keys[i]
				if i++; i == len(keys) {
					i = 0
				}
				e := t.Find(k, t.Hash(k), 1)
				if e == nil {
					b.Fatal("not found")
				}
				t.Refresh(e, 1)
			}
		})
	}
}

// BenchmarkInsertRemove is one connection made and removed beside n others.
func BenchmarkInsertRemove(b *testing.B) {
	for _, n := range []int{10_000, 1_000_000} {
		b.Run(fmt.Sprintf("conns=%d", n), func(b *testing.B) {
			t, keys := benchTable(b, n)
			b.ReportAllocs()
			i := 0
			for b.Loop() {
				k := &keys[i]
				if i++; i == len(keys) {
					i = 0
				}
				h := t.Hash(k)
				t.Remove(t.Find(k, h, 1))
				e := t.Insert(k, h, 1, nil, 1)
				t.SetState(e, Established)
				t.Refresh(e, 1)
			}
		})
	}
}

// BenchmarkSweep is a sweep over all of a table at its limit; nothing is due.
func BenchmarkSweep(b *testing.B) {
	t, _ := benchTable(b, 1_000_000)
	b.ReportAllocs()
	for b.Loop() {
		t.Sweep(1, t.Chunks())
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(t.Len()), "ns/entry")
}
