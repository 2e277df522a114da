package dataplane

import (
	"fmt"
	"testing"

	"lvsdr/conntrack"
	"lvsdr/dataplane/frame"
)

// crowd is a site of many services with some servers each; the first servers of
// all have the same addresses.
type crowd struct{ services, servers int }

func (c crowd) key(i int) ServiceKey {
	return ServiceKey{Proto: frame.ProtoTCP, Addr: frame.AddrFrom4([4]byte{10, 0, byte(i >> 12), 1}), Port: uint16(i%4096 + 1)}
}

func (c crowd) server(i, j int) ServerConfig {
	return ServerConfig{Addr: crowdServer(j), Port: c.key(i).Port, Weight: 1}
}

func crowdServer(j int) frame.Addr {
	return frame.AddrFrom4([4]byte{10, 1, byte(j >> 8), byte(j)})
}

// config is that of service i.
func (c crowd) config(i int) ServiceConfig {
	return ServiceConfig{Key: c.key(i), Scheduler: "rr"}
}

// fill adds all of it in one transaction.
func (c crowd) fill(t testing.TB, d *Director) {
	d.Edit(0, func(tx *Tx) {
		for i := range c.services {
			if err := tx.AddService(c.config(i)); err != nil {
				t.Fatal(err)
			}
			for j := range c.servers {
				if err := tx.AddServer(c.key(i), c.server(i, j)); err != nil {
					t.Fatal(err)
				}
			}
		}
	})
}

// empty is a director without services that knows the servers' neighbours.
func (c crowd) empty(t testing.TB) *Director {
	d, err := New(Config{Workers: 4, Conns: conntrack.Config{Limit: 1 << 14}})
	if err != nil {
		t.Fatal(err)
	}
	for j := range c.servers {
		d.SetNeighbour(crowdServer(j), frame.MAC{2, 1, 0, 0, byte(j >> 8), byte(j)}, Link{Index: 2})
	}
	return d
}

func (c crowd) director(t testing.TB) *Director {
	d := c.empty(t)
	c.fill(t, d)
	return d
}

var crowds = []crowd{{3000, 10}, {10000, 4}, {4, 2000}}

func (c crowd) String() string { return fmt.Sprintf("%dx%d", c.services, c.servers) }

// BenchmarkLoad is the start of a director with many services, in one
// transaction.
func BenchmarkLoad(b *testing.B) {
	for _, c := range crowds {
		b.Run(c.String(), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				b.StopTimer()
				d := c.empty(b)
				b.StartTimer()
				c.fill(b, d)
			}
		})
	}
}

// BenchmarkLoadEditByEdit is the same by single edits.
func BenchmarkLoadEditByEdit(b *testing.B) {
	for _, c := range crowds {
		b.Run(c.String(), func(b *testing.B) {
			for b.Loop() {
				b.StopTimer()
				d := c.empty(b)
				b.StartTimer()
				for i := range c.services {
					if err := d.AddService(c.config(i)); err != nil {
						b.Fatal(err)
					}
					for j := range c.servers {
						if err := d.AddServer(c.key(i), c.server(i, j)); err != nil {
							b.Fatal(err)
						}
					}
				}
			}
		})
	}
}

// BenchmarkUnload removes all services, and forgets the servers.
func BenchmarkUnload(b *testing.B) {
	for _, c := range crowds {
		b.Run(c.String(), func(b *testing.B) {
			for b.Loop() {
				b.StopTimer()
				d := c.director(b)
				b.StartTimer()
				d.Edit(1, func(tx *Tx) {
					for i := range c.services {
						if err := tx.DelService(c.key(i)); err != nil {
							b.Fatal(err)
						}
					}
				})
				d.Sweep(2+trashTime, d.Chunks())
				if d.dests.Len() != 0 {
					b.Fatalf("%d servers are remembered", d.dests.Len())
				}
			}
		})
	}
}

// BenchmarkServices is one listing of all services.
func BenchmarkServices(b *testing.B) {
	for _, c := range crowds {
		b.Run(c.String(), func(b *testing.B) {
			d := c.director(b)
			b.ReportAllocs()
			for b.Loop() {
				if n := len(d.Services()); n != c.services {
					b.Fatal(n)
				}
			}
		})
	}
}
