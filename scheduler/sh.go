package scheduler

import (
	"encoding/binary"
	"fmt"
)

// hashBuckets is the size of the tables of sh and dh; must be a power of 2.
const hashBuckets = 256

// sourceHash gives every client address, or address and port, the same server
// again: clients are hashed to buckets, and servers take buckets by their
// weights. Behaviour: ipvsadm(8) "sh", measured on Linux 6.1.
type sourceHash struct {
	table [hashBuckets]uint16 // indexes of servers
}

func newSH(dests []*Dest) *sourceHash {
	s := &sourceHash{}
	s.fill(dests)
	return s
}

// Pick takes the server of the client's bucket. Where that is not fit there is
// none, but with Fallback all buckets are tried in turn, from twice the hash on.
func (s *sourceHash) Pick(dests []*Dest, f *Flow) int {
	if len(dests) == 0 {
		return -1
	}
	h := multiplicative(f.source())
	i := int(s.table[h])
	if dests[i].Fit() {
		return i
	}
	if f.Flags&Fallback == 0 {
		return -1
	}
	for o := range uint32(hashBuckets) {
		i = int(s.table[(h+(h+o)%hashBuckets)%hashBuckets])
		if dests[i].Fit() {
			return i
		}
	}
	return -1
}

// Update fills the table anew, whatever was edited.
func (s *sourceHash) Update(dests []*Dest, _ Change, _ int) { s.fill(dests) }

// fill gives each server in list order as many buckets in a row as its weight,
// but at least one, over and over until there are no more.
func (s *sourceHash) fill(dests []*Dest) {
	for b := 0; len(dests) > 0 && b < hashBuckets; {
		for i, d := range dests {
			end := min(b+max(d.Weight, 1), hashBuckets)
			for ; b < end; b++ {
				s.table[b] = uint16(i)
			}
		}
	}
}

// source is the value that sh and mh hash: the client's address as a number, the port
// added to it with HashPort.
func (f *Flow) source() uint32 {
	a := fold(f.Src)
	if f.Flags&HashPort != 0 {
		a += uint32(f.SrcPort)
	}
	return a
}

// fold is an address as a number: the four bytes of an IPv4 address in network
// order, the exclusive or of the four words of an IPv6 address.
func fold(a [16]byte) uint32 {
	low := binary.BigEndian.Uint32(a[12:])
	if [12]byte(a[:12]) == [12]byte{10: 0xff, 11: 0xff} {
		return low
	}
	return binary.BigEndian.Uint32(a[:]) ^ binary.BigEndian.Uint32(a[4:]) ^ binary.BigEndian.Uint32(a[8:]) ^ low
}

// multiplicative is the bucket of v: the highest bits of its product with 2^32
// over the golden ratio (Knuth, The Art of Computer Programming, section 6.4).
func multiplicative(v uint32) uint32 { return v * 0x61c88647 / (1 << 32 / hashBuckets) }

// Clone copies the table.
func (s *sourceHash) Clone([]*Dest) Scheduler {
	c := *s
	return &c
}

// Describe says whose bucket the client is in.
func (s *sourceHash) Describe(dests []*Dest, f *Flow) string {
	bucket := multiplicative(f.source())
	return place("bucket", bucket, hashBuckets, f.hashed(), dests, s.table[bucket]) + f.otherwise()
}

// hashed names what sh and mh hash.
func (f *Flow) hashed() string {
	if f.Flags&HashPort != 0 {
		return "the client's address and port"
	}
	return "the client's address"
}

// otherwise returns the choice of sh and mh where the server of a client is not fit.
func (f *Flow) otherwise() string {
	if f.Flags&Fallback != 0 {
		return "; where that is not fit, another"
	}
	return "; where that is not fit, none"
}

// place says that a hash gives place n of a table, which is a server's.
func place(what string, n uint32, of int, hashed string, dests []*Dest, server uint16) string {
	if int(server) >= len(dests) {
		return "no server has a " + what
	}
	return fmt.Sprintf("%s is hashed to %s %d of %d, which is %s's", hashed, what, n, of, dests[server].name())
}
