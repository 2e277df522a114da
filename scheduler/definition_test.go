package scheduler

import (
	"fmt"
	"math/big"
	"math/rand"
	"slices"
	"strings"
	"testing"
)

// A definition chooses slowly, by the words that define a scheduler. It knows a
// server by its address and port, and looks at the whole list with every choice.
type definition func(list []*Dest, f *Flow) *Dest

// definitions makes the definition of a scheduler anew, for a fresh service.
func definitions() map[string]func() definition {
	plain := func(d definition) func() definition { return func() definition { return d } }
	return map[string]func() definition{
		"lc": plain(slowLC), "wlc": plain(slowWLC), "sed": plain(slowSED), "nq": plain(slowNQ),
		"fo": plain(slowFO), "ovf": plain(slowOVF), "sh": plain(slowSH), "dh": plain(slowDH), "mh": plain(slowMH),
		"lblc": slowLBLC, "lblcr": slowLBLCR,
	}
}

// fit are the servers of list that may be chosen, in its order.
func fit(list []*Dest) []*Dest {
	return slices.DeleteFunc(slices.Clone(list), func(d *Dest) bool {
		return d.Weight <= 0 || d.Overloaded || d.Unreachable
	})
}

// least is the first server of list for which value is least; nil for none.
func least(list []*Dest, value func(*Dest) *big.Rat) *Dest {
	if len(list) == 0 {
		return nil
	}
	return slices.MinFunc(list, func(a, b *Dest) int { return value(a).Cmp(value(b)) })
}

// load is active x 256 + inactive, over the weight.
func load(d *Dest) *big.Rat {
	n := new(big.Int).Add(new(big.Int).Mul(big.NewInt(int64(d.Active)), big.NewInt(256)), big.NewInt(int64(d.Inactive)))
	return new(big.Rat).SetFrac(n, big.NewInt(int64(d.Weight)))
}

// A world is a scheduler beside its definition, in a service that lives: servers
// come, go and come back, connections begin and end, time passes.
type world struct {
	random *rand.Rand
	name   string
	fast   Scheduler
	slow   definition
	dests  []*Dest
	gone   []*Dest // removed servers, which may come back as they are
	now    int64
	steps  []string
	ports  uint16
}

func newWorld(t testing.TB, name string, seed int64) *world {
	w := &world{random: rand.New(rand.NewSource(seed)), name: name, slow: definitions()[name]()}
	var err error
	if w.fast, err = New(name, nil); err != nil {
		t.Fatal(err)
	}
	if w.random.Intn(2) == 0 {
		w.ports = 80
	}
	return w
}

func (w *world) note(format string, args ...any) {
	w.steps = append(w.steps, fmt.Sprintf(format, args...))
}

// weight is small, or of any size.
func (w *world) weight() int {
	small := []int{0, 0, 1, 1, 2, 3, 4, 6, 10}
	if w.random.Intn(12) == 0 {
		return w.random.Intn(1 << (1 + w.random.Intn(12)))
	}
	return small[w.random.Intn(len(small))]
}

// addr is one of few addresses, of both families.
func (w *world) addr(net byte) [16]byte {
	n := byte(w.random.Intn(12))
	if n%4 == 3 {
		return [16]byte{0x20, 0x01, 0x0d, 0xb8, 4: net, 11: n, 15: n}
	}
	return [16]byte{10: 0xff, 11: 0xff, 12: 10, 13: net, 15: n}
}

// destination is addr, but mostly of one of two.
func (w *world) destination() [16]byte {
	if w.random.Intn(3) > 0 {
		return address(w.random.Intn(2))
	}
	return w.addr(0)
}

// step makes one edit or, mostly, a choice, and says what is wrong after it.
func (w *world) step() error {
	n := len(w.dests)
	if op := w.random.Intn(20); op == 0 && n < 8 {
		w.add()
		return nil
	} else if n == 0 || op > 8 {
		return w.choose()
	} else if op == 1 && w.random.Intn(2) == 0 {
		i := w.random.Intn(n)
		w.note("remove server %d", i)
		w.gone = append(w.gone, w.dests[i])
		w.dests = slices.Delete(w.dests, i, i+1)
		w.fast.Update(w.dests, Removed, i)
	} else if op == 2 {
		i := w.random.Intn(n)
		d := w.dests[i]
		if d.Weight = w.weight(); d.Weight > 0 {
			d.LastWeight = d.Weight
		}
		w.note("edit server %d to weight %d", i, d.Weight)
		w.fast.Update(w.dests, Edited, i)
	} else if op == 8 {
		w.now += int64([]float64{1, 3600e9, 40000e9, 86400e9, 100000e9}[w.random.Intn(5)] * w.random.Float64())
		w.note("at %d", w.now)
	} else {
		w.change(w.random.Intn(n), op)
	}
	return nil
}

// change changes what a server is like without an edit.
func (w *world) change(i, op int) {
	d := w.dests[i]
	switch op {
	case 3:
		d.Overloaded = w.random.Intn(4) == 0
	case 4:
		d.Unreachable = w.random.Intn(6) == 0
	case 5:
		d.Active = w.random.Intn(2*min(d.Weight, 100) + 2)
	case 6:
		d.Active = 0
	case 7:
		d.Inactive = w.random.Intn(600)
	}
	d.Changed()
	w.note("server %d is %+v", i, *d)
}

// add adds a server: a new one, one that comes back, or one of which all but
// the address was forgotten.
func (w *world) add() {
	d := &Dest{Addr: w.addr(2), Port: w.ports, Weight: w.weight()}
	same := func(o *Dest) bool { return o.Addr == d.Addr && o.Port == d.Port }
	if slices.ContainsFunc(w.dests, same) {
		return
	}
	if i := slices.IndexFunc(w.gone, same); i >= 0 {
		if w.random.Intn(2) == 0 {
			w.gone[i].Weight, d = d.Weight, w.gone[i]
		}
		w.gone = slices.Delete(w.gone, i, i+1)
	}
	d.LastWeight = d.Weight
	w.note("add %v weight %d", d.Addr, d.Weight)
	w.dests = slices.Insert(w.dests, 0, d)
	w.fast.Update(w.dests, Added, 0)
}

// expiration is that of an address, in ticks: mostly a day.
func (w *world) expiration() int { return []int{0, 0, 8640000, 3000, 360000}[w.random.Intn(5)] }

// choose asks both, and lets a connection begin at the server chosen.
func (w *world) choose() error {
	f := &Flow{Src: w.addr(1), Dst: w.destination(), SrcPort: uint16(w.random.Intn(1 << 16)), DstPort: 80, Now: w.now,
		Flags:          []Flags{0, Fallback, HashPort, Fallback | HashPort, Flag3}[w.random.Intn(5)],
		LBLCExpiration: w.expiration(), LBLCRExpiration: w.expiration()}
	w.note("choose for %+v", *f)
	want := slices.Index(w.dests, w.slow(w.dests, f))
	got := w.fast.Pick(w.dests, f)
	if got != want {
		return fmt.Errorf("Pick = %d, the definition says %d", got, want)
	}
	if got >= 0 && w.random.Intn(4) > 0 {
		w.dests[got].Active++
		w.dests[got].Changed()
	}
	return nil
}

// Whatever happens to a service, its scheduler picks what its definition picks.
func TestSchedulersPickAsDefined(t *testing.T) {
	for name := range definitions() {
		seeds := int64(150)
		if name == "mh" {
			seeds = 8 // its definition fills a table for every choice
		}
		t.Run(name, func(t *testing.T) {
			chosen, refused := 0, 0
			for seed := range seeds {
				w := newWorld(t, name, seed)
				for range 150 {
					if err := w.step(); err != nil {
						t.Fatalf("seed %d: %v, after\n%s", seed, err, strings.Join(w.steps, "\n"))
					}
				}
				if w.fast.Pick(w.dests, &Flow{Now: w.now}) < 0 {
					refused++
				} else {
					chosen++
				}
			}
			if chosen == 0 || refused == 0 {
				t.Errorf("%d services served and %d did not: the test does not see both", chosen, refused)
			}
		})
	}
}

// A scheduler made for servers that are there picks as one that saw them come.
func TestSchedulersMadeLatePickAsDefined(t *testing.T) {
	for name, define := range definitions() {
		w := newWorld(t, name, 1)
		for len(w.dests) < 6 {
			w.add()
		}
		var err error
		if w.fast, err = New(name, w.dests); err != nil {
			t.Fatal(err)
		}
		w.slow = define()
		for range 20 {
			if err := w.choose(); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
		}
	}
}

// flowTo and flowFrom are flows of the nth destination, and client.
func flowTo(n int) *Flow { return &Flow{Dst: address(n)} }

func flowFrom(n int) *Flow { return &Flow{Src: address(n), SrcPort: uint16(n)} }

func address(n int) [16]byte {
	return [16]byte{10: 0xff, 11: 0xff, 12: 10, 13: byte(n >> 16), 14: byte(n >> 8), 15: byte(n)}
}

// servers are servers of the given weights, the head first, with addresses.
func servers(weights ...int) []*Dest {
	dests := list(weights...)
	for i, d := range dests {
		d.Addr, d.Port, d.LastWeight = address(1000+i), 80, d.Weight
	}
	return dests
}

// scheduled is a scheduler made for dests.
func scheduled(t testing.TB, name string, dests []*Dest) Scheduler {
	s, err := New(name, dests)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// No choice allocates, not even the first one of an address, nor the one for
// which another address has to make room.
func TestNoChoiceAllocates(t *testing.T) {
	for _, name := range Names() {
		for _, flags := range []Flags{0, Fallback | HashPort} {
			dests := servers(1, 5, 0, 7, 2)
			dests[1].Overloaded = true
			s, f, n := scheduled(t, name, dests), &Flow{Flags: flags}, 0
			if a := testing.AllocsPerRun(localityLimit+2000, func() {
				n++
				f.Src, f.Dst, f.SrcPort, f.Now = address(n), address(n), uint16(n), int64(n)*1e9
				s.Pick(dests, f)
			}); a != 0 {
				t.Errorf("%s: %v allocations a choice, want 0", name, a)
			}
		}
	}
}

// BenchmarkChoice is one choice among n fit servers with connections.
func BenchmarkChoice(b *testing.B) {
	for _, name := range Names() {
		for _, n := range []int{10, 100, 1000} {
			b.Run(fmt.Sprintf("%s/servers=%d", name, n), func(b *testing.B) {
				var weights []int
				for i := range n {
					weights = append(weights, 1+i%7)
				}
				dests := servers(weights...)
				for i, d := range dests {
					d.Active, d.Inactive = 1+i%3, i%50
				}
				s := scheduled(b, name, dests)
				f := flowFrom(7)
				b.ReportAllocs()
				for b.Loop() {
					f.Src[15]++
					s.Pick(dests, f)
				}
			})
		}
	}
}

// BenchmarkUpdate is one edit of n servers, which fills the tables anew.
func BenchmarkUpdate(b *testing.B) {
	for _, name := range []string{"sh", "dh", "mh", "lblc", "lblcr"} {
		b.Run(name+"/servers=1000", func(b *testing.B) {
			dests := servers(slices.Repeat([]int{1, 2, 3, 4, 5}, 200)...)
			s := scheduled(b, name, dests)
			for b.Loop() {
				s.Update(dests, Added, 0)
			}
		})
	}
}
