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
	others := make(chan os.Signal, 1) // keeps the signal from ending the test
	signal.Notify(others, syscall.SIGHUP)
	defer signal.Stop(others)
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
