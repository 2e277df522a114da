package scheduler

import (
	"math/rand"
	"slices"
	"testing"
)

// slowLBLCR remembers a list of servers, the last added first, with the times of
// its last use and last change, for each address.
func slowLBLCR() definition {
	type memo struct {
		servers       []*Dest // as they were when they were last in the list
		used, changed int64
	}
	known := map[[16]byte]*memo{}
	var memory slowMemory
	return func(list []*Dest, f *Flow) *Dest {
		for _, m := range known {
			for i, o := range m.servers {
				if d := find(list, nameOf(o)); d != nil {
					m.servers[i] = d
				}
			}
		}
		m, used, life := known[f.Dst], int64(0), f.LBLCRExpiration
		if life == 0 {
			life = 8640000
		}
		if m != nil {
			used = m.used
		}
		if memory.forgets(used, f.Now, life) {
			delete(known, f.Dst)
			m = nil
		}
		if m != nil {
			m.used = f.Now
			d := least(slices.DeleteFunc(fit(m.servers), func(d *Dest) bool { return !slices.Contains(list, d) }), load)
			if len(m.servers) > 1 && f.Now-m.changed > int64(life)*10e6 {
				if o := slowMost(m.servers); o != nil {
					m.servers = slices.DeleteFunc(m.servers, func(d *Dest) bool { return d == o })
					m.changed = f.Now
				}
			}
			if d != nil && !slowCrowded(list, d) {
				return d
			}
		}
		d := slowWLC(list, f)
		switch {
		case d == nil:
		case m == nil:
			known[f.Dst] = &memo{[]*Dest{d}, f.Now, f.Now}
		case !slices.Contains(m.servers, d):
			m.servers, m.changed = slices.Insert(m.servers, 0, d), f.Now
		}
		return d
	}
}

// slowMost is the first server with the most load among those of weight > 0.
func slowMost(list []*Dest) *Dest {
	list = slices.DeleteFunc(slices.Clone(list), func(d *Dest) bool { return d.Weight == 0 })
	if len(list) == 0 {
		return nil
	}
	return slices.MaxFunc(list, func(a, b *Dest) int { return load(a).Cmp(load(b)) })
}

func TestLBLCRLaws(t *testing.T) {
	const hour = int64(3600e9)
	dests := servers(2, 2, 2)
	s, f := scheduled(t, "lblcr", dests), flowTo(1)
	expect := func(what string, want int) {
		t.Helper()
		if got := s.Pick(dests, f); got != want {
			t.Errorf("%s: server %d, want %d", what, got, want)
		}
	}
	expect("a new address is by wlc", 0)
	dests[0].Active = 3
	expect("a crowded set gets another server", 1)
	dests[0].Active, dests[1].Active = 0, 1
	expect("the least loaded of the set", 0)
	dests[0].Active = 2
	expect("the least loaded of the set, though one outside has less", 1)
	dests[0].Active, dests[1].Active = 1, 1
	expect("the last added wins a tie", 1)
	f.Now = 23 * hour
	dests[0].Active, dests[1].Active = 2, 1
	expect("before a day the set stays", 1)
	f.Now = 25 * hour
	expect("after a day without change it loses the most loaded", 1)
	dests[0].Active, dests[1].Active = 0, 2
	expect("that one is gone", 1)
	dests[1].Overloaded = true
	expect("a set without a fit server gets another", 0)
	dests[1].Overloaded = false
	dests[0].Active, dests[1].Active = 1, 0
	expect("and keeps the old one", 1)
}

// An address that takes the place of a forgotten one does not get its servers.
func TestLBLCRClearsTheSetItTakesOver(t *testing.T) {
	dests := servers(4, 4)
	number(dests)
	l := &localityReplicated{memory: newMemory[serverSet](1), members: make([]member, 1, 1+9), all: newLeastLoad(weightedLeastConn{}, nil)}
	for n, want := range []int{0, 1, 0} {
		if got := l.Pick(dests, flowTo(n)); got != want {
			t.Fatalf("address %d goes to server %d, want %d", n, got, want)
		}
		dests[want].Active += 2
		if got := l.Pick(dests, flowTo(n)); got != want {
			t.Errorf("and then to server %d, want %d again", got, want)
		}
	}
}

// Every member is in one set or free, whatever happens, also where the sets have
// to share too few members.
func TestLBLCRLosesNoMember(t *testing.T) {
	dests := servers(1, 1, 1, 1, 1, 1)
	number(dests)
	l := &localityReplicated{memory: newMemory[serverSet](4), members: make([]member, 1, 1+9), all: newLeastLoad(weightedLeastConn{}, nil)}
	r := rand.New(rand.NewSource(1))
	full := false
	for range 20000 {
		for _, d := range dests {
			d.Active = r.Intn(3)
		}
		if i := l.Pick(dests, &Flow{Dst: address(r.Intn(8)), Now: r.Int63n(3 * day)}); i < 0 {
			t.Fatal("nobody was chosen, though all are fit")
		}
		seen := make([]int, len(l.members))
		chain := func(m int32) {
			for ; m != 0; m = l.members[m].next {
				seen[m]++
			}
		}
		chain(l.unused)
		for _, e := range l.memory.entries {
			chain(e.value.first)
		}
		for m, n := range seen[1:] {
			if n != 1 {
				t.Fatalf("member %d is in %d chains", m+1, n)
			}
		}
		full = full || len(l.members) == cap(l.members) && l.unused == 0
	}
	if !full {
		t.Error("the members never were too few: the test does not see it")
	}
}
