package tree_test

import (
	"cmp"
	"maps"
	"math/bits"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"lvsdr/control/site/tree"
)

// key is an int that compares itself.
type key int

func (k key) Compare(o key) int { return cmp.Compare(k, o) }

type intMap = tree.Map[key, int]

// edits draws a map and the same as Go has it.
func edits(t *rapid.T, m intMap, model map[key]int) (intMap, map[key]int) {
	model = maps.Clone(model)
	if model == nil {
		model = map[key]int{}
	}
	for range rapid.IntRange(0, 200).Draw(t, "edits") {
		k := key(rapid.IntRange(0, 99).Draw(t, "key"))
		if rapid.Bool().Draw(t, "put") {
			v := rapid.IntRange(0, 2).Draw(t, "value")
			m, model[k] = m.Put(k, v), v
		} else {
			m = m.Delete(k)
			delete(model, k)
		}
	}
	return m, model
}

func checkEqual(t *rapid.T, m intMap, model map[key]int) {
	if got := maps.Collect(m.All()); !maps.Equal(got, model) {
		t.Fatalf("the map has %v, want %v", got, model)
	}
	if m.Len() != len(model) {
		t.Fatalf("%d entries, want %d", m.Len(), len(model))
	}
	keys := slices.Sorted(maps.Keys(model))
	var got []key
	for k := range m.All() {
		got = append(got, k)
	}
	if !slices.Equal(got, keys) {
		t.Fatalf("the keys come as %v", got)
	}
	from := key(rapid.IntRange(-1, 100).Draw(t, "from"))
	at, _ := slices.BinarySearch(keys, from)
	got = nil
	for k := range m.From(from) {
		got = append(got, k)
	}
	if !slices.Equal(got, keys[at:]) {
		t.Fatalf("the keys from %d are %v, want %v", from, got, keys[at:])
	}
	for k := range key(100) {
		v, ok := m.Get(k)
		if want, has := model[k]; v != want || ok != has {
			t.Fatalf("at %d there is %d, %v; want %d, %v", k, v, ok, want, has)
		}
	}
}

func TestAMapIsWhatGosMapIsAndKeepsItsOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m, model := edits(t, intMap{}, nil)
		checkEqual(t, m, model)
		later, laterModel := edits(t, m, model)
		checkEqual(t, later, laterModel)
		checkEqual(t, m, model) // no edit of another map changes this one
	})
}

func TestAnEditThatChangesNothingGivesTheSameMap(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m, model := edits(t, intMap{}, nil)
		k := key(rapid.IntRange(0, 99).Draw(t, "key"))
		if v, ok := model[k]; ok && !m.Put(k, v).Same(m) {
			t.Fatal("putting the value that is there makes another map")
		} else if !ok && !m.Delete(k).Same(m) {
			t.Fatal("deleting what is not there makes another map")
		}
	})
}

func TestDiffIsTheKeysThatDifferInOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m, a := edits(t, intMap{}, nil)
		n, b := edits(t, m, a)
		if rapid.Bool().Draw(t, "of another origin") {
			n, b = edits(t, intMap{}, nil)
		}
		last := key(-1)
		merged := maps.Clone(a)
		for k, c := range tree.Diff(m, n) {
			if k <= last {
				t.Fatalf("%d comes after %d", k, last)
			}
			last = k
			old, was := a[k]
			now, is := b[k]
			if (c != tree.Change[int]{Old: old, New: now, WasIn: was, IsInNow: is}) || was == is && old == now {
				t.Fatalf("at %d: %+v; the old map has %d, %v, the new one %d, %v", k, c, old, was, now, is)
			}
			delete(merged, k)
			if is {
				merged[k] = now
			}
		}
		if !maps.Equal(merged, b) {
			t.Fatalf("the differences lead to %v, want %v", merged, b)
		}
	})
}

func TestIterationsStopWhereTheyAreToldTo(t *testing.T) {
	var m, n intMap
	for i := range key(10) {
		m, n = m.Put(i, 1), n.Put(i+5, 2)
	}
	for stop := range key(20) {
		seen := 0
		for k := range m.All() {
			if seen++; k == stop {
				break
			}
		}
		if want := int(min(stop, 9)) + 1; seen != want {
			t.Errorf("All: %d keys until %d, want %d", seen, stop, want)
		}
		seen = 0
		for k := range m.From(3) {
			if seen++; k >= stop {
				break
			}
		}
		if want := int(min(max(stop, 3), 9)) - 2; seen != want {
			t.Errorf("From: %d keys until %d, want %d", seen, stop, want)
		}
		seen = 0
		for k := range tree.Diff(m, n) {
			if seen++; k == stop {
				break
			}
		}
		if want := int(min(stop, 14)) + 1; seen != want {
			t.Errorf("Diff: %d keys until %d, want %d", seen, stop, want)
		}
	}
}

// counted counts comparisons, and with them the nodes that are visited.
type counted struct {
	k int
	n *int
}

func (c counted) Compare(o counted) int {
	*c.n++
	return cmp.Compare(c.k, o.k)
}

func TestCostsGrowWithTheLogarithm(t *testing.T) {
	const n = 1 << 12
	orders := map[string]func(int) int{
		"rising":    func(i int) int { return i },
		"falling":   func(i int) int { return -i },
		"scattered": func(i int) int { return int(bits.Reverse16(uint16(i))) },
	}
	for name, order := range orders {
		var steps int
		var m tree.Map[counted, int]
		for i := range n {
			m = m.Put(counted{order(i), &steps}, i)
		}
		for i := range n { // half of them, unevenly
			if i%4 != 0 && i > n/3 {
				m = m.Delete(counted{order(i), &steps})
			}
		}
		// A balanced tree with delta 3 is at most log(n) / log(4/3) deep.
		const deepest = 29
		worst := 0
		for i := range n {
			steps = 0
			m.Get(counted{order(i), &steps})
			worst = max(worst, steps)
		}
		if worst > deepest {
			t.Errorf("%s: a key was found after %d steps, want at most %d", name, worst, deepest)
		}
		edited := m.Put(counted{order(n / 5), &steps}, -1)
		steps = 0
		found := 0
		for range tree.Diff(m, edited) {
			found++
		}
		if found != 1 || steps > 2*deepest {
			t.Errorf("%s: %d differences found in %d comparisons, want 1 in at most %d", name, found, steps, 2*deepest)
		}
	}
}

func BenchmarkPut(b *testing.B) {
	var m intMap
	for i := range key(3000) {
		m = m.Put(i, 0)
	}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		m = m.Put(key(i%3000), i)
	}
}

func BenchmarkDiffOfOneEdit(b *testing.B) {
	var m intMap
	for i := range key(30000) {
		m = m.Put(i, 0)
	}
	n := m.Put(12345, 1)
	b.ReportAllocs()
	for b.Loop() {
		for range tree.Diff(m, n) {
		}
	}
}
