package main

import (
	"os"
	"os/signal"
	"runtime"
	"syscall"
	"testing"
	"testing/fstest"
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
		for _, cpus := range []float64{0.5, 1, 2} { // a user who chose knows better
			if got, err := parseSpin(s, cpus); err != nil || got != want {
				t.Errorf("--spin %s on %v CPUs is %v, %v, want %v", s, cpus, got, err, want)
			}
		}
	}
	for _, s := range []string{"", "fast", "-1us", "11ms", "100", "Auto"} {
		if got, err := parseSpin(s, 2); err == nil {
			t.Errorf("--spin %q is %v, want an error", s, got)
		}
	}
}

// A worker that watches on the only CPU keeps it from the threads that bring frames.
func TestByDefaultNoWorkerWatchesOnASingleCPU(t *testing.T) {
	for cpus, want := range map[float64]time.Duration{0.1: -1, 1: -1, 1.5: usualSpin, 2: usualSpin, 64: usualSpin} {
		if got, err := parseSpin(autoSpin, cpus); err != nil || got != want {
			t.Errorf("on %v CPUs a worker watches for %v, %v, want %v", cpus, got, err, want)
		}
	}
	all := float64(runtime.NumCPU())
	limited := func(quota string) fstest.MapFS {
		return fstest.MapFS{"proc/self/cgroup": {Data: []byte("0::/\n")}, "sys/fs/cgroup/cpu.max": {Data: []byte(quota + " 100000")}}
	}
	for _, c := range []struct {
		files fstest.MapFS
		want  float64
	}{{nil, all}, {limited("max"), all}, {limited("25000"), 0.25}, {limited("100000000"), min(all, 1000)}} {
		if got := usableCPUs(c.files); got != c.want {
			t.Errorf("%v CPUs of %v are usable, want %v", got, all, c.want)
		}
	}
}
