package conntrack

import (
	"encoding/binary"
	"math/bits"

	"github.com/cespare/xxhash/v2"
)

// The constants of XXH64 (doc/xxhash_spec.md of the xxHash project).
const (
	prime1 = 0x9E3779B185EBCA87
	prime2 = 0xC2B2AE3D27D4EB4F
	prime3 = 0x165667B19E3779F9
	prime4 = 0x85EBCA77C2B2AE63
	prime5 = 0x27D4EB2F165667C5
)

// A hasher4 is XXH64 behind its first 8 of 24 bytes, the secret ones.
type hasher4 uint64

// hasherOf is the hasher of a table's secret.
func hasherOf(secret [16]byte) hasher4 { return newHasher4(binary.LittleEndian.Uint64(secret[:])) }

func newHasher4(secret uint64) hasher4 { return hasher4(lane(prime5+24, secret)) }

// lane takes up 8 bytes.
func lane(h, b uint64) uint64 {
	h ^= bits.RotateLeft64(b*prime2, 31) * prime1
	return bits.RotateLeft64(h, 27)*prime1 + prime4
}

// hash is xxhash.Sum64 of the secret and of what Entry has of an IPv4 key, in
// little-endian order: nearly every packet takes it, and a call of the library
// costs it more than the hash.
func (h hasher4) hash(addrs uint64, ports uint32, kindProto uint16) uint64 {
	v := lane(lane(uint64(h), addrs), uint64(kindProto)<<32|uint64(ports))
	v = (v ^ v>>33) * prime2
	v = (v ^ v>>29) * prime3
	return v ^ v>>32
}

// hashOf is the hash of the key of e. An IPv4 entry has all of its key in the form
// that is hashed, but for what became of it.
func (t *Table) hashOf(e *Entry) uint64 {
	if e.kindProto()&v6 != 0 {
		k := t.Key(e)
		return t.hash6(&k)
	}
	kind := conn
	switch {
	case e.Template():
		kind = template
	case e.isReply():
		kind = reply
	}
	return t.hasher4.hash(e.addrs, e.ports, kindAndProto(e.proto(), kind))
}

// hash6 is the hash of an IPv6 key.
func (t *Table) hash6(k *Key) uint64 {
	var b [56]byte
	copy(b[:16], t.secret[:])
	copy(b[16:], k.Client[:])
	copy(b[32:], k.Virtual[:])
	binary.LittleEndian.PutUint16(b[48:], k.ClientPort)
	binary.LittleEndian.PutUint16(b[50:], k.VirtualPort)
	b[52] = byte(k.Proto)
	b[53] = uint8(kindOf(k) >> 8)
	return xxhash.Sum64(b[:])
}
