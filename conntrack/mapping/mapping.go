package mapping

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"lvsdr/conntrack"
)

// hugeSize is that of a huge page in bytes, where mappings are worth one.
const hugeSize = 2 << 20

// Room maps zeroed memory for as many lines and pairs: a conntrack.Config's
// Room, for tables that live as long as the program.
func Room(lines, pairs int) ([]conntrack.Line, []conntrack.Pair, error) {
	return new(Memory).Room(lines, pairs)
}

// Memory is that of tables that live less long.
type Memory struct {
	maps [][]byte
}

// Room is a conntrack.Config's Room.
func (m *Memory) Room(lines, pairs int) ([]conntrack.Line, []conntrack.Pair, error) {
	l, err := pages[conntrack.Line](m, lines)
	if err != nil {
		return nil, nil, fmt.Errorf("map %d lines: %w", lines, err)
	}
	p, err := pages[conntrack.Pair](m, pairs)
	if err != nil {
		return nil, nil, fmt.Errorf("map %d address pairs: %w", pairs, err)
	}
	return l, p, nil
}

// Free gives all of it back to the system. The tables, and their entries, must
// not be touched any more.
func (m *Memory) Free() error {
	var errs []error
	for _, b := range m.maps {
		errs = append(errs, os.NewSyscallError("munmap", unix.Munmap(b)))
	}
	m.maps = nil
	return errors.Join(errs...)
}

// anonymous maps size bytes that belong to nobody else, begin where a huge page
// does, and are to be backed by huge pages if they are as many. A kernel that has
// none, or is told to use none, serves all the same.
func (m *Memory) anonymous(size int) ([]byte, error) {
	all, err := unix.Mmap(-1, 0, size+hugeSize, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS)
	if err != nil {
		return nil, os.NewSyscallError("mmap", err)
	}
	m.maps = append(m.maps, all)
	b := all[unaligned(all):][:size]
	if size >= hugeSize {
		_ = unix.Madvise(b, unix.MADV_HUGEPAGE)
	}
	return b, nil
}
