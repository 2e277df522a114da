package site

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"lvsdr/control/health"
	"lvsdr/control/keepalived"
	"lvsdr/dataplane"
	"lvsdr/dataplane/frame"
)

// large is a site of services with 10 servers each, all checked; weight is that
// of the first server of the last service.
func large(services int, weight uint32) *keepalived.Config {
	cfg := &keepalived.Config{Global: keepalived.Global{DRCheck: true}}
	for i := range services {
		vs := &keepalived.VirtualServer{Addr: netip.AddrFrom4([4]byte{192, 168, 1, byte(100 + i%100)}), Port: uint16(1 + i/100), Protocol: frame.ProtoTCP, Scheduler: "wlc", Quorum: 1}
		for n := range 10 {
			ip := netip.AddrFrom4([4]byte{10, byte(i >> 8), byte(i), byte(101 + n)})
			vs.RealServers = append(vs.RealServers, &keepalived.RealServer{Addr: ip, Port: vs.Port, Weight: 1,
				Checks: []*keepalived.Check{{Kind: keepalived.TCPCheck, ConnectIP: ip, ConnectPort: vs.Port}}})
		}
		cfg.VirtualServers = append(cfg.VirtualServers, vs)
	}
	cfg.VirtualServers[services-1].RealServers[0].Weight = weight
	return cfg
}

const manyServices = 3000

// apply is a state after an event, and what there is to do about it.
func apply(t testing.TB, s *State, e Event) (*State, Changes) {
	next, _, err := s.Apply(e)
	if err != nil {
		t.Fatal(err)
	}
	return next, Compare(s, next)
}

// largeState is a state that has loaded large.
func largeState(t testing.TB) *State {
	s, c := apply(t, New(Options{DRChecks: true}), Loaded{Config: large(manyServices, 1), Host: network()})
	if len(c.Edits) != 11*manyServices || len(s.Problems()) > 0 {
		t.Fatalf("%d edits, problems %q", len(c.Edits), s.Problems())
	}
	return s
}

func TestOnALargeSiteEachEventCostsWhatItChanges(t *testing.T) {
	s := largeState(t)
	id := s.Checks()[12345].ID
	server := dataplane.ServerConfig{Addr: addr("10.1.1.200"), Port: 1, Weight: 1}
	for _, c := range []struct {
		law    string
		e      Event
		edits  int
		hops   int
		allocs float64 // at most
	}{
		{"a result", Checked{ID: id, Result: health.Result{Reason: "refused"}}, 1, 0, 150},
		{"a MAC address", Neighbour{netip.MustParseAddr("10.1.1.101"), 3, frame.MAC{2, 1}}, 0, 1, 60},
		{"an edit", Admin{[]Edit{{Op: AddServer, Service: config4(tcp("192.168.1.100", 1), ""), Server: server}}}, 1, 1, 200},
		{"a VIP", Activate{netip.MustParseAddr("192.168.1.100"), true}, 0, 0, 60},
		{"a reload with another weight", Loaded{Config: large(manyServices, 2), Host: s.host}, 1, 0, 500},
	} {
		_, changes := apply(t, s, c.e)
		if len(changes.Edits) != c.edits || len(changes.Hops) != c.hops {
			t.Errorf("%s: edits %v, hops %v", c.law, changes.Edits, changes.Hops)
		}
		if n := testing.AllocsPerRun(1, func() { apply(t, s, c.e) }); n > c.allocs {
			t.Errorf("%s: %v allocations, want at most %v", c.law, n, c.allocs)
		}
	}
}

func BenchmarkResult(b *testing.B) {
	s := largeState(b)
	id := s.Checks()[12345].ID
	b.ReportAllocs()
	for up := false; b.Loop(); up = !up {
		s, _ = apply(b, s, Checked{ID: id, Result: health.Result{Up: up}})
	}
}

func BenchmarkNeighbour(b *testing.B) {
	s := largeState(b)
	b.ReportAllocs()
	for i := byte(0); b.Loop(); i++ {
		s, _ = apply(b, s, Neighbour{netip.MustParseAddr("10.1.1.101"), 3, frame.MAC{2, i}})
	}
}

func BenchmarkReloadOfOneWeight(b *testing.B) {
	s := largeState(b)
	configs := []*keepalived.Config{large(manyServices, 2), large(manyServices, 1)}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		s, _ = apply(b, s, Loaded{Config: configs[i%2], Host: s.host})
	}
}

func BenchmarkFirstLoad(b *testing.B) {
	cfg := large(manyServices, 1)
	b.ReportAllocs()
	for b.Loop() {
		apply(b, New(Options{DRChecks: true}), Loaded{Config: cfg, Host: network()})
	}
}

func BenchmarkRestore(b *testing.B) {
	var e Admin
	for i := range 100 {
		k := tcp(fmt.Sprintf("192.168.1.%d", 100+i), 80)
		e.Edits = append(e.Edits, Edit{Op: AddService, Service: config4(k, "wlc")})
		for n := range 10 {
			e.Edits = append(e.Edits, Edit{Op: AddServer, Service: config4(k, ""), Server: dataplane.ServerConfig{Addr: addr(fmt.Sprintf("10.0.%d.%d", i, 11+n)), Port: 80, Weight: 1}})
		}
	}
	s, _ := apply(b, New(Options{}), HostChanged{network()})
	b.ReportAllocs()
	for b.Loop() {
		apply(b, s, e)
	}
	b.ReportMetric(float64(b.Elapsed()/time.Duration(b.N)/time.Duration(len(e.Edits))), "ns/edit")
}
