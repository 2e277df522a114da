package ladder

import (
	"strings"
	"testing"
)

// BenchmarkLadder is the rungs that need no network, one unit (frame, look-up,
// choice) an operation:
//
//	go test -bench . ./bench/ladder
//	go test -bench Ladder/path/hit/1M -count 10 ./bench/ladder | tee new.txt
func BenchmarkLadder(b *testing.B) {
	rungs, err := Rungs(Options{})
	if err != nil {
		b.Fatal(err)
	}
	for _, r := range rungs {
		for _, s := range r.Candidates {
			if s.start == nil { // it has no unit of work on one thread
				continue
			}
			b.Run(r.Name+"/"+strings.ReplaceAll(s.Name, " ", ""), func(b *testing.B) {
				err := pinned(func() error { return benchmark(b, s, r.Metrics[0].Unit) })
				if err != nil {
					b.Fatal(err)
				}
			})
		}
	}
}

func benchmark(b *testing.B, s Candidate, unit string) error {
	w, err := s.start(b.Context())
	if err != nil {
		return err
	}
	b.ReportAllocs()
	b.ResetTimer()
	for done := 0; done < b.N; {
		for end := done + chunk; done < end && done < b.N; {
			done += w.step()
		}
		if w.rest != nil {
			b.StopTimer()
			w.rest()
			b.StartTimer()
		}
	}
	b.StopTimer()
	if unit == "ns/frame" {
		b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "frames/s")
	}
	return w.close(w.check())
}
