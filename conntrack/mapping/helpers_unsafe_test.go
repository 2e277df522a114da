package mapping

import (
	"unsafe"

	"lvsdr/conntrack"
)

// place is the address of the first line.
func place(l []conntrack.Line) uintptr { return uintptr(unsafe.Pointer(unsafe.SliceData(l))) }
