package metrics

import (
	"fmt"
	"net/http/httptest"
	"testing"
)

// A scrape of 3000 services with ten checked servers each, but for the status itself.
func BenchmarkScrape3000x10(b *testing.B) {
	st := status()
	service := st.Services[0]
	st.Services = nil
	for s := range 3000 {
		one := service
		one.Address, one.Servers = addr(fmt.Sprintf("10.1.%d.%d", s/250, s%250+1)), nil
		for r := range 10 {
			one.Servers = append(one.Servers, server(fmt.Sprintf("10.2.0.%d", r+1)))
		}
		st.Services = append(st.Services, one)
	}
	h := Handler(source(b, st))
	for _, encoding := range []string{"identity", "gzip"} {
		b.Run(encoding, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				w, r := httptest.NewRecorder(), httptest.NewRequest("GET", "/metrics", nil)
				r.Header.Set("Accept-Encoding", encoding)
				h.ServeHTTP(w, r)
				b.ReportMetric(float64(w.Body.Len()), "answer-B")
			}
		})
	}
}
