//go:build !race

package ladder

// raceEnabled says that the race detector is at work, which takes memory of its
// own.
const raceEnabled = false
