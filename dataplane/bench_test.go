package dataplane_test

import (
	"fmt"
	"testing"

	"lvsdr/dataplane"
)

// BenchmarkProcess is the whole decision and rewriting of a batch, without a
// port: packets of known connections, and new connections. Its frames/s are
// the ceiling of one worker. Putting the frames back is part of it.
func BenchmarkProcess(b *testing.B) {
	for _, n := range []int{1, 64} {
		b.Run(fmt.Sprintf("hit/batch=%d", n), func(b *testing.B) {
			l := furnish(newLab(b, unlimited, 1<<16))
			for i := range n {
				l.handshake(uint16(1000+i), 80)
			}
			benchLoad(b, newLoad(l, n, false, func(i int) []byte { return tcp(uint16(1000+i), 80, "A") }), dataplane.Hit)
		})
		b.Run(fmt.Sprintf("new/batch=%d", n), func(b *testing.B) {
			// Half-open connections, so that older ones make room when the
			// table is full.
			l := furnish(newLab(b, unlimited, 1<<20))
			benchLoad(b, newLoad(l, n, true, func(int) []byte { return tcp(1, 80, "S") }), dataplane.Scheduled)
		})
	}
}

func benchLoad(b *testing.B, w *load, reason dataplane.Reason) {
	b.ReportAllocs()
	for b.Loop() {
		w.turn()
	}
	if !w.all(reason) && w.port < 1<<24 { // ports and addresses begin anew
		b.Fatalf("the last batch was %s", w.l.batch.Packets[0].Reason)
	}
	b.ReportMetric(float64(b.N*len(w.frames))/b.Elapsed().Seconds(), "frames/s")
}

// BenchmarkCounters measures a scrape.
func BenchmarkCounters(b *testing.B) {
	l := defaultLab(b)
	b.ReportAllocs()
	for b.Loop() {
		l.d.Counters()
	}
}
