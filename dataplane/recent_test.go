package dataplane

import (
	"math/rand/v2"
	"testing"

	"lvsdr/conntrack"
	"lvsdr/dataplane/frame"
)

// lookupSlowly is lookup as ip_vs_service_find reads, with a walk for each step.
func lookupSlowly(all []*service, mark uint32, k *conntrack.Key) *service {
	find := func(want ServiceKey) *service {
		for _, s := range all {
			if s.cfg.Key == want {
				return s
			}
		}
		return nil
	}
	ftp := false
	for _, s := range all {
		ftp = ftp || s.cfg.Key.Port == ftpPort
	}
	steps := []ServiceKey{{Proto: k.Proto, Addr: k.Virtual, Port: k.VirtualPort}}
	if mark != 0 {
		steps = append([]ServiceKey{{Mark: mark, IPv6: !k.Virtual.Is4()}}, steps...)
	}
	if ftp && k.Proto == frame.ProtoTCP && (k.VirtualPort == ftpDataPort || k.VirtualPort >= 1024) {
		steps = append(steps, ServiceKey{Proto: k.Proto, Addr: k.Virtual, Port: ftpPort})
	}
	for _, want := range append(steps, ServiceKey{Proto: k.Proto, Addr: k.Virtual}) {
		if s := find(want); s != nil {
			return s
		}
	}
	return nil
}

// A randomKeys draws services and packets from a world so small that they meet.
type randomKeys struct{ *rand.Rand }

func (r randomKeys) addr() frame.Addr {
	if r.IntN(3) == 0 {
		return frame.Addr{0: 0x20, 15: byte(r.IntN(3))}
	}
	return frame.AddrFrom4([4]byte{192, 0, 2, byte(r.IntN(3))})
}

func (r randomKeys) proto() frame.Proto {
	return []frame.Proto{frame.ProtoTCP, frame.ProtoUDP, frame.ProtoSCTP}[r.IntN(3)]
}

func (r randomKeys) port() uint16 {
	return []uint16{0, ftpDataPort, ftpPort, 80, 443, 1024, 40000}[r.IntN(7)]
}

func (r randomKeys) service() ServiceKey {
	if r.IntN(6) == 0 {
		return ServiceKey{Mark: 1 + r.Uint32N(3), IPv6: r.IntN(2) == 0}
	}
	return ServiceKey{Proto: r.proto(), Addr: r.addr(), Port: r.port()}
}

func TestLookupFindsWhatAWalkFindsWhileServicesComeAndGo(t *testing.T) {
	r := randomKeys{rand.New(rand.NewPCG(5, 6))}
	var all services
	found, missed := 0, 0
	for range 3000 {
		k := r.service()
		if s := all.byKey[k]; s != nil {
			all.remove(s)
		} else {
			all.add(&service{cfg: ServiceConfig{Key: k}})
		}
		for range 20 {
			k, mark := conntrack.Key{Proto: r.proto(), Virtual: r.addr(), VirtualPort: r.port()}, r.Uint32N(4)
			got, want := all.lookup(mark, &k), lookupSlowly(all.sorted, mark, &k)
			if got != want {
				t.Fatalf("lookup(%d, %v port %d of %v) is %p, a walk finds %p", mark, k.Proto, k.VirtualPort, k.Virtual, got, want)
			}
			if got != nil {
				found++
			} else {
				missed++
			}
		}
	}
	if found < 10_000 || missed < 1000 {
		t.Errorf("%d look-ups found a service, %d none", found, missed)
	}
}

// Services whose keys have the same place among the recent ones take turns there.
func TestServicesThatShareAPlaceAreAllFound(t *testing.T) {
	var all services
	vip := frame.AddrFrom4([4]byte{192, 0, 2, 1})
	const ports = 4 << recentBits
	for port := uint16(1); port <= ports; port++ {
		all.add(&service{cfg: ServiceConfig{Key: ServiceKey{Proto: frame.ProtoTCP, Addr: vip, Port: port}}})
	}
	k := conntrack.Key{Proto: frame.ProtoTCP, Virtual: vip}
	for range 3 {
		for port := uint16(1); port <= ports; port++ {
			k.VirtualPort = port
			for range 2 {
				if s := all.lookup(0, &k); s == nil || s.cfg.Key.Port != port {
					t.Fatalf("port %d: %v", port, s)
				}
			}
		}
	}
}

func TestAServiceThatReplacedAnotherIsFound(t *testing.T) {
	var all services
	key := ServiceKey{Proto: frame.ProtoUDP, Addr: frame.AddrFrom4([4]byte{192, 0, 2, 1}), Port: 53}
	k := conntrack.Key{Proto: key.Proto, Virtual: key.Addr, VirtualPort: key.Port}
	for range 3 {
		s := &service{cfg: ServiceConfig{Key: key}}
		all.add(s)
		if got := all.lookup(0, &k); got != s {
			t.Fatalf("found %p, want the new service %p", got, s)
		}
		all.remove(s)
		if got := all.lookup(0, &k); got != nil {
			t.Fatalf("found %p, which was removed", got)
		}
	}
}

func TestLookupAllocatesNothing(t *testing.T) {
	var all services
	key := ServiceKey{Proto: frame.ProtoTCP, Addr: frame.AddrFrom4([4]byte{192, 0, 2, 1}), Port: 80}
	all.add(&service{cfg: ServiceConfig{Key: key}})
	k, other := conntrack.Key{Proto: key.Proto, Virtual: key.Addr, VirtualPort: 80}, conntrack.Key{Proto: key.Proto, Virtual: key.Addr, VirtualPort: 81}
	if n := testing.AllocsPerRun(100, func() { all.lookup(0, &k); all.lookup(7, &other) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
