package dataplane

import "lvsdr/dataplane/frame"

// addrs is a set of addresses that never changes. Most that it is asked for are not in
// it, and most of these it knows by their last bits alone.
type addrs struct {
	last uint64 // bit n: there is one whose last six bits are n
	all  map[frame.Addr]struct{}
}

func newAddrs(of []frame.Addr) addrs {
	s := addrs{all: make(map[frame.Addr]struct{}, len(of))}
	for _, a := range of {
		s.last |= lastBits(&a)
		s.all[a] = struct{}{}
	}
	return s
}

func lastBits(a *frame.Addr) uint64 { return 1 << (a[len(a)-1] & 63) }

func (s *addrs) has(a *frame.Addr) bool { return s.last&lastBits(a) != 0 && s.lookup(a) }

// lookup stands apart so that has is inlined.
func (s *addrs) lookup(a *frame.Addr) bool {
	_, is := s.all[*a]
	return is
}
