package scheduler

import "testing"

// slowDH fills 256 buckets with the servers in turn.
func slowDH(list []*Dest, f *Flow) *Dest {
	var buckets []*Dest
	for len(list) > 0 && len(buckets) < 256 {
		buckets = append(buckets, list...)
	}
	if len(list) == 0 {
		return nil
	}
	return onlyFit(buckets[slowHash(number32(f.Dst))])
}

func onlyFit(d *Dest) *Dest {
	if len(fit([]*Dest{d})) == 0 {
		return nil
	}
	return d
}

func TestDHLaws(t *testing.T) {
	dests := servers(1, 9, 1)
	s := scheduled(t, "dh", dests)
	shares := make([]int, 3)
	for n := range 3 * 4096 {
		f := flowTo(n)
		i := s.Pick(dests, f)
		f.Src, f.SrcPort = address(n*7), uint16(n)
		if again := s.Pick(dests, f); again != i {
			t.Fatalf("destination %d goes to %d, and then to %d of another client", n, i, again)
		}
		shares[i]++
	}
	for i, n := range shares {
		if n < 3900 || n > 4300 {
			t.Errorf("server %d has %d of %d addresses, whatever the weights it should be a third", i, n, 3*4096)
		}
	}
	dests[1].Weight = 0
	s.Update(dests, Edited, 1)
	lost := 0
	for n := range 3 * 4096 {
		if s.Pick(dests, &Flow{Dst: address(n), Flags: Fallback}) < 0 {
			lost++
		}
	}
	if lost != shares[1] {
		t.Errorf("%d addresses have nobody, want the %d of the quiesced server", lost, shares[1])
	}
}
