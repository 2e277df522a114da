package scheduler

import (
	"fmt"
	"testing"
)

// BenchmarkPick is one choice among 1000 servers: all fit, and where only the
// lightest one is.
func BenchmarkPick(b *testing.B) {
	const n = 1000
	for _, name := range rounds {
		for _, lonely := range []bool{false, true} {
			b.Run(fmt.Sprintf("%s/servers=%d/lonely=%v", name, n, lonely), func(b *testing.B) {
				var dests []*Dest
				for i := range n {
					dests = append(dests, &Dest{Weight: 1 + i, Overloaded: lonely && i > 0})
				}
				s, err := New(name, dests)
				if err != nil {
					b.Fatal(err)
				}
				f := &Flow{}
				b.ReportAllocs()
				for b.Loop() {
					if s.Pick(dests, f) < 0 {
						b.Fatal("nobody is fit")
					}
				}
			})
		}
	}
}
