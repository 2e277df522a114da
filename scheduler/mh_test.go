package scheduler

import "testing"

// slowMH fills the 4093 places by going through them as every server would, and
// looks.
func slowMH(list []*Dest, f *Flow) *Dest {
	places := slowPlaces(list)
	if len(places) == 0 {
		return nil
	}
	h := slowMHHash(2654435761, client32(f)) % 4093
	if d := onlyFit(places[h]); d != nil || f.Flags&Fallback == 0 {
		return d
	}
	for o := range uint64(4093) {
		if d := onlyFit(places[slowMHHash(2654435761, client32(f)+(h+o)%4093)%4093]); d != nil {
			return d
		}
	}
	return nil
}

func slowMHHash(k, v uint64) uint64 {
	key := make([]byte, 16)
	for i := range 4 { // the number is of 32 bits, the rest is zero
		key[i], key[8+i] = byte(k>>(8*i)), byte(k>>(8*i))
	}
	return slowSIP(1, 3, key, []byte{byte(v), byte(v >> 8), byte(v >> 16), byte(v >> 24)}) % (1 << 32)
}

func slowPlaces(list []*Dest) map[uint64]*Dest {
	last := func(d *Dest) int {
		if d.Weight == 0 {
			return d.LastWeight
		}
		return d.Weight
	}
	greatest := 0
	for _, d := range list {
		greatest = max(greatest, last(d))
	}
	if greatest == 0 {
		return nil
	}
	divisor := greatest
	for divides := false; !divides; {
		divides = true
		for _, d := range list {
			divides = divides && last(d)%divisor == 0
		}
		if !divides {
			divisor--
		}
	}
	halves := 1
	for greatest/divisor/halves >= 64 {
		halves *= 2
	}
	order := make([][]uint64, len(list))
	for i, d := range list {
		v := number32(d.Addr) + uint64(d.Port)
		offset, skip := slowMHHash(2654435761, v)%4093, slowMHHash(2654446892, v)%4092+1
		for n := range uint64(4093) {
			order[i] = append(order[i], (offset+n*skip)%4093)
		}
	}
	places := map[uint64]*Dest{}
	for len(places) < 4093 {
		for i, d := range list {
			turns := last(d) / divisor / halves
			if last(d) > 0 {
				turns = max(turns, 1)
			}
			for ; turns > 0 && len(places) < 4093; turns-- {
				for places[order[i][0]] != nil {
					order[i] = order[i][1:]
				}
				places[order[i][0]] = d
			}
		}
	}
	return places
}

func TestMHKeepsClients(t *testing.T) { affinity(t, "mh", 0.1) }

// Quiescing moves nobody; removal moves the clients of the server removed, and
// few others.
func TestMHMovesFewClients(t *testing.T) {
	dests := servers(1, 1, 1, 1, 1, 1, 1, 1, 1, 1)
	s := scheduled(t, "mh", dests)
	const clients = 4000
	var before [clients]*Dest
	for n := range clients {
		before[n] = dests[s.Pick(dests, flowFrom(n))]
	}
	gone := dests[4]
	gone.Weight = 0
	s.Update(dests, Edited, 4)
	for n := range clients {
		if i := s.Pick(dests, flowFrom(n)); i >= 0 && dests[i] != before[n] || i < 0 && before[n] != gone {
			t.Fatalf("client %d moved when a server was quiesced", n)
		}
	}
	dests = append(dests[:4:4], dests[5:]...)
	s.Update(dests, Removed, 4)
	moved := 0
	for n := range clients {
		if d := dests[s.Pick(dests, flowFrom(n))]; d != before[n] && before[n] != gone {
			moved++
		}
	}
	if moved == 0 || moved > clients/10 {
		t.Errorf("%d of %d clients of other servers moved, want some, but less than a tenth", moved, clients)
	}
}

func TestMHServersWithoutPlaces(t *testing.T) {
	dests := servers(0, 0)
	s := scheduled(t, "mh", dests)
	if got := s.Pick(dests, &Flow{Flags: Fallback}); got != -1 {
		t.Errorf("server %d was chosen, none has a place", got)
	}
	dests = servers(0, 3)
	s = scheduled(t, "mh", dests)
	for n := range 1000 {
		if got := s.Pick(dests, flowFrom(n)); got != 1 {
			t.Fatalf("client %d got server %d: the one that was added with weight 0 has places", n, got)
		}
	}
}
