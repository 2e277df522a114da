package scheduler

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// list is a list of servers with the given weights, the head first; their
// ports are 0, 1, 2 and so on.
func list(weights ...int) []*Dest {
	var dests []*Dest
	for i, w := range weights {
		dests = append(dests, &Dest{Port: uint16(i), Weight: w})
	}
	return dests
}

// added is a service whose servers were added one by one, so that the last of
// weights is the head's. Names are A, B, C in the order of adding.
func added(t testing.TB, name string, weights ...int) *service {
	s := &service{}
	var err error
	if s.Scheduler, err = New(name, nil); err != nil {
		t.Fatal(err)
	}
	for _, w := range weights {
		s.add(w)
	}
	return s
}

// A service is a scheduler with its list; its servers are named by letters.
type service struct {
	Scheduler
	dests []*Dest
	n     int
}

func (s *service) add(weight int) {
	s.dests = slices.Insert(s.dests, 0, &Dest{Port: uint16('A' + s.n), Weight: weight})
	s.n++
	s.Update(s.dests, Added, 0)
}

func (s *service) index(name rune) int {
	return slices.IndexFunc(s.dests, func(d *Dest) bool { return d.Port == uint16(name) })
}

func (s *service) dest(name rune) *Dest { return s.dests[s.index(name)] }

func (s *service) remove(name rune) {
	i := s.index(name)
	s.dests = slices.Delete(s.dests, i, i+1)
	s.Update(s.dests, Removed, i)
}

func (s *service) edit(name rune, weight int) {
	s.dest(name).Weight = weight
	s.Update(s.dests, Edited, s.index(name))
}

// picks are the names of the next n servers; '-' is none.
func (s *service) picks(n int) string {
	var b strings.Builder
	for range n {
		if i := s.Pick(s.dests, &Flow{}); i < 0 {
			b.WriteByte('-')
		} else {
			b.WriteRune(rune(s.dests[i].Port))
		}
	}
	return b.String()
}

func TestLaws(t *testing.T) {
	for _, c := range []struct {
		law, sched string
		weights    []int // of A, B, C ...
		run        func(s *service) string
		want       string
	}{
		{"rr begins at the newest server and goes around", "rr", []int{1, 1, 1},
			func(s *service) string { return s.picks(7) }, "CBACBAC"},
		{"rr does not look at weights but for 0", "rr", []int{9, 0, 1},
			func(s *service) string { return s.picks(4) }, "CACA"},
		{"rr passes over an overloaded and an unreachable server", "rr", []int{1, 1, 1, 1},
			func(s *service) string {
				s.dest('D').Overloaded, s.dest('B').Unreachable = true, true
				return s.picks(4)
			}, "CACA"},
		{"rr has nobody in an empty list", "rr", nil,
			func(s *service) string { return s.picks(2) }, "--"},
		{"rr has nobody when nobody is fit", "rr", []int{0, 1, 1},
			func(s *service) string {
				s.dest('B').Overloaded, s.dest('C').Unreachable = true, true
				return s.picks(2)
			}, "--"},
		{"rr keeps its place while nobody is fit", "rr", []int{1, 1, 1},
			func(s *service) string {
				got := s.picks(2)
				for _, d := range s.dests {
					d.Overloaded = true
				}
				got += s.picks(2)
				for _, d := range s.dests {
					d.Overloaded = false
				}
				return got + s.picks(1)
			}, "CB--A"},
		{"rr steps back when its server is removed, and skips nobody", "rr", []int{1, 1, 1, 1},
			func(s *service) string {
				got := s.picks(2)
				s.remove('C')
				return got + s.picks(3)
			}, "DCBAD"},
		{"rr begins at the head when its server was the head and is removed", "rr", []int{1, 1, 1},
			func(s *service) string {
				got := s.picks(1)
				s.remove('C')
				return got + s.picks(2)
			}, "CBA"},
		{"rr does not move when a server is added or another one removed", "rr", []int{1, 1, 1, 1},
			func(s *service) string {
				got := s.picks(2)
				s.add(1)
				s.remove('D')
				return got + s.picks(4)
			}, "DCBAEC"},
		{"rr does not move when a server is edited", "rr", []int{1, 1, 1},
			func(s *service) string {
				got := s.picks(1)
				s.edit('C', 5)
				return got + s.picks(2)
			}, "CBA"},

		{"the first pass of a fresh wrr service is one each", "wrr", []int{1, 2, 3},
			func(s *service) string { return s.picks(3) }, "CBA"},
		{"wrr serves heavy servers in runs after that", "wrr", []int{1, 3},
			func(s *service) string { return s.picks(10) }, "BA" + "BBBA" + "BBBA"},
		{"wrr lets the lighter ones join step by step", "wrr", []int{1, 2, 3},
			func(s *service) string { return s.picks(3 + 6) }, "CBA" + "CCBCBA"},
		{"wrr divides by the common divisor", "wrr", []int{10, 30},
			func(s *service) string { return s.picks(2 + 8) }, "BA" + "BBBABBBA"},
		{"wrr begins anew at the head after any edit, even one that changes nothing", "wrr", []int{1, 1, 1},
			func(s *service) string {
				got := s.picks(1)
				s.edit('A', 1)
				return got + s.picks(3)
			}, "CCBA"},
		{"wrr never chooses weight 0", "wrr", []int{0, 2, 0},
			func(s *service) string { return s.picks(4) }, "BBBB"},
		{"wrr passes over an overloaded and an unreachable server", "wrr", []int{1, 2, 7, 9},
			func(s *service) string {
				s.dest('D').Overloaded, s.dest('C').Unreachable = true, true
				return s.picks(2 + 3)
			}, "BA" + "BBA"},
		{"wrr has nobody in an empty list", "wrr", nil,
			func(s *service) string { return s.picks(2) }, "--"},
		{"wrr has nobody when all have weight 0", "wrr", []int{0, 0},
			func(s *service) string { return s.picks(2) }, "--"},
		{"wrr has nobody when all are overloaded, and goes on where it was", "wrr", []int{1, 3},
			func(s *service) string {
				got := s.picks(3)
				s.dest('A').Overloaded, s.dest('B').Overloaded = true, true
				got += s.picks(2)
				s.dest('A').Overloaded, s.dest('B').Overloaded = false, false
				return got + s.picks(4)
			}, "BAB" + "--" + "BBBA"},
		// The current weight came down by 1 a pass, and each pass looked at
		// every server: one connection cost 2^31 steps with the lock held.
		{"a wrr server of enormous weight that is out of reach costs nothing", "wrr", []int{1, 1<<31 - 1},
			func(s *service) string {
				got := s.picks(2)
				s.dest('B').Unreachable = true
				return got + s.picks(1000)[:4]
			}, "BA" + "AAAA"},
		{"and nothing where nobody is fit", "wrr", []int{1 << 30, 1<<31 - 1},
			func(s *service) string {
				got := s.picks(2)
				s.dest('A').Overloaded, s.dest('B').Unreachable = true, true
				return got + s.picks(1000)[:4]
			}, "BA" + "----"},
	} {
		t.Run(c.law, func(t *testing.T) {
			if got := c.run(added(t, c.sched, c.weights...)); got != c.want {
				t.Errorf("the servers are %s, want %s", got, c.want)
			}
		})
	}
}

// Over whole rounds each server gets its weight's share, exactly.
func TestWRRSharesAreTheWeights(t *testing.T) {
	s := added(t, "wrr", 1, 2, 3, 4, 5)
	s.picks(5) // the first pass is one each
	got := s.picks(15 * 4)
	for i, name := range "ABCDE" {
		if n := strings.Count(got, string(name)); n != 4*(i+1) {
			t.Errorf("%c has %d of %d connections, want %d", name, n, len(got), 4*(i+1))
		}
	}
}

func TestPickDoesNotAllocate(t *testing.T) {
	for _, name := range rounds {
		s := added(t, name, 1, 5, 0, 7)
		f := &Flow{}
		if n := testing.AllocsPerRun(1000, func() { s.Pick(s.dests, f) }); n != 0 {
			t.Errorf("%s: %v allocations a pick, want 0", name, n)
		}
	}
}

func TestNewKnowsItsNamesOnly(t *testing.T) {
	for _, name := range rounds {
		if s, err := New(name, nil); s == nil || err != nil {
			t.Errorf("New(%q) = %v, %v", name, s, err)
		}
	}
	for _, name := range []string{"", "RR", "xyz"} {
		if s, err := New(name, nil); s != nil || err == nil || !strings.Contains(err.Error(), fmt.Sprintf("%q", name)) {
			t.Errorf("New(%q) = %v, %v, want an error that names it", name, s, err)
		}
	}
}
