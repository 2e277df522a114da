// Package mapping gives connection tables memory that is not the Go heap's: the
// garbage collector does not count it, and the kernel is asked to back it with
// huge pages, so that a look-up in a table of many megabytes does not wait for
// the page tables as well. It is touched only as the table fills.
package mapping

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"lvsdr/conntrack"
)

// hugeSize is that of a huge page in bytes, where mappings are worth one.
const hugeSize = 2 << 20

// Room maps zeroed memory for as many lines and pairs: a conntrack.Config's
// Room. It is never given back: a table lives as long as the program.
func Room(lines, pairs int) ([]conntrack.Line, []conntrack.Pair, error) {
	l, err := pages[conntrack.Line](lines)
	if err != nil {
		return nil, nil, fmt.Errorf("map %d lines: %w", lines, err)
	}
	p, err := pages[conntrack.Pair](pairs)
	if err != nil {
		return nil, nil, fmt.Errorf("map %d address pairs: %w", pairs, err)
	}
	return l, p, nil
}

// roundUp is size in whole pages of the given size.
func roundUp(size, page int) int { return (size + page - 1) / page * page }

// advise asks for huge pages where they fit. A kernel that has none, or is
// told to use none, serves all the same.
func advise(b []byte) {
	if len(b) >= hugeSize {
		_ = unix.Madvise(b, unix.MADV_HUGEPAGE)
	}
}

// anonymous maps size bytes that belong to nobody else, and begin at a huge
// page if they are as many.
func anonymous(size int) ([]byte, error) {
	size = max(roundUp(size, os.Getpagesize()), os.Getpagesize())
	if size < hugeSize {
		return unix.Mmap(-1, 0, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS)
	}
	// Room to begin where a huge page does.
	all, err := unix.Mmap(-1, 0, size+hugeSize, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS)
	if err != nil {
		return nil, err
	}
	b := all[unaligned(all):][:size]
	advise(b)
	return b, nil
}
