package mapping

import (
	"testing"

	"lvsdr/conntrack"
	"lvsdr/dataplane/frame"
)

// Mapped memory is zeroed, as long as asked for, and all of it can be written;
// big ones begin where a huge page does.
func TestRoom(t *testing.T) {
	for _, n := range []int{1, 100, 1 << 15, 1<<16 + 1} {
		lines, pairs, err := Room(n, n+1)
		if err != nil {
			t.Fatal(err)
		}
		if len(lines) != n || len(pairs) != n+1 {
			t.Fatalf("%d lines and %d pairs, want %d and %d", len(lines), len(pairs), n, n+1)
		}
		for i := range pairs {
			if pairs[i] != (conntrack.Pair{}) {
				t.Fatalf("pair %d of %d is not zero", i, n)
			}
			pairs[i][1][15] = byte(i) | 1
		}
		for i := range lines {
			if lines[i] != (conntrack.Line{}) {
				t.Fatalf("line %d of %d is not zero", i, n)
			}
		}
		if first := place(lines); n*64 >= hugeSize && first%hugeSize != 0 {
			t.Errorf("%d lines begin at %#x, within a huge page", n, first)
		}
	}
}

// A table in mapped memory is a table.
func TestTable(t *testing.T) {
	table, err := conntrack.New(conntrack.Config{Limit: 1 << 16, Room: Room})
	if err != nil {
		t.Fatal(err)
	}
	v6 := frame.Addr{0: 0x20, 1: 1}
	for i := range 1 << 14 {
		client := frame.AddrFrom4([4]byte{10, byte(i), byte(i >> 8), 1})
		if i%2 == 0 {
			client = v6
			client[14], client[15] = byte(i), byte(i>>8)
		}
		k := conntrack.Key{Client: client, Virtual: v6, ClientPort: 1, VirtualPort: 80, Proto: frame.ProtoTCP}
		h := table.Hash(&k)
		if e := table.Insert(&k, h, 1, nil, 0); e == nil || table.Find(&k, h, 0) != e || table.Key(e) != k && i%2 == 0 {
			t.Fatalf("entry %d: inserted %v", i, e)
		}
	}
	if table.Len() != 1<<14 {
		t.Errorf("%d entries, want %d", table.Len(), 1<<14)
	}
}

// Memory that is given back is not the process's any more, and may be given
// back twice.
func TestFree(t *testing.T) {
	var m Memory
	lines, _, err := m.Room(1<<16, 1)
	if err != nil {
		t.Fatal(err)
	}
	other, _, err := m.Room(1, 1)
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range [][]conntrack.Line{lines, other} {
		l[0] = conntrack.Line{}
		if !mapped(place(l)) {
			t.Fatal("the memory is not there")
		}
	}
	for range 2 {
		if err := m.Free(); err != nil {
			t.Error(err)
		}
	}
	for _, l := range [][]conntrack.Line{lines, other} {
		if mapped(place(l)) {
			t.Error("the memory is still there")
		}
	}
}
