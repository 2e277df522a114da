//go:build amd64 && !race

package afpacket

import "unsafe"

// giveShared is writeShared without the wait until the other CPUs have seen the word. A
// plain store is enough on amd64: stores become visible in their order, and after all reads
// before them (AMD64 Architecture Programmer's Manual, volume 2, section 7.2). The XCHG of
// sync/atomic waits for each slot's cache line in turn, which another CPU wrote last.
func giveShared(mem []byte, off int, word uint32) {
	*(*uint32)(unsafe.Pointer(&mem[off : off+4][0])) = word
}
