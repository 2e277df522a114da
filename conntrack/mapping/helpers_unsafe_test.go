package mapping

import (
	"unsafe"

	"golang.org/x/sys/unix"

	"lvsdr/conntrack"
)

// place is the address of the first line.
func place(l []conntrack.Line) uintptr { return uintptr(unsafe.Pointer(unsafe.SliceData(l))) }

// mapped reports whether the process has memory there.
func mapped(at uintptr) bool {
	var page [1]byte
	_, _, errno := unix.Syscall(unix.SYS_MINCORE, at&^4095, 1, uintptr(unsafe.Pointer(&page)))
	return errno != unix.ENOMEM
}
