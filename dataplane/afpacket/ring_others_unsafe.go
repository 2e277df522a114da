//go:build !amd64 || race

package afpacket

// giveShared is writeShared, whose store is ordered behind all reads and writes before.
func giveShared(mem []byte, off int, word uint32) { writeShared(mem, off, word) }
