package check

// A lane is a sort of attempts which have places of their own, because they last much longer
// than those of other sorts.
type lane uint8

// The lanes.
const (
	swift   lane = iota // of a server that works the answer comes at once
	silent              // a server that works is silent until the time is over
	program             // a program runs, which may hang
	lanes
)

// places is how many attempts may be under way in the lane where parallel may in swift.
func (l lane) places(parallel int) int {
	const sockets = 16 // an attempt that only waits costs a socket and little else
	if l == silent {
		return sockets * parallel
	}
	return parallel
}

// laneOf is the lane of p's attempts: that which it names, or swift.
func laneOf(p Probe) lane {
	if p, ok := p.(interface{ lane() lane }); ok {
		return p.lane()
	}
	return swift
}

// watchedBy is the file whose changes are reasons for an attempt of p; empty: none.
func watchedBy(p Probe) string {
	if p, ok := p.(interface{ watched() string }); ok {
		return p.watched()
	}
	return ""
}
