package check

import (
	"context"
	"errors"
	"fmt"
	"time"

	"lvsdr/control/ask"
	"lvsdr/control/health"
	"lvsdr/control/script"
)

// Misc runs a program; keepalived's MISC_CHECK. What it prints is told of if it fails, the
// first line. A program that cannot be started says nothing about the server.
type Misc struct{ Ask *ask.Program }

var _ Probe = Misc{}

// Kind is keepalived's word for it.
func (p Misc) Kind() string { return "MISC_CHECK" }

// String is such as `MISC_CHECK misc_path "/bin/check" misc_timeout 5s`.
func (p Misc) String() string { return p.Kind() + " " + p.Ask.String() }

func (p Misc) lane() lane { return program }

// miscGrace is the time between SIGTERM and SIGKILL.
const miscGrace = time.Second

// MiscLimit is the time that an attempt needs at most whose program may run for timeout:
// until it is killed, and until that is given up.
func MiscLimit(timeout time.Duration) time.Duration {
	return timeout + miscGrace + script.Stuck + time.Second
}

// Check runs the program. Errors read "run /bin/check a: exit code 1: connection refused".
func (p Misc) Check(ctx context.Context) Result {
	argv, err := script.Split(p.Ask.Line)
	if err != nil { // package keepalived has looked at it
		return Result{Err: fmt.Errorf("%w: run %s: %w", ErrNotMade, p.Ask.Line, err)}
	}
	out, err := script.Run(ctx, script.Command{Argv: argv, User: p.Ask.User, Group: p.Ask.Group, Timeout: p.Ask.Timeout,
		Grace: miscGrace, MaxOutput: 512, Secure: p.Ask.Secure})
	switch {
	case ctx.Err() != nil && err == nil:
		return Result{Err: fmt.Errorf("run %s: %w", p.Ask.Line, ctx.Err())}
	case errors.Is(err, script.ErrStuck):
		return Result{Err: fmt.Errorf("run %s: %w", p.Ask.Line, err)}
	case err != nil:
		return Result{Err: fmt.Errorf("%w: run %s: %w", ErrNotMade, p.Ask.Line, err)}
	case p.Ask.Dynamic && out.Code >= 2 && !out.TimedOut:
		return Result{Weight: health.Weight{Kind: health.SetWeight, N: out.Code - 2}}
	}
	if failure := out.Failure(); failure != "" {
		return Result{Err: fmt.Errorf("run %s: %s", p.Ask.Line, failure)}
	}
	return Result{}
}
