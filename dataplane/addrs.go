package dataplane

import (
	"encoding/binary"
	"math/bits"

	"lvsdr/dataplane/frame"
)

// addrs is a set of addresses that never changes, the zero Addr not among them. Most that
// it is asked for are not in it, and most of these it knows by their last bits alone.
type addrs struct {
	last uint64 // bit n: there is one whose last six bits are n
	// places has each address at its hash, or behind it with no free place between: a
	// search takes a fourth of the time that a Go map needs. More than half of them are
	// free, and as they are chosen by configuration, nobody who sends frames can fill
	// those of one hash.
	places []frame.Addr
}

func newAddrs(of []frame.Addr) addrs {
	s := addrs{places: make([]frame.Addr, 1<<bits.Len(uint(2*len(of))))}
	for _, a := range of {
		if a != (frame.Addr{}) {
			s.last |= lastBits(&a)
			*s.place(&a) = a
		}
	}
	return s
}

func lastBits(a *frame.Addr) uint64 { return 1 << (a[len(a)-1] & 63) }

func (s *addrs) has(a *frame.Addr) bool { return s.last&lastBits(a) != 0 && s.lookup(a) }

// lookup stands apart so that has is inlined.
func (s *addrs) lookup(a *frame.Addr) bool {
	return *a != frame.Addr{} && *s.place(a) == *a
}

// place is the place of a, or the free one where it would be.
func (s *addrs) place(a *frame.Addr) *frame.Addr {
	mask := uint64(len(s.places) - 1)
	for i := hashAddr(a); ; i++ {
		if p := &s.places[i&mask]; *p == *a || *p == (frame.Addr{}) {
			return p
		}
	}
}

// hashAddr spreads addresses by their last bits, and those that share them by the others.
func hashAddr(a *frame.Addr) uint64 {
	const odd = 0x9E3779B185EBCA87
	h := binary.LittleEndian.Uint64(a[8:]) + binary.LittleEndian.Uint64(a[:])*odd
	return bits.ReverseBytes64(h * odd)
}
