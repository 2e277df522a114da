package scheduler

import (
	"net/netip"
	"testing"
)

// number32 is an address as a number: for IPv6 the xor of its four words.
func number32(a [16]byte) uint64 {
	b := netip.AddrFrom16(a).Unmap().AsSlice()
	sum := uint64(0)
	for ; len(b) > 0; b = b[4:] {
		sum ^= uint64(b[0])<<24 + uint64(b[1])<<16 + uint64(b[2])<<8 + uint64(b[3])
	}
	return sum
}

// client32 is A + P, modulo 2^32.
func client32(f *Flow) uint64 {
	a := number32(f.Src)
	if f.Flags&HashPort != 0 {
		a += uint64(f.SrcPort)
	}
	return a % (1 << 32)
}

// slowHash is the multiplicative hash, without bits that fall off an edge.
func slowHash(v uint64) uint64 { return v % (1 << 32) * 0x61c88647 % (1 << 32) >> 24 }

// slowSH fills 256 buckets with each server as often as its weight, and looks.
func slowSH(list []*Dest, f *Flow) *Dest {
	if len(list) == 0 {
		return nil
	}
	var buckets []*Dest
	for len(buckets) < 256 {
		for _, d := range list {
			for range max(1, d.Weight) {
				buckets = append(buckets, d)
			}
		}
	}
	h := slowHash(client32(f))
	if d := onlyFit(buckets[h]); d != nil || f.Flags&Fallback == 0 {
		return d
	}
	for o := range uint64(256) {
		if d := onlyFit(buckets[(h+(h+o)%256)%256]); d != nil {
			return d
		}
	}
	return nil
}

// affinity checks the laws of a scheduler that hashes clients: servers have
// shares by weight, a client keeps its server, a quiesced server's clients are
// refused without Fallback and go elsewhere with it, and no other client moves.
func affinity(t *testing.T, name string, tolerance float64) {
	dests := servers(1, 2, 5)
	s := scheduled(t, name, dests)
	const clients = 8000
	before, shares := map[int]int{}, map[int]int{}
	for n := range clients {
		f := flowFrom(n * 2654435761 % (1 << 24))
		before[n] = s.Pick(dests, f)
		shares[before[n]]++
		f.SrcPort, f.Dst, f.DstPort = f.SrcPort+1, address(n), 443
		if again := s.Pick(dests, f); again != before[n] {
			t.Fatalf("client %d goes to %d, and from another port to %d", n, before[n], again)
		}
	}
	for i, d := range dests {
		want := float64(clients) * float64(d.Weight) / 8
		if got := float64(shares[i]); got < want*(1-tolerance) || got > want*(1+tolerance) {
			t.Errorf("server %d of weight %d has %v of %d clients, want about %v", i, d.Weight, got, clients, want)
		}
	}
	dests[2].Overloaded = true
	for n := range clients {
		f := flowFrom(n * 2654435761 % (1 << 24))
		got := s.Pick(dests, f)
		f.Flags = Fallback
		other := s.Pick(dests, f)
		switch {
		case before[n] != 2 && (got != before[n] || other != got):
			t.Fatalf("client %d moved from %d to %d, with fallback %d, without need", n, before[n], got, other)
		case before[n] == 2 && (got != -1 || other < 0 || other == 2):
			t.Fatalf("client %d of the overloaded server got %d, with fallback %d", n, got, other)
		}
	}
}

func TestSHKeepsClients(t *testing.T) { affinity(t, "sh", 0.1) }

func TestSHLaws(t *testing.T) {
	dests := servers(0, 0)
	s := scheduled(t, "sh", dests)
	if got := s.Pick(dests, &Flow{Flags: Fallback}); got != -1 {
		t.Errorf("server %d of weight 0 was chosen", got)
	}
	dests = servers(0, 1<<31-1)
	s = scheduled(t, "sh", dests)
	refused := 0
	for n := range 1 << 16 {
		if s.Pick(dests, flowFrom(n<<8)) < 0 {
			refused++
		}
	}
	if refused < 250 || refused > 262 {
		t.Errorf("a server of weight 0 has %d of 65536 clients, want the share of one bucket, about 256", refused)
	}
	ports := map[int]bool{}
	for port := range uint16(2000) {
		dests[0].Weight = 1
		ports[s.Pick(dests, &Flow{SrcPort: port << 5, Flags: HashPort})] = true
	}
	if len(ports) != 2 {
		t.Errorf("one client's ports go to %v with the port hashed, want both servers", ports)
	}
}
