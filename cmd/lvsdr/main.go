// Command lvsdr is a packet director in user space: Linux Virtual Server in
// Direct Routing mode without kernel modules. See the README for how to begin,
// and `lvsdr help` for the verbs.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
)

func main() { os.Exit(realMain()) }

func realMain() int {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	if args, ok := calledIPVSAdm(os.Args); ok {
		return runIPVSAdm(ctx, os.Args[0], args, os.Stdin, os.Stdout, os.Stderr)
	}
	return execute(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr)
}

// execute carries out a command line, the program's name left out, and returns
// its exit code.
func execute(ctx context.Context, args []string, in io.Reader, out, errs io.Writer) int {
	root := newRoot()
	root.SetArgs(args)
	root.SetIn(in)
	root.SetOut(out)
	root.SetErr(errs)
	began := false
	root.PersistentPreRun = func(*cobra.Command, []string) { began = true }
	err := root.ExecuteContext(ctx)
	var exit exitError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &exit):
		if exit.err != nil {
			fmt.Fprintln(errs, "lvsdr:", exit.err)
		}
		return exit.code
	}
	fmt.Fprintln(errs, "lvsdr:", err)
	if !began {
		return usageCode // the command line made no sense
	}
	return 1
}

// An exitError ends the process with code; a nil err means that everything was
// said already.
type exitError struct {
	code int
	err  error
}

// Error is the message, if there is one.
func (e exitError) Error() string {
	if e.err == nil {
		return fmt.Sprintf("exit code %d", e.code)
	}
	return e.err.Error()
}

// Unwrap is the cause.
func (e exitError) Unwrap() error { return e.err }

// usageCode is the exit code of a command line that makes no sense.
const usageCode = 2
