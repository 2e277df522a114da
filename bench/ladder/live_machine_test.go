package ladder

import (
	"net"
	"testing"
	"time"
)

func TestParseBusy(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"cpu  1 2 3 400 50 6 7 80 9 0\ncpu0 1 1 1 1": 190 * time.Millisecond,
		"cpu  0 0 0 1 1 0 0 0 0 0\n":                 0,
		"cpu  5 0 0 0 0 0 0":                         50 * time.Millisecond, // an old kernel
		"cpu0 1 2 3 4 5 6 7\n":                       -1,
		"cpu 1 2\n":                                  -1,
		"":                                           -1,
	} {
		got, err := parseBusy(text)
		if (err != nil) != (want < 0) || err == nil && got != want {
			t.Errorf("%q: %s, %v, want %s", text, got, err, want)
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
	err = pinned(func() error {
		begin, err := threadTime()
		for now := begin; err == nil && now < begin+work; {
			now, err = threadTime()
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
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
	to, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer to.Close()
	c, err := net.DialUDP("udp", nil, to.LocalAddr().(*net.UDPAddr))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	const rate, took = 2000, 50 * time.Millisecond
	sent, err := tick(t.Context(), c, rate, took)
	if err != nil || sent == 0 || sent > rate*uint64(took)/uint64(time.Second)+1 {
		t.Errorf("%d frames, %v", sent, err)
	}
}
