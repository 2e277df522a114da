package conntrack

import (
	"encoding/binary"
	"fmt"
	"math/rand"
	"slices"
	"strings"
	"testing"
)

// all knows every destination.
func all(DestRef) bool { return true }

// forgetRetired removes what Recover does not keep.
func (m *model) forgetRetired() {
	for _, x := range slices.Clone(m.entries) {
		if x.retired {
			m.table.Remove(x.e)
		}
	}
}

// scramble makes nonsense of all that can be counted from the entries, and of what is in
// free ones.
func scramble(t *Table, r *rand.Rand) {
	for i := range t.used {
		t.used[i] = r.Uint32()
	}
	t.n, t.newPair, t.freePair = r.Int(), r.Uint32(), r.Uint32()
	taken := map[uint32]bool{}
	for i := range t.lines {
		for j := range t.lines[i] {
			e := &t.lines[i][j]
			e.word = e.word&(1<<overflowShift-1) | r.Uint32()<<overflowShift
			switch {
			case e.kind() == free:
				e.addrs, e.ports, e.dest, e.ref, e.aux, e.expires = r.Uint64(), r.Uint32(), DestRef(r.Uint32()), r.Uint32(), r.Uint32(), r.Uint32()
				continue
			case e.Template():
				e.ref = r.Uint32()
			}
			if e.kindProto()&v6 != 0 {
				taken[uint32(e.addrs)] = true
			}
		}
	}
	for i := range t.pairs {
		if !taken[uint32(i)] {
			binary.LittleEndian.PutUint32(t.pairs[i][0][:], r.Uint32())
		}
	}
}

// Whatever was done to a table, and whatever became of all that is counted in it, its
// entries are what they were after Recover, and it goes on as its definition says.
func TestATableIsRecoveredFromItsEntriesAlone(t *testing.T) {
	for seed := range int64(12) {
		r := rand.New(rand.NewSource(seed))
		m := newModel(t, 256, byte(seed), 1e9)
		keys := keysNear(m.table, r, []int{40, 110, 450}[seed%3], []int{16, 6, 256}[seed%3])
		for range 6 {
			m.run(t, seed, r, keys, 100, 1000)
			m.forgetRetired()
			scramble(m.table, r)
			var got Recovered
			Recover([]*Table{m.table}, all, &got)
			if got.Half+got.Strange+got.Loose > 0 {
				t.Fatalf("seed %d: %+v of a whole table", seed, got)
			}
			err := m.check()
			if err == nil {
				err = m.structure()
			}
			if err != nil {
				t.Fatalf("seed %d: %v after\n%s\nand Recover", seed, err, strings.Join(m.steps, "\n"))
			}
		}
	}
}

// What cannot be an entry is none.
func TestNonsenseIsNotRecovered(t *testing.T) {
	for _, c := range []struct {
		name  string
		spoil func(t *Table, e *Entry)
		want  Recovered
		left  int // of 3 entries: a template, its connection, and an IPv6 one
	}{
		{"nothing is wrong", func(*Table, *Entry) {}, Recovered{}, 3},
		{"a kind that does not exist", func(_ *Table, e *Entry) { e.become(6 << 8) }, Recovered{Half: 1}, 2},
		{"a state that does not exist", func(_ *Table, e *Entry) { e.setState(numStates) }, Recovered{Half: 1}, 2},
		{"another client", func(_ *Table, e *Entry) { e.addrs ^= 1 << 7 }, Recovered{Half: 1}, 2},
		{"another port", func(_ *Table, e *Entry) { e.ports ^= 1 << 9 }, Recovered{Half: 1}, 2},
		{"a retired connection is over", func(_ *Table, e *Entry) { e.become(retired) }, Recovered{}, 2},
		{"an unknown server", func(_ *Table, e *Entry) { e.dest = 99 }, Recovered{Strange: 1}, 2},
		{"a template that is none", func(_ *Table, e *Entry) { e.ref = 1000 }, Recovered{Loose: 1}, 3},
		{"a template far outside", func(_ *Table, e *Entry) { e.ref = 1 << 31 }, Recovered{Loose: 1}, 3},
		{"a template that is not whole", func(t *Table, e *Entry) { t.Template(e).aux = 0 }, Recovered{Half: 1, Loose: 1}, 2},
		{"a pair far outside", func(t *Table, _ *Entry) { only6(t).addrs |= 1 << 31 }, Recovered{Half: 1}, 2},
		{"a pair of another", func(t *Table, _ *Entry) { only6(t).addrs++ }, Recovered{Half: 1}, 2},
		{"another hash", func(t *Table, _ *Entry) { only6(t).addrs ^= 1 << 40 }, Recovered{Half: 1}, 2},
	} {
		t.Run(c.name, func(t *testing.T) {
			tb, err := New(Config{Limit: 512})
			if err != nil {
				t.Fatal(err)
			}
			k := Key{Client: addr4(1), Virtual: addr4(2), VirtualPort: 80, Proto: 6, Template: true}
			tmpl := tb.Insert(&k, tb.Hash(&k), 7, nil, 0)
			tb.SetTimeout(tmpl, 60e9, 0)
			k.ClientPort, k.Template = 1234, false
			e := tb.Insert(&k, tb.Hash(&k), 7, tmpl, 0)
			k.Client[0] = 0xfd
			tb.Insert(&k, tb.Hash(&k), 7, nil, 0)
			c.spoil(tb, e)
			var got Recovered
			Recover([]*Table{tb}, func(r DestRef) bool { return r == 7 }, &got)
			if got != c.want || tb.Len() != c.left {
				t.Errorf("%+v and %d entries, want %+v and %d", got, tb.Len(), c.want, c.left)
			}
		})
	}
}

// only6 is the IPv6 entry.
func only6(t *Table) (found *Entry) {
	t.All(func(e *Entry) bool {
		if e.kindProto()&v6 != 0 {
			found = e
		}
		return true
	})
	return found
}

func addr4(n byte) (a [16]byte) {
	copy(a[10:], []byte{0xff, 0xff, 10, 0, 0, n})
	return a
}

// entries describes all that is in tables, but for where it is.
func describe(tables []*Table) []string {
	var all []string
	for _, t := range tables {
		t.All(func(e *Entry) bool {
			s := fmt.Sprint(t.Key(e), e.dest, e.State(), e.Invalid(), e.Active(), e.Synced(), e.BothHalves(), e.expires, e.aux, e.Connections())
			if by := t.Template(e); by != nil {
				s += fmt.Sprint(" of ", by.dest)
			}
			all = append(all, s)
			return true
		})
	}
	slices.Sort(all)
	return all
}

// Tables of another size, or another number of them, have the same entries.
func TestImportedTablesHaveTheSameEntries(t *testing.T) {
	for _, c := range []struct{ from, fromTables, to, tables int }{{600, 1, 2000, 1}, {1024, 2, 1024, 4}, {1024, 4, 1024, 1}, {600, 1, 600, 2}} {
		old, others := filled(t, c.from, c.fromTables)
		want := describe(others)
		tables, err := NewGroup(Config{Limit: c.to, Secret: [16]byte{9}}, c.tables)
		if err != nil {
			t.Fatal(err)
		}
		var r Recovered
		Import(tables, others, func(h uint64) int { return int(h % uint64(c.tables)) }, old, &r)
		if got := describe(tables); !slices.Equal(got, want) || r != (Recovered{}) {
			t.Errorf("%+v: %+v and\n%s\nwant\n%s", c, r, strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
		var again Recovered
		if Recover(tables, all, &again); again != (Recovered{}) || !slices.Equal(describe(tables), want) {
			t.Errorf("%+v: the imported tables are not sound: %+v", c, again)
		}
	}
}

// filled makes tables of connections and templates, and says what time it is.
func filled(t *testing.T, limit, n int) (now int64, tables []*Table) {
	t.Helper()
	tables, err := NewGroup(Config{Limit: limit, Secret: [16]byte{1}}, n)
	if err != nil {
		t.Fatal(err)
	}
	r := rand.New(rand.NewSource(1))
	var tmpl *Entry
	for i := range 300 {
		k := randomKey(r)
		tb := tables[i%n]
		if tb.Find(&k, tb.Hash(&k), 0) != nil {
			continue
		}
		by := tmpl
		if k.Template || i%2 == 0 {
			by = nil
		}
		e := tb.Insert(&k, tb.Hash(&k), DestRef(i), by, 0)
		if k.Template {
			tb.SetTimeout(e, 100e9, 0)
			tmpl = e
			continue
		}
		if i%5 == 0 {
			tb.Tell(e, &Told{State: State(1 + i%3), Active: i%10 == 0, Both: i%20 == 0, New: true}, 0)
			continue
		}
		tb.SetState(e, State(1+i%3))
		tb.Refresh(e, 0)
	}
	return 1e9, tables
}

// Where there is less room, half-open connections stay out before open ones do, and
// what stays out is counted.
func TestImportingIntoLessRoomKeepsTheDear(t *testing.T) {
	from, err := New(Config{Limit: 1024})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 400 {
		k := Key{Client: addr4(byte(i)), Virtual: addr4(2), ClientPort: uint16(i), VirtualPort: 80, Proto: 6}
		e := from.Insert(&k, from.Hash(&k), 1, nil, 0)
		from.SetState(e, []State{SynRecv, Established}[i%2])
		from.Refresh(e, 0)
	}
	to, err := New(Config{Limit: 256})
	if err != nil {
		t.Fatal(err)
	}
	var r Recovered
	Import([]*Table{to}, []*Table{from}, func(uint64) int { return 0 }, 1, &r)
	open := 0
	to.All(func(e *Entry) bool {
		if e.State() == Established {
			open++
		}
		return true
	})
	if open != 200 || to.Len() != 256 || r.NoRoom != 400-256 || to.Evicted() != 0 {
		t.Errorf("%d open of %d, %d without room, %d evicted", open, to.Len(), r.NoRoom, to.Evicted())
	}
}

// spread makes a table of many chunks with an entry in each of the chunks that are named.
func spread(t *testing.T, chunks ...int) *Table {
	t.Helper()
	tb, err := New(Config{Limit: 1 << 13})
	if err != nil {
		t.Fatal(err)
	}
	k := Key{Client: addr4(1), Virtual: addr4(2), VirtualPort: 80, Proto: 6}
	for _, c := range chunks {
		for k.ClientPort++; tb.home(tb.Hash(&k))/chunkLines != c; k.ClientPort++ {
		}
		tb.Insert(&k, tb.Hash(&k), 7, nil, 0)
	}
	return tb
}

// A start waits for Recover: it looks at parts in which something is, or a process may have been at work
// when it was killed, and at no others.
func TestEmptyPartsAreNotRecovered(t *testing.T) {
	const at = 10 // the chunk in which something is wrong
	for _, c := range []struct {
		name  string
		in    []int // chunks with an entry
		count bool  // the process was counting an entry of the chunk
		spoil func(l *Line)
		half  int
		left  uint8 // overflow of the line
	}{
		{"an entry of a part that is empty is not looked for", nil, false, func(l *Line) { l[1].become(6 << 8) }, 0, 0},
		{"an entry beside another", []int{at}, false, func(l *Line) { l[1].become(6 << 8) }, 1, 0},
		{"the first entry, half written", nil, true, func(l *Line) { l[1].become(6 << 8) }, 1, 0},
		{"a count of entries further on, beside an entry", []int{at}, false, func(l *Line) { l[0].word += 3 * overflowUnit }, 0, 0},
		{"a count of entries further on, which were in the next part", []int{at + 1}, false, func(l *Line) { l[0].word += 3 * overflowUnit }, 0, 0},
		{"a count of entries further on, of an entry that was to come", nil, true, func(l *Line) { l[0].word += overflowUnit }, 0, 0},
		{"a count that no process has left", []int{at - 1, at + 2}, false, func(l *Line) { l[0].word += overflowUnit }, 0, 1},
	} {
		tb := spread(t, c.in...)
		if c.count {
			tb.used[at]++
		}
		l := &tb.lines[(at+1)*chunkLines-1]
		c.spoil(l)
		var got Recovered
		Recover([]*Table{tb}, all, &got)
		if got.Half != c.half || l[0].overflow() != c.left {
			t.Errorf("%s: %d dropped, %d counted; want %d, %d", c.name, got.Half, l[0].overflow(), c.half, c.left)
		}
		for i, n := range tb.used {
			if want := len(slices.DeleteFunc(slices.Clone(c.in), func(in int) bool { return in != i })); int(n) != want {
				t.Errorf("%s: chunk %d has %d entries, want %d", c.name, i, n, want)
			}
		}
	}
}

// The chunk before the first one is the last.
func TestTheLastPartIsBeforeTheFirst(t *testing.T) {
	tb := spread(t, 0)
	l := &tb.lines[len(tb.lines)-1]
	l[0].word += overflowUnit
	Recover([]*Table{tb}, all, &Recovered{})
	if l[0].overflow() != 0 {
		t.Error("what an entry of the first chunk has counted in the last one stays")
	}
}

// An entry is counted before anything else of it is there, and until all of it is gone.
func TestAnEntryIsCountedFirstAndForgottenLast(t *testing.T) {
	tb := spread(t)
	k := Key{Client: addr4(1), Virtual: addr4(2), ClientPort: 1, VirtualPort: 80, Proto: 6}
	h := tb.Hash(&k)
	c := tb.home(h) / chunkLines
	e := tb.Insert(&k, h, 7, nil, 0)
	counted := uint32(99)
	tb.removed = func(*Entry) { counted = tb.used[c] }
	if tb.used[c] != 1 {
		t.Errorf("%d entries are counted, of one", tb.used[c])
	}
	tb.Remove(e)
	if counted != 1 || tb.used[c] != 0 {
		t.Errorf("%d entries are counted while one goes, and %d after it", counted, tb.used[c])
	}
}
