package ladder

import (
	"io"
	"testing"
	"time"
)

func TestParseIdle(t *testing.T) {
	for text, want := range map[string]struct {
		cpus int64
		idle time.Duration
	}{
		"cpu  9 9 9 9 9 9 9 9 9 9\ncpu0 1 2 3 400 50 6 7 80 9 0\n":                       {1, 5300 * time.Millisecond},
		"cpu0 1 2 3 4 0 6 7 0 9 0\ncpu1 0 0 0 1 1 0 0 1 0 0\nintr 5 5 5 5 5 5 5 5 5 5\n": {2, 70 * time.Millisecond},
		"cpu0 1 2 3 x 0 6 7 0 9 0\n":                                                     {},
		"cpu  9 9 9 9 9 9 9 9 9 9\ncpu0 1\n":                                             {},
		"":                                                                               {},
	} {
		cpus, idle, err := parseIdle(text)
		if cpus != want.cpus || idle != want.idle || (err != nil) != (want.cpus == 0) {
			t.Errorf("%q: %d CPUs, %s, %v, want %+v", text, cpus, idle, err, want)
		}
	}
}

// The machine is at least as busy as this thread, whatever else runs on it.
func TestBusyTimeContainsThisThread(t *testing.T) {
	const work = 100 * time.Millisecond
	before, err := busyTime()
	if err != nil {
		t.Fatal(err)
	}
	workFor(t, work)
	after, err := busyTime()
	if err != nil {
		t.Fatal(err)
	}
	if after-before < work/2 { // the kernel counts in ticks
		t.Errorf("%s of work, and the machine was busy for %s", work, after-before)
	}
}

// Frames are sent as their rate says, in sum: those that a busy machine delayed are made up for.
func TestTickKeepsItsRate(t *testing.T) {
	const rate, took = 2000, 50 * time.Millisecond
	sent, err := tick(t.Context(), io.Discard, rate, took)
	if err != nil || sent == 0 || sent > rate*uint64(took)/uint64(time.Second)+1 {
		t.Errorf("%d frames, %v", sent, err)
	}
}
