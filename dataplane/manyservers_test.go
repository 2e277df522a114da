package dataplane

import (
	"testing"

	"lvsdr/dataplane/frame"
)

// BenchmarkAddManyServices is the start of a director with a great group: 4096
// services of 10 servers.
func BenchmarkAddManyServices(b *testing.B) {
	for b.Loop() {
		d, err := New(Config{})
		if err != nil {
			b.Fatal(err)
		}
		for i := range 4096 {
			k := ServiceKey{Proto: 6, Addr: frame.AddrFrom4([4]byte{10, 0, 0, 1}), Port: uint16(i + 1)}
			if err := d.AddService(ServiceConfig{Key: k, Scheduler: "rr"}); err != nil {
				b.Fatal(err)
			}
			for j := range 10 {
				if err := d.AddServer(k, ServerConfig{Addr: frame.AddrFrom4([4]byte{10, 0, 1, byte(j)}), Port: k.Port, Weight: 1}); err != nil {
					b.Fatal(err)
				}
			}
		}
	}
}
