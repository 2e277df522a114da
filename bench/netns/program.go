package netns

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// RunTestsWith is RunTests for tests of a program: before it enters the world it
// builds the package pkg as releases are built, and leaves the path in the
// environment variable. If that is set already nothing is built; so a release
// can be tested.
//
// The go command reuses the results of tests that have not changed, but does not
// know that they run pkg: the test must import what pkg is made of.
func RunTestsWith(m Runner, variable, pkg string) int {
	if os.Getenv(variable) == "" {
		dir, err := os.MkdirTemp("", "lvsdr-e2e-")
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		defer os.RemoveAll(dir)
		path := filepath.Join(dir, filepath.Base(pkg))
		if err := errors.Join(buildProgram(path, pkg), os.Setenv(variable, path)); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
	}
	return RunTests(m)
}

// buildProgram builds the package pkg as releases are built. The first of
// several test binaries that want it links it; the go command finds that there
// is nothing to do for the others, because it is told to put it into the same
// place.
func buildProgram(path, pkg string) error {
	shared, unlock, err := lockBuilds()
	if err != nil {
		return fmt.Errorf("build the program under test: %w", err)
	}
	defer unlock()
	built := filepath.Join(shared, filepath.Base(pkg))
	cmd := exec.Command("go", "build", "-buildvcs=false", "-ldflags=-s", "-o", built, pkg)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("build the program under test: %w\n%s", err, out)
	}
	if err := copyProgram(path, built); err != nil {
		return fmt.Errorf("copy the program under test: %w", err)
	}
	return nil
}

// lockBuilds locks and returns this user's folder for what test binaries build.
func lockBuilds() (dir string, unlock func(), err error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		cache = os.TempDir()
	}
	dir = filepath.Join(cache, fmt.Sprintf("lvsdr-test-%d", os.Getuid()))
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", nil, err
	}
	f, err := os.OpenFile(dir, os.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW, 0)
	if err != nil {
		return "", nil, err
	}
	if info, err := f.Stat(); err != nil || !ownAlone(info) {
		return "", nil, errors.Join(fmt.Errorf("%s is not a folder that is this user's alone", dir), err, f.Close())
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX); err != nil {
		return "", nil, errors.Join(os.NewSyscallError("flock", err), f.Close())
	}
	return dir, func() { f.Close() }, nil
}

// copyProgram copies an executable file.
func copyProgram(to, from string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o755)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Close())
}
