package main

import (
	"context"
	"io"
)

// Execute is execute, for the tests that see the program from outside.
func Execute(ctx context.Context, args []string, in io.Reader, out, errs io.Writer) int {
	return execute(ctx, args, in, out, errs)
}
