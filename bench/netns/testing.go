package netns

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"
)

// refused is the environment variable in which RunTests leaves the reason for
// Require when no world could be entered.
const refused = "LVSDR_NETNS_REFUSED"

// A Runner is a *testing.M.
type Runner interface{ Run() int }

// A T is the part of testing.TB that this package needs.
type T interface {
	Helper()
	Cleanup(fn func())
	Errorf(format string, args ...any)
	Fatalf(format string, args ...any)
	Skipf(format string, args ...any)
}

// parallelTests is how many tests of a world run at a time: they wait most of
// their time, for timers and for each other's processes.
const parallelTests = 12

// privileged is the environment variable that has tests run in a world without a user
// namespace of its own, as root: BPF programs can be loaded there alone.
const privileged = "LVSDR_PRIVILEGED"

// RunTests runs a test binary inside a world and returns its exit code; call
// it from TestMain. The binary runs once more with the same flags, so that
// coverage, the race detector, profiles and -run work as usual. Up to 12 of the
// tests that call t.Parallel run at a time, unless the command line has
// -test.parallel. Where a world is refused the tests run outside, and those that
// call Require are skipped.
func RunTests(m Runner) int {
	// Run parses the command line, which comes after this.
	if f := flag.Lookup("test.parallel"); f != nil && !fuzzing(os.Args[1:]) {
		if err := f.Value.Set(strconv.Itoa(parallelTests)); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
	}
	if Inside() {
		if err := Settle(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		return m.Run()
	}
	enter := Reexec
	if os.Getenv(privileged) != "" {
		enter = ReexecPrivileged
	}
	code, err := enter(context.Background())
	switch {
	case err == nil:
		return code
	case !errors.Is(err, ErrRefused):
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	if err := os.Setenv(refused, err.Error()); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return m.Run()
}

// fuzzing reports whether a test binary is called to fuzz: then -test.parallel is
// the number of processes.
func fuzzing(args []string) bool {
	return slices.ContainsFunc(args, func(a string) bool {
		name, _, _ := strings.Cut(strings.TrimLeft(a, "-"), "=")
		return name == "test.fuzz" || name == "test.fuzzworker"
	})
}

// Require says that a test needs a world. Without one the test is skipped and
// the missing privilege named, or, when the environment has CI=true, fails, so
// that a build machine cannot skip unnoticed.
func Require(t T) {
	t.Helper()
	if Inside() {
		return
	}
	why := os.Getenv(refused)
	switch {
	case why == "":
		t.Fatalf("needs a lab world: TestMain must call netns.RunTests")
	case os.Getenv("CI") == "true":
		t.Fatalf("CI=true and %s", why)
	default:
		t.Skipf("%s", why)
	}
}

// NewTestHost is NewHost for a test that needs a world. The host is closed when
// the test ends.
func NewTestHost(t T, name string, c HostConfig) *Host {
	t.Helper()
	return forTest(t, name, c, NewHost)
}

// NewTestHere is Here for a test, as NewTestHost is NewHost.
func NewTestHere(t T, name string, c HostConfig) *Host {
	t.Helper()
	return forTest(t, name, c, Here)
}

func forTest(t T, name string, c HostConfig, makeHost func(string, HostConfig) (*Host, error)) *Host {
	t.Helper()
	Require(t)
	h, err := makeHost(name, c)
	if err != nil {
		t.Fatalf("%v", err)
	}
	t.Cleanup(func() {
		if err := h.Close(); err != nil {
			t.Errorf("%v", err)
		}
	})
	return h
}

// patience bounds waits that normally end at once, on a machine that is busy with
// other things; it decides nothing.
const patience = 2 * time.Minute

// Eventually waits for cond, which the kernel or another process makes true by
// itself. It polls, at first often and then ever more seldom, since most is true
// soon and a question takes CPU time from what it waits for; and it fails the test
// when the patience of this package is at an end.
func Eventually(t T, what string, cond func() bool) {
	t.Helper()
	end := time.Now().Add(patience)
	for pause := leastPause; !cond(); pause = min(pause*3/2, mostPause) {
		if time.Now().After(end) {
			t.Fatalf("never: %s", what)
		}
		time.Sleep(pause)
	}
}

// The time between two questions of Eventually.
const (
	leastPause = 200 * time.Microsecond
	mostPause  = 20 * time.Millisecond
)

// chances is how often Silent looks.
const chances = 5

// Drain takes calls until there is none for calm.
func Drain(calls <-chan struct{}, calm time.Duration) {
	for Told(calls, calm) {
	}
}

// Told reports whether there is a call within calm.
func Told(calls <-chan struct{}, calm time.Duration) bool {
	select {
	case <-calls:
		return true
	case <-time.After(calm):
		return false
	}
}

// Silent wants that no call tells of a change. On a busy machine a call for
// something earlier may be late; so change has several chances, each after a calm
// without calls, and one that is silent is enough.
func Silent(t T, what string, calls <-chan struct{}, calm time.Duration, change func()) {
	t.Helper()
	for range chances {
		Drain(calls, calm)
		change()
		if !Told(calls, calm) {
			return
		}
	}
	t.Errorf("told of %s", what)
}
