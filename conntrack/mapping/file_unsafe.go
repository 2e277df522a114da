package mapping

import (
	"fmt"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"

	"lvsdr/conntrack"
)

// headBytes is the room for the head.
const headBytes = 4096

// A layout says where in the file everything is. The lines begin where a huge page
// does. The records behind reserved take memory a page of theirs at a time; until
// then they are a hole in the file.
//
//	head │ sealed │ used │ lines │ pairs ┃ servers │ services │ loads
type layout struct {
	tables                                       int
	lineCount, pairCount, chunkCount             int
	sealed, used, lines, pairs                   int // offsets in bytes
	reserved                                     int
	servers, services, loads, loadsOfTable, size int
}

const (
	lineBytes = int(unsafe.Sizeof(conntrack.Line{}))
	pairBytes = int(unsafe.Sizeof(conntrack.Pair{}))
	destBytes = int(unsafe.Sizeof(conntrack.Dest{}))
	loadBytes = int(unsafe.Sizeof(conntrack.Load{}))
	pageBytes = 4096
)

// up is n, or the next multiple of unit.
func up(n, unit int) int { return (n + unit - 1) / unit * unit }

// layoutOf is that of a file for n tables of limit entries together.
func layoutOf(limit, n int) layout {
	l := layout{tables: n, sealed: headBytes}
	l.lineCount, l.pairCount, l.chunkCount = conntrack.Size(limit, n)
	l.used = up(l.sealed+n*int(unsafe.Sizeof(conntrack.Sealed{})), pageBytes)
	l.lines = up(l.used+l.chunkCount*4, hugeSize)
	l.pairs = up(l.lines+l.lineCount*lineBytes, pageBytes)
	l.reserved = up(l.pairs+l.pairCount*pairBytes, pageBytes)
	l.servers = l.reserved
	l.services = up(l.servers+conntrack.MaxDests*destBytes, pageBytes)
	l.loads = up(l.services+conntrack.MaxDests*destBytes, pageBytes)
	l.loadsOfTable = up(conntrack.MaxDests*loadBytes, pageBytes)
	l.size = l.loads + n*l.loadsOfTable
	return l
}

// part is n records of the file from offset at on.
func part[T any](f *File, at, n int) []T {
	return unsafe.Slice((*T)(unsafe.Pointer(&f.data[at])), n)
}

// records gives memory for a page of records from offset at on.
func records[T any](f *File, at, page int) ([]T, error) {
	var one T
	size := conntrack.DestPage * int(unsafe.Sizeof(one))
	at += page * size
	if err := f.allocate(at, size); err != nil {
		return nil, err
	}
	return part[T](f, at, conntrack.DestPage), nil
}

// kept is the memory of f.
func (l *layout) kept(f *File) *conntrack.Kept {
	return &conntrack.Kept{
		Head: f.head(), Lines: part[conntrack.Line](f, l.lines, l.lineCount), Pairs: part[conntrack.Pair](f, l.pairs, l.pairCount),
		Used: part[uint32](f, l.used, l.chunkCount), Sealed: part[conntrack.Sealed](f, l.sealed, l.tables),
		Servers:  func(page int) ([]conntrack.Dest, error) { return records[conntrack.Dest](f, l.servers, page) },
		Services: func(page int) ([]conntrack.Dest, error) { return records[conntrack.Dest](f, l.services, page) },
		Loads: func(table, page int) ([]conntrack.Load, error) {
			return records[conntrack.Load](f, l.loads+table*l.loadsOfTable, page)
		},
	}
}

func (f *File) head() *conntrack.Head { return &part[conntrack.Head](f, 0, 1)[0] }

// mapAll maps the first size bytes to a place that begins where a huge page does.
func (f *File) mapAll(size, flags int) (err error) {
	f.room, err = unix.Mmap(-1, 0, size+hugeSize, unix.PROT_NONE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS|unix.MAP_NORESERVE)
	if err != nil {
		return os.NewSyscallError("mmap", err)
	}
	f.data = f.room[unaligned(f.room):][:size]
	if err := f.remap(flags); err != nil {
		return err
	}
	f.huge()
	return nil
}

// remap maps the file to where it is mapped.
func (f *File) remap(flags int) error {
	at := unsafe.Pointer(unsafe.SliceData(f.data))
	if _, err := unix.MmapPtr(int(f.file.Fd()), 0, at, uintptr(len(f.data)), unix.PROT_READ|unix.PROT_WRITE, flags|unix.MAP_FIXED); err != nil {
		return fmt.Errorf("map %s: %w", f.file.Name(), os.NewSyscallError("mmap", err))
	}
	return nil
}

// mapPrivate has what is stored from now on stay in this process.
func (f *File) mapPrivate() error { return f.remap(unix.MAP_PRIVATE) }

func (f *File) unmap() error {
	if f.data == nil {
		return nil
	}
	f.data = nil
	return os.NewSyscallError("munmap", unix.Munmap(f.room))
}

// huge asks for huge pages for lines and pairs; a kernel that gives none serves all
// the same. Only whole ones: what is not reserved must not be touched.
func (f *File) huge() {
	from, to := f.maps.lines, f.maps.reserved/hugeSize*hugeSize
	if len(f.data) < to || to <= from || f.maps.lineCount*lineBytes < hugeSize {
		return
	}
	_ = unix.Madvise(f.data[from:to], unix.MADV_HUGEPAGE)
	if f.fresh { // pages that are huge stay so
		_ = unix.Madvise(f.data[from:to], unix.MADV_COLLAPSE)
	}
}
