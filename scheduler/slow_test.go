package scheduler

import (
	"fmt"
	"math/rand"
	"slices"
	"strings"
	"testing"
)

// A slow scheduler is the definition of a Scheduler: it holds the servers
// themselves where the clever one holds indexes.
type slow interface {
	pick() *Dest
	update(list []*Dest, c Change, d *Dest)
}

// behind is the server that follows d in list, nil behind the last one. The
// first follows nil, the place before the head.
func behind(list []*Dest, d *Dest) *Dest {
	i := slices.Index(list, d) + 1 // 0 for nil
	if i == len(list) {
		return nil
	}
	return list[i]
}

// A slowRR takes the next fit server after the last chosen one.
type slowRR struct {
	list []*Dest
	last *Dest // nil: before the head
}

func (s *slowRR) pick() *Dest {
	d := s.last
	for range len(s.list) + 1 { // the place before the head is one more
		if d = behind(s.list, d); d != nil && d.Fit() {
			s.last = d
			return d
		}
	}
	return nil
}

// update steps back by one when the server at the position goes.
func (s *slowRR) update(list []*Dest, c Change, d *Dest) {
	if c == Removed && d == s.last {
		before := (*Dest)(nil)
		for _, o := range s.list {
			if o == d {
				break
			}
			before = o
		}
		s.last = before
	}
	s.list = slices.Clone(list)
}

// A slowWRR walks the list again and again, at an ever lower current weight.
type slowWRR struct {
	list       []*Dest
	pos        *Dest // last server tried; nil: before the head
	cw, mw, di int
}

// pick gives up when it comes back, at the lowest current weight, to the place
// where it began to try that weight: a server, or the place before the head.
func (s *slowWRR) pick() *Dest {
	if s.mw == 0 {
		return nil
	}
	began, begun := s.pos, s.cw <= s.di
	for {
		d := behind(s.list, s.pos)
		lowest := s.cw <= s.di
		s.pos = d
		switch {
		case d != nil && !d.Overloaded && !d.Unreachable && d.Weight >= s.cw:
			return d
		case d != nil && begun && lowest && d == began:
			return nil
		case d != nil:
			continue
		}
		if s.cw -= s.di; s.cw <= 0 {
			s.cw = s.mw
		}
		if begun && lowest && began == nil {
			return nil
		}
		if !begun && s.cw <= s.di {
			began, begun = nil, true
		}
	}
}

func (s *slowWRR) update(list []*Dest, _ Change, _ *Dest) {
	s.list, s.pos = slices.Clone(list), nil
	s.di, s.mw = slowGCD(list), 0
	for _, d := range list {
		if d.Weight > 0 && d.Weight-(s.di-1) > s.mw {
			s.mw = d.Weight - (s.di - 1)
		}
	}
	if s.cw == 0 || s.cw > s.mw {
		s.cw = s.mw
	} else if s.di > 1 {
		s.cw = (s.cw/s.di)*s.di + 1
	}
}

// slowGCD tries every divisor.
func slowGCD(list []*Dest) int {
	greatest := 1
	for div := 1; div <= 1000; div++ {
		any, all := false, true
		for _, d := range list {
			if d.Weight > 0 {
				any = true
				all = all && d.Weight%div == 0
			}
		}
		if any && all {
			greatest = div
		}
	}
	return greatest
}

// A pair is a scheduler beside its definition, with the list both choose from
// and the steps that led here.
type pair struct {
	name  string
	fast  Scheduler
	slow  slow
	dests []*Dest
	steps []string
}

// rounds are the schedulers that go round the list; the others have their own tests.
var rounds = []string{"rr", "wrr"}

func newPair(t testing.TB, name string) *pair {
	p := &pair{name: name}
	var err error
	if p.fast, err = New(name, nil); err != nil {
		t.Fatal(err)
	}
	switch name {
	case "rr":
		p.slow = &slowRR{}
	case "wrr":
		p.slow = &slowWRR{}
	default:
		t.Fatalf("%s has no definition here: write one", name)
	}
	p.slow.update(nil, Edited, nil)
	return p
}

func (p *pair) note(format string, args ...any) {
	p.steps = append(p.steps, fmt.Sprintf(format, args...))
}

func (p *pair) update(c Change, i int, d *Dest) {
	p.fast.Update(p.dests, c, i)
	p.slow.update(p.dests, c, d)
}

// step makes one random edit or, mostly, a pick, and says what is wrong after it.
func (p *pair) step(r *rand.Rand, weights []int) error {
	n := len(p.dests)
	weight := weights[r.Intn(len(weights))]
	switch op := r.Intn(16); {
	case op == 0 && n < 8:
		d := &Dest{Port: uint16(len(p.steps)), Weight: weight}
		p.note("add %d weight %d", d.Port, weight)
		p.dests = slices.Insert(p.dests, 0, d)
		p.update(Added, 0, d)
	case n == 0:
		p.note("pick")
		return p.compare()
	case op == 1 && r.Intn(2) == 0:
		i := r.Intn(n)
		d := p.dests[i]
		p.note("remove %d", d.Port)
		p.dests = slices.Delete(p.dests, i, i+1)
		p.update(Removed, i, d)
	case op == 2:
		i := r.Intn(n)
		p.note("edit %d weight %d", p.dests[i].Port, weight)
		p.dests[i].Weight = weight
		p.update(Edited, i, p.dests[i])
	case op == 3:
		d := p.dests[r.Intn(n)]
		d.Overloaded = !d.Overloaded
		p.note("overloaded of %d: %v", d.Port, d.Overloaded)
	case op == 4:
		d := p.dests[r.Intn(n)]
		d.Unreachable = !d.Unreachable
		p.note("unreachable of %d: %v", d.Port, d.Unreachable)
	default:
		p.note("pick")
		return p.compare()
	}
	return nil
}

// compare picks by both, and holds the choice against the laws of every scheduler.
func (p *pair) compare() error {
	i, want := p.fast.Pick(p.dests, &Flow{}), p.slow.pick()
	anyFit := slices.ContainsFunc(p.dests, (*Dest).Fit)
	switch {
	case (i >= 0) != anyFit:
		return fmt.Errorf("Pick = %d, while some server being fit is %v", i, anyFit)
	case i >= 0 && !p.dests[i].Fit():
		return fmt.Errorf("Pick = %d, which is not fit", i)
	case i < 0 && want == nil || i >= 0 && want == p.dests[i]:
		return nil
	}
	return fmt.Errorf("Pick = %d, the definition says %d", i, slices.Index(p.dests, want))
}

// Whatever the edits, a scheduler picks what its definition picks. The short
// runs are of many services, the lists of a failure can be read.
func TestSchedulersAreTheirDefinitions(t *testing.T) {
	weights := map[string][]int{
		"small":            {0, 1, 2, 3, 4, 5, 7},
		"with a divisor":   {0, 2, 4, 6, 12},
		"mostly quiesced":  {0, 0, 0, 0, 1, 3},
		"changing divisor": {3, 6, 9, 10, 15, 100},
	}
	for _, name := range rounds {
		for kind, ws := range weights {
			t.Run(name+" "+kind, func(t *testing.T) {
				for seed := range int64(250) {
					p, r := newPair(t, name), rand.New(rand.NewSource(seed))
					for range 120 {
						if err := p.step(r, ws); err != nil {
							t.Fatalf("seed %d: %v after\n%s", seed, err, strings.Join(p.steps, "\n"))
						}
					}
				}
			})
		}
	}
}

// EditService may replace the scheduler of a service that has servers: wrr
// then begins with the top weight.
func TestWRRMadeForServersBeginsAtTheTop(t *testing.T) {
	dests := list(1, 3, 2) // the head first
	s, err := New("wrr", dests)
	if err != nil {
		t.Fatal(err)
	}
	slow := &slowWRR{}
	slow.update(dests, Edited, nil)
	slow.cw = slow.mw
	for n := range 100 {
		if i, want := s.Pick(dests, &Flow{}), slow.pick(); dests[i] != want {
			t.Fatalf("pick %d is server %d, the definition says %d", n, i, slices.Index(dests, want))
		}
	}
}
