package keepalived

// A slab hands out pieces of arrays that become greater and greater: a large file
// takes few allocations, and a small one little memory. A piece keeps its whole
// array alive, so what outlives Load comes from elsewhere.
type slab[T any] struct {
	free []T
	size int // of the last array
}

// maxSlab bounds the arrays, in elements.
const maxSlab = 1024

// take is n zero elements, with no room behind them.
func (s *slab[T]) take(n int) []T {
	if n > len(s.free) {
		s.size = min(max(2*s.size, 8), maxSlab)
		s.free = make([]T, max(n, s.size))
	}
	piece := s.free[:n:n]
	s.free = s.free[n:]
	return piece
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
