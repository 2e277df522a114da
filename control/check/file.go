package check

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"syscall"

	"lvsdr/control/ask"
	"lvsdr/control/health"
)

// File reads a number from a file; keepalived's FILE_CHECK. The Runner makes an attempt when
// the file changes, too.
type File struct{ Ask *ask.File }

var _ Probe = File{}

// Kind is keepalived's word for it.
func (p File) Kind() string { return "FILE_CHECK" }

// String is such as `FILE_CHECK file "/run/weight" weight 2`.
func (p File) String() string { return p.Kind() + " " + p.Ask.String() }

// lane is that of attempts which may hang, as a file server may that has the file.
func (p File) lane() lane { return program }

// watched is the file whose changes are reasons for an attempt.
func (p File) watched() string { return p.Ask.Path }

// Check reads. Errors read "/run/down says 1".
func (p File) Check(context.Context) Result {
	n, err := ReadNumber(p.Ask.Path)
	if err != nil {
		return Result{Err: fmt.Errorf("%w: %w", ErrNotMade, err)}
	}
	add, err := p.Ask.Judge(n)
	if err != nil || add == 0 {
		return Result{Err: err}
	}
	return Result{Weight: health.Weight{Kind: health.AddWeight, N: int(add)}}
}

// ReadNumber reads the number in the file at path, which is 0 if there is no file.
func ReadNumber(path string) (int32, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0) // a FIFO has no number, and may not be waited for
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	defer f.Close() // it was only read
	if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() {
		return 0, fmt.Errorf("read %s: it is no regular file", path)
	}
	const most = 128 // bytes of a number with white space before it
	b, err := io.ReadAll(io.LimitReader(f, most))
	if err != nil {
		return 0, err
	}
	return ask.ParseFile(string(b)), nil
}
