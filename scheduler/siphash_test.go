package scheduler

import (
	"encoding/binary"
	"math/rand"
	"testing"
)

// slowSIP is SipHash-c-d of a message of any length under a key of 16 bytes, as
// the paper's section 2 has it: four words of state, and rounds of additions,
// rotations and exclusive ors.
func slowSIP(c, d int, key, message []byte) uint64 {
	k0, k1 := binary.LittleEndian.Uint64(key), binary.LittleEndian.Uint64(key[8:])
	v := []uint64{k0 ^ word("somepseu"), k1 ^ word("dorandom"), k0 ^ word("lygenera"), k1 ^ word("tedbytes")}
	half := func(a, b int, turn uint) {
		v[a] += v[b]
		v[b] = v[b]<<turn | v[b]>>(64-turn)
		v[b] ^= v[a]
	}
	rounds := func(n int) {
		for range n {
			half(0, 1, 13)
			half(2, 3, 16)
			v[0] = v[0]<<32 | v[0]>>32
			half(2, 1, 17)
			half(0, 3, 21)
			v[2] = v[2]<<32 | v[2]>>32
		}
	}
	length := byte(len(message))
	padded := append([]byte{}, message...)
	for len(padded)%8 != 7 {
		padded = append(padded, 0)
	}
	for padded = append(padded, length); len(padded) > 0; padded = padded[8:] {
		m := binary.LittleEndian.Uint64(padded)
		v[3] ^= m
		rounds(c)
		v[0] ^= m
	}
	v[2] ^= 0xff
	rounds(d)
	return v[0] ^ v[1] ^ v[2] ^ v[3]
}

// word is eight letters, the first most significant.
func word(s string) uint64 { return binary.BigEndian.Uint64([]byte(s)) }

func sequence(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i)
	}
	return b
}

// The definition gives what the paper's appendix A has for SipHash-2-4, and
// what is published for SipHash-1-3.
func TestSlowSipHashIsSipHash(t *testing.T) {
	if got, want := slowSIP(2, 4, sequence(16), sequence(15)), uint64(0xa129ca6149be45e5); got != want {
		t.Errorf("SipHash-2-4 of 15 bytes is %x, want %x", got, want)
	}
	if got, want := slowSIP(1, 3, sequence(16), nil), uint64(0xabac0158050fc4dc); got != want {
		t.Errorf("SipHash-1-3 of nothing is %x, want %x", got, want)
	}
}

func TestSipHash13IsItsDefinition(t *testing.T) {
	r := rand.New(rand.NewSource(1))
	for range 10000 {
		k, v := r.Uint64(), r.Uint32()
		key := binary.LittleEndian.AppendUint64(binary.LittleEndian.AppendUint64(nil, k), k)
		want := uint32(slowSIP(1, 3, key, binary.LittleEndian.AppendUint32(nil, v)))
		if got := sipHash13(k, v); got != want {
			t.Fatalf("hash of %x under %x is %x, want %x", v, k, got, want)
		}
	}
}

func BenchmarkSipHash13(b *testing.B) {
	v := uint32(0)
	for b.Loop() {
		v = sipHash13(mhKey1, v)
	}
}
