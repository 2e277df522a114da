package afpacket

import (
	"sync/atomic"
	"unsafe"
)

// loadStatus reads the word the kernel publishes a slot with. Everything the
// kernel wrote to the slot before is visible after it.
func loadStatus(mem []byte, off int) uint32 {
	return atomic.LoadUint32((*uint32)(unsafe.Pointer(&mem[off : off+4][0])))
}

// storeStatus writes the word that gives a slot back. Everything read from the
// slot was read before.
func storeStatus(mem []byte, off int, status uint32) {
	atomic.StoreUint32((*uint32)(unsafe.Pointer(&mem[off : off+4][0])), status)
}
