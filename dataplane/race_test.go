//go:build race

package dataplane_test

// raceEnabled says that the race detector is at work, which takes ten times as
// long.
const raceEnabled = true
