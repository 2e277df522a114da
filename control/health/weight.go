package health

import "math"

// MaxWeight is the greatest weight of a server.
const MaxWeight = math.MaxInt32

// A WeightKind says what a check does to its server's weight.
type WeightKind uint8

// The kinds of weight.
const (
	NoWeight  WeightKind = iota // the check says nothing about the weight
	SetWeight                   // the weight is N, as with misc_dynamic
	AddWeight                   // the weight is N more, or less, as with FILE_CHECK
)

// A Weight is a check's request for its server's weight.
type Weight struct {
	Kind WeightKind
	N    int
}

// of is the weight that a server has by w instead of before. It may be out of the bounds that
// the sum of all has.
func (w Weight) of(before int64) int64 {
	const far = 1 << 40 // so that no sum overflows
	n := min(max(int64(w.N), -far), far)
	switch w.Kind {
	case SetWeight:
		return n
	case AddWeight:
		return before + n
	}
	return before
}
