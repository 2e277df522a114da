package afpacket

import (
	"sync/atomic"
	"unsafe"
)

// readShared reads the word the kernel publishes a slot or a ring's position with.
// Everything the kernel wrote before is visible after it.
func readShared(mem []byte, off int) uint32 {
	return atomic.LoadUint32((*uint32)(unsafe.Pointer(&mem[off : off+4][0])))
}

// writeShared writes the word that gives the kernel a slot or a ring's position.
// Everything was read and written before.
func writeShared(mem []byte, off int, word uint32) {
	atomic.StoreUint32((*uint32)(unsafe.Pointer(&mem[off : off+4][0])), word)
}
