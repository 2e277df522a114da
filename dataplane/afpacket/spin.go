package afpacket

// A spinner decides whether watching an empty ring is worth it, from how often
// it was lately. After k misses in a row the next 2^k - 1 chances are let go,
// k at most maxMisses: a NIC that waits for rare frames spins for one in 64 of
// them, one in a quick exchange for every one. It knows no clock; the zero
// value is ready.
type spinner struct {
	misses uint8
	skip   uint8
}

const maxMisses = 6

// want reports whether to spin now. If so, done must be called.
func (s *spinner) want() bool {
	if s.skip > 0 {
		s.skip--
		return false
	}
	return true
}

// done says whether a frame came while spinning.
func (s *spinner) done(hit bool) {
	if hit {
		s.misses = 0
		return
	}
	s.misses = min(s.misses+1, maxMisses)
	s.skip = 1<<s.misses - 1
}
