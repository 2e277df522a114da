package main

import (
	"os"
	"os/signal"
	"syscall"
	"testing"
	"time"
)

// A SIGHUP at the very end was sent to a channel that was closed already.
func TestASIGHUPMayComeAtTheEnd(t *testing.T) {
	// This keeps the signal from ending the test. It stays, for the last one may be
	// delivered late.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGHUP)
	done := make(chan struct{})
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for {
			select {
			case <-done:
				return
			default:
				_ = syscall.Kill(os.Getpid(), syscall.SIGHUP) // to ourselves: it cannot fail
			}
		}
	}()
	for range 2000 {
		_, stop := hangups()
		stop()
	}
	close(done)
	<-ended
}

func TestSIGHUPAsksForAReload(t *testing.T) {
	reload, stop := hangups()
	defer stop()
	if err := syscall.Kill(os.Getpid(), syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	select {
	case <-reload:
	case <-time.After(30 * time.Second):
		t.Fatal("no reload was asked for")
	}
}

func TestSpinIsATimeOrAdaptive(t *testing.T) {
	for s, want := range map[string]time.Duration{"adaptive": 0, "0": -1, "0s": -1, "50us": 50 * time.Microsecond, "10ms": 10 * time.Millisecond} {
		if got, err := parseSpin(s); err != nil || got != want {
			t.Errorf("--spin %s is %v, %v, want %v", s, got, err, want)
		}
	}
	for _, s := range []string{"", "fast", "-1us", "11ms", "100"} {
		if got, err := parseSpin(s); err == nil {
			t.Errorf("--spin %q is %v, want an error", s, got)
		}
	}
}
