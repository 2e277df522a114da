package offload

import (
	"sync/atomic"
	"unsafe"
)

// word is a number of four bytes in memory that the program reads and writes.
func word(mem []byte, at int) *uint32 { return (*uint32)(unsafe.Pointer(&mem[at : at+4][0])) }

// long is a number of eight bytes there.
func long(mem []byte, at int) *uint64 { return (*uint64)(unsafe.Pointer(&mem[at : at+8][0])) }

func load32(mem []byte, at int) uint32     { return atomic.LoadUint32(word(mem, at)) }
func store32(mem []byte, at int, v uint32) { atomic.StoreUint32(word(mem, at), v) }
func load64(mem []byte, at int) uint64     { return atomic.LoadUint64(long(mem, at)) }
func store64(mem []byte, at int, v uint64) { atomic.StoreUint64(long(mem, at), v) }

// swap32 makes a number that is was now, and reports whether it was.
func swap32(mem []byte, at int, was, now uint32) bool {
	return atomic.CompareAndSwapUint32(word(mem, at), was, now)
}
