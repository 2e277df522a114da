package dataplane_test

import (
	"maps"
	"math/rand"
	"testing"

	"lvsdr/dataplane/frame"
)

// Whatever packets and edits come, to whichever worker, the states counted are those of the
// connections that are listed.
func TestStatesCountedAreThoseListed(t *testing.T) {
	type sort struct {
		proto frame.Proto
		state string
	}
	all := map[sort]bool{}
	for seed := range int64(4) {
		x := newMatch(t, seed)
		x.r = rand.New(rand.NewSource(seed))
		x.furnish()
		for range 300 {
			if err := x.step(); err != nil {
				t.Fatal(err)
			}
		}
		listed, templates := map[sort]int{}, 0
		for c := range x.l.d.EachConn(x.l.now) {
			if c.Key.Template {
				templates++
			} else {
				listed[sort{c.Key.Proto, c.State}]++
			}
		}
		counts, counted := x.l.d.CountStates(), map[sort]int{}
		counts.Each(func(p frame.Proto, state string, n int) { counted[sort{p, state}] += n })
		if !maps.Equal(counted, listed) || counts.Templates() != templates {
			t.Errorf("seed %d: counted %v and %d templates, listed are %v and %d", seed, counted, counts.Templates(), listed, templates)
		}
		for s := range listed {
			all[s] = true
		}
	}
	if len(all) < 5 {
		t.Errorf("the traffic leads to %v only", all)
	}
}
