//go:build !linux

package privileges

// A Set is capabilities, which other systems do not have.
type Set uint64

// The capabilities of a director.
const (
	Network Set = 1 << iota
	Users
	Again
)

// Limit does nothing.
func Limit(Set) error { return nil }

// Reduce does nothing.
func Reduce(Set) error { return nil }
