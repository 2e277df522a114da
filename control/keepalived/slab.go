package keepalived

// A slab hands out pieces of arrays that become greater and greater: a large file
// takes few allocations, and a small one little memory. A piece keeps its whole
// array alive, so what outlives Load comes from elsewhere.
type slab[T any] struct {
	last []T // the array that pieces come from
	used int // elements of it
}

// maxSlab bounds the arrays, in elements.
const maxSlab = 1024

// take is n zero elements, with no room behind them.
func (s *slab[T]) take(n int) []T {
	if s.used+n > len(s.last) {
		s.last = make([]T, max(n, min(max(2*len(s.last), 8), maxSlab)))
		s.used = 0
	}
	s.used += n
	return s.last[s.used-n : s.used : s.used]
}

// reset takes all pieces back, which are not used any more.
func (s *slab[T]) reset() {
	clear(s.last[:s.used])
	s.used = 0
}

// one is a zero element.
func (s *slab[T]) one() *T { return &s.take(1)[0] }

// copy is a copy of list; nil if that is empty.
func (s *slab[T]) copy(list []T) []T {
	if len(list) == 0 {
		return nil
	}
	piece := s.take(len(list))
	copy(piece, list)
	return piece
}
