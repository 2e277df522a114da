package memory

// What a director takes, in bytes.
const (
	// Entry is an entry of the connection table at most: one of IPv6.
	Entry = 53 + 32
	// Rest is all else: the program, both rings and the buffers of a few interfaces, and the
	// collector's share.
	Rest = 96 << 20
)

// Fit is how many entries the connection table may have in that much memory, at most
// wanted.
func Fit(wanted int, bytes uint64) int {
	if bytes <= Rest {
		return 0
	}
	if n := (bytes - Rest) / Entry; n < uint64(wanted) {
		return int(n)
	}
	return wanted
}
