package scheduler

import (
	"math/rand"
	"os"
	"slices"
	"strings"
	"testing"
)

// copied are copies of dests.
func copied(dests []*Dest) []*Dest {
	var all []*Dest
	for _, d := range dests {
		c := *d
		all = append(all, &c)
	}
	return all
}

// asked is the definition by which a scheduler chooses as its clone has chosen
// before, and, where it has a definition, as that says: so the clone's choices
// leave it where it stands.
func (w *world) asked(t *testing.T) definition {
	defined := func(_ []*Dest, _ *Flow) *Dest { return nil }
	define, known := definitions()[w.name]
	if known {
		defined = define()
	}
	return func(list []*Dest, f *Flow) *Dest {
		dests := copied(list)
		clone := w.fast.Clone(dests)
		words := clone.Describe(dests, f)
		if was := w.fast.Describe(list, f); words != was || words == "" {
			t.Fatalf("the clone says %q, the original %q", words, was)
		}
		i := clone.Pick(dests, f)
		for n := range 5 { // it goes on by itself
			clone.Pick(dests, &Flow{Src: address(n), Dst: address(n + 100), Now: f.Now})
		}
		clone.Update(dests, Edited, 0)
		if want := slices.Index(list, defined(list, f)); known && i != want {
			t.Fatalf("the clone picks %d, the definition says %d", i, want)
		}
		if i < 0 {
			return nil
		}
		return list[i]
	}
}

// A clone picks what its original would pick, and the original does not notice.
func TestClonesPickAsTheirOriginals(t *testing.T) {
	for _, name := range Names() {
		t.Run(name, func(t *testing.T) {
			seeds := long(int64(6), 60)
			if name == "mh" {
				seeds = long(int64(2), 4) // its definition fills a table for every choice
			}
			for seed := range seeds {
				w := &world{random: rand.New(rand.NewSource(seed)), name: name, ports: 80}
				var err error
				if w.fast, err = New(name, nil); err != nil {
					t.Fatal(err)
				}
				w.slow = w.asked(t)
				for range 100 {
					if err := w.step(); err != nil {
						t.Fatalf("seed %d: %v, after\n%s", seed, err, strings.Join(w.steps, "\n"))
					}
				}
			}
		})
	}
}

func TestSchedulersSayWhereTheyStand(t *testing.T) {
	for name, want := range map[string]string{
		"rr":    "the last one was 10.0.3.232:80",
		"wrr":   "at 10.0.3.232:80 in the pass for weights of 3 and more; the passes go from 3 down in steps of 1",
		"lc":    "256 × active",
		"twos":  "at random",
		"sh":    "the client's address is hashed to bucket ",
		"dh":    "the virtual address is hashed to bucket ",
		"mh":    "the client's address is hashed to place ",
		"lblc":  "the virtual address had 10.0.3.232:80 last",
		"lblcr": "wlc among those the virtual address has, 10.0.3.232:80;",
	} {
		dests := servers(3, 2)
		s, f := scheduled(t, name, dests), flowFrom(1)
		f.Dst = address(3)
		s.Pick(dests, f)
		if got := s.Describe(dests, f); !strings.Contains(got, want) {
			t.Errorf("%s says %q, want %q", name, got, want)
		}
	}
}

// long is much where the environment has LVSDR_LONG=1, as in a step of its own of
// .ci/run, and less where it has not.
func long[T any](less, much T) T {
	if os.Getenv("LVSDR_LONG") != "" {
		return much
	}
	return less
}
