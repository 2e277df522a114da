package conntrack

import (
	"encoding/binary"
	"math/rand"
	"testing"

	"github.com/cespare/xxhash/v2"
)

// The hash of an IPv4 key is the library's.
func TestHashOfIPv4IsXXH64(t *testing.T) {
	random := rand.New(rand.NewSource(1))
	for range 100_000 {
		secret, addrs, ports, what := random.Uint64(), random.Uint64(), random.Uint32(), uint16(random.Uint32())
		var b []byte
		b = binary.LittleEndian.AppendUint64(b, secret)
		b = binary.LittleEndian.AppendUint64(b, addrs)
		b = binary.LittleEndian.AppendUint32(b, ports)
		b = binary.LittleEndian.AppendUint32(b, uint32(what))
		if got, want := newHasher4(secret).hash(addrs, ports, what), xxhash.Sum64(b); got != want {
			t.Fatalf("% x: %#x, want %#x", b, got, want)
		}
	}
}
