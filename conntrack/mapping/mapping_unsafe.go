package mapping

import "unsafe"

// pages maps room for n records without pointers.
func pages[T any](m *Memory, n int) ([]T, error) {
	var one T
	b, err := m.anonymous(n * int(unsafe.Sizeof(one)))
	if err != nil {
		return nil, err
	}
	return unsafe.Slice((*T)(unsafe.Pointer(unsafe.SliceData(b))), n), nil
}

// unaligned is how many bytes of b are in front of a huge page.
func unaligned(b []byte) int {
	at := int(uintptr(unsafe.Pointer(unsafe.SliceData(b))) % hugeSize)
	return (hugeSize - at) % hugeSize
}
