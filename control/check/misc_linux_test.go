package check

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"lvsdr/control/ask"
	"lvsdr/control/health"
	"lvsdr/control/script"
)

// shell makes a program of a text for the shell, and is the check that runs it.
func shell(t *testing.T, text string, mode os.FileMode) Misc {
	t.Helper()
	name := filepath.Join(t.TempDir(), "check")
	// A process that another test starts meanwhile would have the file open for writing
	// until it executes its program, and the kernel runs no such file.
	syscall.ForkLock.RLock()
	err := os.WriteFile(name, []byte("#!/bin/sh\n"+text+"\n"), 0o600)
	syscall.ForkLock.RUnlock()
	must(t, err)
	must(t, os.Chmod(name, mode))
	return Misc{&ask.Program{Line: name, Timeout: time.Minute}}
}

func TestMiscProbe(t *testing.T) {
	const brief = 100 * time.Millisecond
	dynamic := func(a *ask.Program) { a.Dynamic = true }
	set := func(n int) health.Weight { return health.Weight{Kind: health.SetWeight, N: n} }
	for _, c := range []struct {
		name, text string
		mode       os.FileMode
		change     func(*ask.Program)
		outcome    Outcome
		weight     health.Weight
		want       string // behind "run PROGRAM: "
	}{
		{"exit code 0", "exit 0", 0o700, nil, Good, health.Weight{}, ""},
		{"exit code 1, with what it says", "echo no answer; echo more; exit 1", 0o700, nil, Bad, health.Weight{}, "exit code 1: no answer"},
		{"another exit code", "exit 7", 0o700, nil, Bad, health.Weight{}, "exit code 7"},
		{"an exit code that is a weight", "exit 7", 0o700, dynamic, Good, set(5), ""},
		{"the least weight", "exit 2", 0o700, dynamic, Good, set(0), ""},
		{"the greatest weight", "exit 255", 0o700, dynamic, Good, set(253), ""},
		{"an exit code that leaves the weight as configured", "exit 0", 0o700, dynamic, Good, health.Weight{}, ""},
		{"a failure of a check with weights", "exit 1", 0o700, dynamic, Bad, health.Weight{}, "exit code 1"},
		{"a signal", "kill -9 $$", 0o700, dynamic, Bad, health.Weight{}, "ended by signal 9"},
		{"a program that hangs", "sleep 1000", 0o700, func(a *ask.Program) { a.Timeout = brief }, Bad, health.Weight{}, "killed, because it took too long"},
		{"one that ends with a weight when it is killed", "trap 'exit 9' TERM; while :; do sleep 1000 & wait; done", 0o700,
			func(a *ask.Program) { a.Timeout, a.Dynamic = brief, true }, Bad, health.Weight{}, "killed, because it took too long"},
		{"children that hold the output open", "sleep 1000 & exit 0", 0o700, nil, Good, health.Weight{}, ""},
		{"output without end", "yes | head -c 300000; exit 3", 0o700, nil, Bad, health.Weight{}, "exit code 3: y"},
		{"arguments", `[ "$1,$2" = "a b,c" ]`, 0o700, func(a *ask.Program) { a.Line += " 'a b' c" }, Good, health.Weight{}, ""},
		{"one that does not exist", "", 0o700, func(a *ask.Program) { a.Line = "/nosuch/check" }, NotMade, health.Weight{}, "start: fork/exec /nosuch/check: no such file or directory"},
		{"one that is not executable", "", 0o600, nil, NotMade, health.Weight{}, "permission denied"},
		{"one that others can change", "exit 1", 0o777, func(a *ask.Program) { a.Secure = true }, NotMade, health.Weight{}, "it would run as root, and others can change it"},
		{"a user that does not exist", "exit 1", 0o700, func(a *ask.Program) { a.User = "nosuchuser" }, NotMade, health.Weight{}, "run as nosuchuser: user: unknown user nosuchuser"},
		{"quotes without a partner", "exit 1", 0o700, func(a *ask.Program) { a.Line = "'" }, NotMade, health.Weight{}, "quotation mark without a partner"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			p := shell(t, c.text, c.mode)
			if c.change != nil {
				c.change(p.Ask)
			}
			ctx, cancel := context.WithTimeout(t.Context(), MiscLimit(p.Ask.Timeout))
			defer cancel()
			got := p.Check(ctx)
			if got.Outcome() != c.outcome || got.Weight != c.weight {
				t.Errorf("%v with %+v, want %v with %+v: %v", got.Outcome(), got.Weight, c.outcome, c.weight, got.Err)
			}
			if c.want != "" && (got.Err == nil || !strings.Contains(got.Err.Error(), c.want) || !strings.Contains(got.Err.Error(), "run "+p.Ask.Line+": ")) {
				t.Errorf("%v, want %q", got.Err, c.want)
			}
		})
	}
}

// A check that is taken away while its program runs says nothing about the server, and its
// program is gone.
func TestTheEndOfACheckEndsItsProgram(t *testing.T) {
	p := shell(t, "exec sleep 1000", 0o700)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := p.Check(ctx).Err; !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
}

// Between its timeout and the end of its attempt there is time for all that Run may do.
func TestAnAttemptOutlivesItsProgram(t *testing.T) {
	if limit := MiscLimit(time.Hour); limit < time.Hour+miscGrace+script.Stuck {
		t.Errorf("%v", limit)
	}
}
