package syncnet

import (
	"encoding/binary"
	"errors"
	"iter"

	"github.com/cespare/xxhash/v2"

	"lvsdr/conntrack"
	"lvsdr/dataplane"
	"lvsdr/dataplane/frame"
)

// buckets is how many parts a digest has.
const buckets = 1 << 10

// A digest is compared by two directors. It holds, for each bucket, the number and the sum of the
// hashes of those entries that both should have. The order of entries does not matter.
type digest struct {
	count, sum [buckets]uint64
}

// counts reports whether both directors should have an entry, apart from the last
// seconds: templates and established connections of TCP. Others come and go without
// messages.
func counts(s *dataplane.Synced) bool {
	return s.Key.Template || s.Key.Proto == frame.ProtoTCP && s.State == conntrack.Established && !s.Inactive
}

// hashOf is the hash of an entry: of its key and its server.
func hashOf(s *dataplane.Synced) uint64 {
	var b [3*16 + 8]byte
	copy(b[:], s.Key.Client[:])
	copy(b[16:], s.Key.Virtual[:])
	copy(b[32:], s.Server[:])
	binary.BigEndian.PutUint16(b[48:], s.Key.ClientPort)
	binary.BigEndian.PutUint16(b[50:], s.Key.VirtualPort)
	binary.BigEndian.PutUint16(b[52:], s.Port)
	b[54] = byte(s.Key.Proto)
	if s.Key.Template {
		b[55] = 1
	}
	return xxhash.Sum64(b[:])
}

// add adds an entry.
func (d *digest) add(hash uint64) {
	d.count[hash%buckets]++
	d.sum[hash%buckets] += hash
}

// hashes are those of the entries that count.
func hashes(all iter.Seq[dataplane.Synced]) iter.Seq[uint64] {
	return func(yield func(uint64) bool) {
		for s := range all {
			if counts(&s) && !yield(hashOf(&s)) {
				return
			}
		}
	}
}

// digestOf is the digest of entries, and how many they are.
func digestOf(all iter.Seq[uint64]) (d *digest, n int) {
	d = &digest{}
	for h := range all {
		d.add(h)
		n++
	}
	return d, n
}

// differing are the buckets in which two digests are not the same.
func (d *digest) differing(o *digest) (all []uint16) {
	for i := range buckets {
		if d.count[i] != o.count[i] || d.sum[i] != o.sum[i] {
			all = append(all, uint16(i))
		}
	}
	return all
}

// append writes d behind b.
func (d *digest) append(b []byte) []byte {
	for i := range buckets {
		b = binary.BigEndian.AppendUint64(b, d.count[i])
		b = binary.BigEndian.AppendUint64(b, d.sum[i])
	}
	return b
}

// readDigest reads what append wrote.
func readDigest(b []byte) (*digest, error) {
	if len(b) != buckets*16 {
		return nil, errors.New("a digest of another size")
	}
	d := &digest{}
	for i := range buckets {
		d.count[i] = binary.BigEndian.Uint64(b[16*i:])
		d.sum[i] = binary.BigEndian.Uint64(b[16*i+8:])
	}
	return d, nil
}

// within are the hashes that are in one of some buckets.
func within(all iter.Seq[uint64], some []uint16) iter.Seq[uint64] {
	var in [buckets]bool
	for _, i := range some {
		in[i%buckets] = true
	}
	return func(yield func(uint64) bool) {
		for h := range all {
			if in[h%buckets] && !yield(h) {
				return
			}
		}
	}
}

// apart are the hashes that are in one of two lists alone.
func apart(a, b iter.Seq[uint64]) map[uint64]bool {
	in := map[uint64]bool{}
	for h := range a {
		in[h] = true
	}
	for h := range b {
		if in[h] {
			delete(in, h)
		} else {
			in[h] = true
		}
	}
	return in
}
