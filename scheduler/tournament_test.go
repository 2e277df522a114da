package scheduler

import (
	"fmt"
	"math/rand"
	"slices"
	"strings"
	"testing"
)

// loads are the schedulers that go by the load of servers alone, and how each looks at
// all of them.
var loads = map[string]ranking{"lc": leastConn{}, "wlc": weightedLeastConn{}, "sed": shortestDelay{}, "nq": neverQueue{},
	"fo": failOver{}, "ovf": overflow{}}

// A site is a service of many servers beside the look at each of them.
type site struct {
	random *rand.Rand
	fast   Scheduler
	slow   ranking
	dests  []*Dest
	gone   []*Dest
	next   int
	steps  []string
}

// newSite has so many servers.
func newSite(t testing.TB, name string, servers int, seed int64) *site {
	s := &site{random: rand.New(rand.NewSource(seed)), slow: loads[name], fast: scheduled(t, name, nil)}
	for range servers {
		s.add()
	}
	return s
}

func (s *site) note(format string, args ...any) {
	s.steps = append(s.steps, fmt.Sprintf(format, args...))
}

// add adds a server, which may be one that was removed, with the connections that it
// has meanwhile.
func (s *site) add() {
	d := &Dest{Addr: address(s.next), Weight: s.random.Intn(5)}
	if n := len(s.gone); n > 0 && s.random.Intn(2) == 0 {
		d, s.gone = s.gone[n-1], s.gone[:n-1]
	}
	s.next++
	s.dests = slices.Insert(s.dests, 0, d)
	s.note("add a server of weight %d", d.Weight)
	s.fast.Update(s.dests, Added, 0)
}

func (s *site) remove(i int) {
	s.note("remove server %d", i)
	s.gone = append(s.gone, s.dests[i])
	s.dests = slices.Delete(s.dests, i, i+1)
	s.fast.Update(s.dests, Removed, i)
}

// change changes what a server is like, without an edit.
func (s *site) change(d *Dest) {
	switch s.random.Intn(6) {
	case 0:
		d.Overloaded = !d.Overloaded
	case 1:
		d.Unreachable = !d.Unreachable
	case 2:
		d.Active = s.random.Intn(4)
	case 3:
		d.Inactive = s.random.Intn(600)
	case 4:
		d.Active = s.random.Intn(1 << 24)
	default:
		d.Active++
	}
	d.Changed()
}

// step makes an edit or some changes.
func (s *site) step() {
	switch op := s.random.Intn(12); {
	case op == 0 || len(s.dests) == 0:
		s.add()
	case op == 1:
		s.remove(s.random.Intn(len(s.dests)))
	case op == 2:
		i := s.random.Intn(len(s.dests))
		s.dests[i].Weight = []int{0, 1, 2, 3, 100, 1<<31 - 1}[s.random.Intn(6)]
		s.note("server %d gets weight %d", i, s.dests[i].Weight)
		s.fast.Update(s.dests, Edited, i)
	case op == 3 && len(s.gone) > 0: // connections of removed servers end
		s.change(s.gone[s.random.Intn(len(s.gone))])
	default:
		for range []int{1, 1, 2, 5, 30, 200}[s.random.Intn(6)] {
			i := s.random.Intn(len(s.dests))
			s.change(s.dests[i])
			s.note("server %d is %+v", i, *s.dests[i])
		}
	}
}

// choose compares the choice with that of a look at all servers.
func (s *site) choose() error {
	got, want := s.fast.Pick(s.dests, &Flow{}), s.slow.lightest(s.dests)
	if got != want {
		return fmt.Errorf("Pick = %d, a look at all %d servers gives %d", got, len(s.dests), want)
	}
	if got >= 0 && s.random.Intn(3) > 0 {
		s.dests[got].Active++
		s.dests[got].Changed()
	}
	return nil
}

// Whatever happens to many servers, the winner of the tournament is the server that a
// look at all of them finds, ties included. Some lists grow and shrink across the
// size from which on a tournament is kept.
func TestTheWinnerIsTheLightest(t *testing.T) {
	for name := range loads {
		for _, servers := range []int{0, manyServers - 1, manyServers, 64, 65, 200} {
			t.Run(fmt.Sprintf("%s among %d", name, servers), func(t *testing.T) {
				for seed := range long(int64(3), 40) {
					s := newSite(t, name, servers, seed)
					for range 150 {
						s.step()
						if s.random.Intn(4) == 0 { // several edits come before a choice, too
							continue
						}
						if err := s.choose(); err != nil {
							t.Fatalf("seed %d: %v, after\n%s", seed, err, strings.Join(s.steps, "\n"))
						}
					}
				}
			})
		}
	}
}

// The look at all servers is the definition, for many servers too.
func TestALookAtManyServersIsTheDefinition(t *testing.T) {
	for name, r := range loads {
		define := definitions()[name]()
		s := newSite(t, name, 90, 1)
		for range 60 {
			s.step()
			if got, want := r.lightest(s.dests), slices.Index(s.dests, define(s.dests, nil)); got != want {
				t.Fatalf("%s takes %d, the definition %d, after\n%s", name, got, want, strings.Join(s.steps, "\n"))
			}
		}
	}
}

// lblc and lblcr choose among many servers as their definitions do, with addresses that are
// known, forgotten and new, whatever happens to the servers.
func TestManyServersAndAddresses(t *testing.T) {
	for _, name := range []string{"lblc", "lblcr"} {
		for seed := range long(int64(3), 40) {
			s, define := newSite(t, name, manyServers-5, seed), definitions()[name]()
			now := int64(1)
			for range 400 {
				s.step()
				now += []int64{0, 1, 1e9, day / 3, day}[s.random.Intn(5)]
				f := &Flow{Dst: address(s.random.Intn(30)), Now: now, LBLCExpiration: 360_000, LBLCRExpiration: 360_000}
				got, want := s.fast.Pick(s.dests, f), slices.Index(s.dests, define(s.dests, f))
				if got != want {
					t.Fatalf("%s, seed %d: takes %d, the definition %d, after\n%s", name, seed, got, want, strings.Join(s.steps, "\n"))
				}
				if got >= 0 {
					s.dests[got].Active++
					s.dests[got].Changed()
				}
			}
		}
	}
}

// many are n servers of weight 1.
func many(n int) []*Dest { return servers(slices.Repeat([]int{1}, n)...) }

// A tie is won by the first in the list, wherever the tied ones are.
func TestTheFirstOfManyWinsATie(t *testing.T) {
	for name := range loads {
		dests := many(100)
		for _, d := range dests {
			d.Active = 7
		}
		s := scheduled(t, name, dests)
		for i := len(dests) - 1; i >= 0; i-- {
			if dests[i].Active = 1; name == "fo" { // which goes by the weight alone
				dests[i].Weight = 2
				s.Update(dests, Edited, i)
			}
			dests[i].Changed()
			if got := s.Pick(dests, &Flow{}); got != i {
				t.Fatalf("%s takes server %d where %d is the first of the lightest", name, got, i)
			}
		}
		for i, d := range dests {
			if got := s.Pick(dests, &Flow{}); got != i {
				t.Fatalf("%s takes server %d where %d is the first that is left", name, got, i)
			}
			d.Overloaded = true
			d.Changed()
		}
		if got := s.Pick(dests, &Flow{}); got != -1 {
			t.Errorf("%s takes server %d where none is fit", name, got)
		}
	}
}

// Weights and counts of any size that ipvsadm and the table allow do not overflow.
func TestAContestOfLargeNumbers(t *testing.T) {
	dests := many(64)
	for i, d := range dests {
		d.Weight, d.Active, d.Inactive = 1<<31-1, 1<<24, 1<<24
		if i == 50 {
			d.Inactive--
		}
	}
	if got := scheduled(t, "wlc", dests).Pick(dests, &Flow{}); got != 50 {
		t.Errorf("server %d, want 50", got)
	}
}

// A server that changes often plays once; one that changed plays no games of others.
func TestAChangeIsNotedOnce(t *testing.T) {
	dests := many(1000)
	s := scheduled(t, "wlc", dests).(*leastLoad)
	s.Pick(dests, &Flow{})
	for range 10000 {
		dests[400].Active++
		dests[400].Changed()
	}
	if n := len(s.tournament.changed); n != 1 {
		t.Errorf("%d changes are noted, want 1", n)
	}
	for _, d := range dests {
		d.Inactive++
		d.Changed()
	}
	if n := len(s.tournament.changed); n != len(dests) {
		t.Errorf("%d changes are noted, want one of each server", n)
	}
	if got := s.Pick(dests, &Flow{}); got != 0 || len(s.tournament.changed) != 0 {
		t.Errorf("server %d, %d changes are left", got, len(s.tournament.changed))
	}
}

// Servers tell the scheduler that they are with now, and no other: not one that was
// replaced, nor, once removed, any.
func TestServersTellTheirOwnScheduler(t *testing.T) {
	dests := many(60)
	first := scheduled(t, "wlc", dests).(*leastLoad)
	if _, err := New("none", dests); err == nil || dests[0].tournament != &first.tournament {
		t.Errorf("%v; a scheduler that does not exist has taken the servers", err)
	}
	second := scheduled(t, "lc", dests).(*leastLoad)
	gone := dests[3]
	dests = slices.Delete(dests, 3, 4)
	second.Update(dests, Removed, 3)
	for _, d := range dests {
		if d.tournament != &second.tournament {
			t.Fatal("a server tells another scheduler")
		}
	}
	if gone.tournament != nil {
		t.Error("a removed server tells a scheduler")
	}
	scheduled(t, "rr", dests)
	for _, d := range dests {
		if d.tournament != nil {
			t.Fatal("a server tells a scheduler that was replaced")
		}
	}
}

// A list that gets short lets its servers go, and one that gets long takes them all.
func TestAShortListKeepsNoTournament(t *testing.T) {
	s := newSite(t, "wlc", manyServers, 1)
	l := s.fast.(*leastLoad)
	for _, d := range s.dests {
		if d.tournament != &l.tournament {
			t.Fatal("a server of a long list does not tell of its changes")
		}
	}
	was := slices.Clone(s.dests)
	s.remove(5)
	for _, d := range was {
		if d.tournament != nil {
			t.Fatal("a server of a short list tells of its changes")
		}
	}
	if l.tournament.members != nil || l.tournament.winners != nil {
		t.Error("the memory of the tournament is kept")
	}
}

// A clone of many servers picks as its original, which does not notice what becomes
// of the copies.
func TestAClonedTournament(t *testing.T) {
	for name := range loads {
		s := newSite(t, name, 80, 2)
		for range 100 {
			s.step()
			copies := copied(s.dests)
			clone := s.fast.Clone(copies)
			if got, want := clone.Pick(copies, &Flow{}), s.slow.lightest(s.dests); got != want {
				t.Fatalf("the clone of %s takes %d, want %d", name, got, want)
			}
			for _, d := range copies {
				d.Active += 100
				d.Changed()
			}
			clone.Update(copies, Edited, 0)
			clone.Pick(copies, &Flow{})
			if err := s.choose(); err != nil {
				t.Fatalf("%s, after its clone: %v", name, err)
			}
		}
	}
}

// No choice among many servers allocates, and no change of their counts.
func TestNoChoiceAmongManyAllocates(t *testing.T) {
	for _, name := range Names() {
		dests := many(300)
		s, f, n := scheduled(t, name, dests), &Flow{}, 0
		if a := testing.AllocsPerRun(1000, func() {
			for range n % 200 {
				n++
				d := dests[n*37%len(dests)]
				d.Active = n % 5
				d.Changed()
			}
			n++
			f.Src[15]++
			s.Pick(dests, f)
		}); a != 0 {
			t.Errorf("%s: %v allocations a choice, want 0", name, a)
		}
	}
}

// FuzzLeastLoad takes two bytes a step, an edit, a change or a choice, of a service
// of about as many servers as a tournament is kept from. The law is that of
// TestTheWinnerIsTheLightest.
func FuzzLeastLoad(f *testing.F) {
	f.Add(uint8(0), []byte{0, 1, 9, 9, 3, 7, 9, 9, 1, 3, 9, 9, 4, 2, 9, 9})
	f.Add(uint8(7), []byte{5, 3, 9, 9, 2, 200, 9, 9, 6, 40, 1, 1, 1, 2, 9, 9})
	f.Fuzz(func(t *testing.T, kind uint8, b []byte) {
		name := []string{"lc", "wlc", "sed", "nq"}[kind%4]
		s := newSite(t, name, manyServers+int(kind/4)%8-4, int64(kind))
		for b = b[:min(len(b), 1<<9)]; len(b) >= 2; b = b[2:] {
			if len(s.dests) == 0 {
				s.add()
			}
			arg := int(b[1])
			i := arg % len(s.dests)
			d := s.dests[i]
			switch b[0] % 10 {
			case 0:
				s.add()
			case 1:
				s.remove(i)
			case 2:
				d.Weight = fuzzWeight(arg)
				s.fast.Update(s.dests, Edited, i)
			case 3:
				d.Overloaded = !d.Overloaded
			case 4:
				d.Unreachable = !d.Unreachable
			case 5:
				d.Active = arg % 3
			case 6:
				d.Inactive = arg
			default:
				if err := s.choose(); err != nil {
					t.Fatalf("%s: %v", name, err)
				}
			}
			d.Changed()
		}
	})
}
