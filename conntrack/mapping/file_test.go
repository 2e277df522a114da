package mapping

import (
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"lvsdr/conntrack"
	"lvsdr/dataplane/frame"
)

// mustOpen opens a file, and its tables.
func mustOpen(t *testing.T, w Want) (*File, []*conntrack.Table, conntrack.Recovered) {
	t.Helper()
	f, err := OpenFile(w)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	tables, found, err := conntrack.Open(f.Kept(), nil, nil, func(conntrack.DestRef) bool { return true }, 77, 5)
	if err != nil {
		t.Fatal(err)
	}
	return f, tables, found
}

// insert makes n connections.
func insert(t *testing.T, table *conntrack.Table, n int) {
	t.Helper()
	for i := range n {
		k := conntrack.Key{Client: frame.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)}), Virtual: frame.AddrFrom4([4]byte{192, 0, 2, 1}),
			ClientPort: uint16(i), VirtualPort: 80, Proto: frame.ProtoTCP}
		if i%5 == 0 {
			k.Client[0], k.Virtual[0] = 0xfd, 0xfd
		}
		e := table.Insert(&k, table.Hash(&k), conntrack.DestRef(i), nil, 0)
		table.SetState(e, conntrack.Established)
		table.Refresh(e, 0)
	}
}

// What is in a file is there for the next who opens it, sealed or not.
func TestAFileOutlivesItsTable(t *testing.T) {
	for _, seal := range []bool{true, false} {
		w := wantOf(filepath.Join(t.TempDir(), "table"), 0)
		f, tables, found := mustOpen(t, w)
		if found.PID != 0 || f.Kept().Fresh != "" {
			t.Errorf("a new file: %+v, %q", found, f.Kept().Fresh)
		}
		if _, err := os.Stat(w.Name); err == nil {
			t.Error("the new file has its name before it is whole")
		}
		if err := f.Commit(); err != nil {
			t.Fatal(err)
		}
		insert(t, tables[0], 100)
		if seal {
			conntrack.Seal(f.Kept(), tables, 9)
		}
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
		st, err := os.Stat(w.Name)
		if err != nil || st.Mode().Perm() != 0o600 {
			t.Fatalf("%v, %v", st, err)
		}
		w.Secret = [16]byte{99} // that of the file counts
		f, tables, found = mustOpen(t, w)
		if found.Clean != seal || found.PID != 77 || found.Since != 5 || found.Half > 0 || tables[0].Len() != 100 {
			t.Errorf("sealed %v: %+v, %d entries", seal, found, tables[0].Len())
		}
		n := 0
		tables[0].All(func(e *conntrack.Entry) bool {
			k := tables[0].Key(e)
			if got := tables[0].Find(&k, tables[0].Hash(&k), 1); got == e && e.State() == conntrack.Established {
				n++
			}
			return true
		})
		if n != 100 {
			t.Errorf("sealed %v: %d of 100 connections are found", seal, n)
		}
		if err := f.Commit(); err != nil {
			t.Error(err)
		}
	}
}

// A file that cannot be gone on with is replaced by an empty one, and it is said why.
func TestAFileThatIsNoGoodIsReplaced(t *testing.T) {
	edit := func(at int, to []byte) func(t *testing.T, name string) {
		return func(t *testing.T, name string) {
			f, err := os.OpenFile(name, os.O_RDWR, 0)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			if _, err := f.WriteAt(to, int64(at)); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, c := range []struct {
		name  string
		spoil func(t *testing.T, name string)
		want  string
	}{
		{"garbage", func(t *testing.T, name string) {
			if err := os.WriteFile(name, []byte(strings.Repeat("garbage", 10000)), 0o600); err != nil {
				t.Fatal(err)
			}
		}, "it is not a connection table"},
		{"too short", func(_ *testing.T, name string) { os.Truncate(name, 100) }, "it is too short"},
		{"cut", func(_ *testing.T, name string) { os.Truncate(name, 1<<20) }, "its length is wrong"},
		{"another version", edit(8, []byte{99}), "it is of another version of the program"},
		{"another boot", edit(16, []byte{1}), "it was written before the host was started anew"},
		{"another hash", edit(48, []byte{1, 2, 3, 4}), "it is hashed in another way"},
		{"no tables", edit(56, []byte{0, 0, 0, 0}), "its size is wrong"},
		{"writable by others", func(_ *testing.T, name string) { os.Chmod(name, 0o622) }, "others may write to it"},
		{"a folder", func(_ *testing.T, name string) { os.Remove(name); unix.Mkfifo(name, 0o600) }, "it is not a regular file"},
		{"another user's", func(t *testing.T, name string) {
			if os.Geteuid() != 0 {
				t.Skip("needs root")
			}
			os.Chown(name, 65534, 65534)
		}, "it belongs to user 65534"},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := wantOf(filepath.Join(t.TempDir(), "table"), 0)
			f, tables, _ := mustOpen(t, w)
			insert(t, tables[0], 10)
			f.Commit()
			f.Close()
			c.spoil(t, w.Name)
			f, tables, _ = mustOpen(t, w)
			if got := f.Kept().Fresh; got != c.want {
				t.Errorf("%q, want %q", got, c.want)
			}
			if tables[0].Len() != 0 {
				t.Errorf("%d entries", tables[0].Len())
			}
			if err := f.Commit(); err != nil {
				t.Fatal(err)
			}
			insert(t, tables[0], 20)
			f.Close()
			if f, tables, _ = mustOpen(t, w); tables[0].Len() != 20 || f.Kept().Fresh != "" {
				t.Errorf("the new one: %d entries, %q", tables[0].Len(), f.Kept().Fresh)
			}
		})
	}
}

// Two cannot have one file. A process that releases it goes on with a memory of its own.
func TestAFileHasOneOwner(t *testing.T) {
	w := wantOf(filepath.Join(t.TempDir(), "table"), 0)
	f, tables, _ := mustOpen(t, w)
	if _, err := OpenFile(w); !errors.Is(err, ErrInUse) {
		t.Fatalf("before it has a name: %v", err)
	}
	f.Commit()
	if _, err := OpenFile(w); !errors.Is(err, ErrInUse) {
		t.Fatalf("a second time: %v", err)
	}
	insert(t, tables[0], 10)
	conntrack.Seal(f.Kept(), tables, 9)
	if err := f.Release(); err != nil {
		t.Fatal(err)
	}
	_, next, found := mustOpen(t, w)
	if !found.Clean || next[0].Len() != 10 {
		t.Errorf("%+v, %d entries", found, next[0].Len())
	}
	tables[0].Sweep(1e15, 100)
	if tables[0].Len() != 0 {
		t.Error("the process that has released it cannot go on")
	}
	n := 0
	next[0].All(func(*conntrack.Entry) bool { n++; return true })
	if n != 10 || next[0].Len() != 10 {
		t.Errorf("the process that has released it still writes to it: %d entries", n)
	}
}

// A file of another geometry gives its entries to a new one, and keeps them until that is
// whole.
func TestAFileOfAnotherSizeIsImported(t *testing.T) {
	w := wantOf(filepath.Join(t.TempDir(), "table"), 0)
	f, tables, _ := mustOpen(t, w)
	f.Commit()
	insert(t, tables[0], 100)
	f.Close()
	wider := w
	wider.Limit, wider.Tables = 4096, 3
	for range 2 { // the first does not get to its Commit
		f, tables, _ = mustOpen(t, wider)
		k := f.Kept()
		if k.From == nil || k.Fresh != "" {
			t.Fatalf("%+v", k)
		}
		others, found, err := conntrack.Open(k.From, nil, nil, func(conntrack.DestRef) bool { return true }, 77, 5)
		if err != nil || others[0].Len() != 100 {
			t.Fatalf("%+v, %v", found, err)
		}
		conntrack.Import(tables, others, func(h uint64) int { return int(h % 3) }, 5, &found)
		if found.NoRoom > 0 {
			t.Errorf("%+v", found)
		}
		if f.Close(); t.Failed() {
			return
		}
		f, tables, _ = mustOpen(t, w)
		if tables[0].Len() != 100 {
			t.Fatalf("the old file has %d entries", tables[0].Len())
		}
		f.Close()
	}
	f, tables, found := mustOpen(t, wider)
	others, _, _ := conntrack.Open(f.Kept().From, nil, nil, func(conntrack.DestRef) bool { return true }, 77, 5)
	conntrack.Import(tables, others, func(h uint64) int { return int(h % 3) }, 5, &found)
	if err := f.Commit(); err != nil {
		t.Fatal(err)
	}
	f.Close()
	if f, tables, _ = mustOpen(t, wider); f.Kept().From != nil || tables[0].Len()+tables[1].Len()+tables[2].Len() != 100 {
		t.Errorf("%d, %d, %d entries", tables[0].Len(), tables[1].Len(), tables[2].Len())
	}
}

// The records of destinations and the counters of workers are in the file.
func TestRecordsAreInTheFile(t *testing.T) {
	w := wantOf(filepath.Join(t.TempDir(), "table"), 0)
	f, _, _ := mustOpen(t, w)
	f.Commit()
	for _, page := range []int{0, 1, conntrack.MaxDests/conntrack.DestPage - 1} {
		servers, err := f.Kept().Servers(page)
		if err != nil {
			t.Fatal(err)
		}
		services, err := f.Kept().Services(page)
		if err != nil {
			t.Fatal(err)
		}
		loads, err := f.Kept().Loads(0, page)
		if err != nil {
			t.Fatal(err)
		}
		servers[255].Traffic.Conns, services[255].Traffic.Conns, loads[255].Bytes = 1, 2, 3
	}
	f.Close()
	f, _, _ = mustOpen(t, w)
	for _, page := range []int{0, 1, conntrack.MaxDests/conntrack.DestPage - 1} {
		servers, _ := f.Kept().Servers(page)
		services, _ := f.Kept().Services(page)
		loads, _ := f.Kept().Loads(0, page)
		if servers[255].Traffic.Conns != 1 || services[255].Traffic.Conns != 2 || loads[255].Bytes != 3 {
			t.Errorf("page %d: %d, %d, %d", page, servers[255].Traffic.Conns, services[255].Traffic.Conns, loads[255].Bytes)
		}
	}
}

// Where there is no room for all of a file there is none, and what was there stays.
func TestNoRoomIsKnownAtTheStart(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root, for a file system of its own")
	}
	dir := t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size=4m"); err != nil {
		t.Skip("a file system cannot be mounted here:", err)
	}
	t.Cleanup(func() { unix.Unmount(dir, unix.MNT_DETACH) })
	w := wantOf(filepath.Join(dir, "table"), 0)
	f, tables, _ := mustOpen(t, w)
	f.Commit()
	insert(t, tables[0], 10)
	f.Close()
	w.Limit = 1 << 20
	if _, err := OpenFile(w); !errors.Is(err, unix.ENOSPC) {
		t.Errorf("%v, want %v", err, unix.ENOSPC)
	}
	if _, err := os.Stat(w.Name + ".new"); err == nil {
		t.Error("half a file was left")
	}
	w.Limit = limitOf(0)
	if _, tables, _ := mustOpen(t, w); tables[0].Len() != 10 {
		t.Errorf("%d entries", tables[0].Len())
	}
}

// The head is where other versions look for it.
func TestTheHeadIsAtTheBeginning(t *testing.T) {
	w := wantOf(filepath.Join(t.TempDir(), "table"), 0)
	f, _, _ := mustOpen(t, w)
	f.Commit()
	b := make([]byte, 12)
	file, err := os.Open(w.Name)
	if err == nil {
		defer file.Close()
		_, err = file.Read(b)
	}
	if err != nil || string(b[:8]) != "lvsdrtab" || binary.NativeEndian.Uint32(b[8:]) != conntrack.KeptVersion {
		t.Errorf("%q, %v", b, err)
	}
}

// What is reserved is not reserved again; a copy of a file that has holes gets what it lacks.
func TestAFileWithHolesIsReserved(t *testing.T) {
	dir, err := os.MkdirTemp("/dev/shm", "mapping")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	w := wantOf(filepath.Join(dir, "table"), 1)
	f, tables, _ := mustOpen(t, w)
	f.Commit()
	insert(t, tables[0], 10)
	size := int64(f.maps.reserved-f.maps.pairs) / 2
	at := int64(f.maps.reserved) - size // where no entry has come to yet
	blocks := func() int64 {
		var st unix.Stat_t
		if err := unix.Stat(w.Name, &st); err != nil {
			t.Fatal(err)
		}
		return st.Blocks * blockBytes
	}
	whole := blocks()
	f.Close()
	file, err := os.OpenFile(w.Name, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.Fallocate(int(file.Fd()), unix.FALLOC_FL_PUNCH_HOLE|unix.FALLOC_FL_KEEP_SIZE, at, size); err != nil {
		t.Fatal(err)
	}
	file.Close()
	if holed := blocks(); holed >= whole {
		t.Fatalf("%d bytes with holes, %d without: this test proves nothing", holed, whole)
	}
	if _, tables, _ := mustOpen(t, w); tables[0].Len() != 10 {
		t.Errorf("%d entries", tables[0].Len())
	}
	if got := blocks(); got < int64(f.maps.reserved) {
		t.Errorf("%d bytes are there, want %d", got, f.maps.reserved)
	}
}
