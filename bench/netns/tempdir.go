package netns

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"

	"golang.org/x/sys/unix"
)

// tempPattern is that of the names of all folders that labs make among the
// temporary files.
const tempPattern = "lvsdr-lab-*"

// TempDir makes a folder for temporary files and holds it until release, which
// removes it, or until the process dies; see HoldDir. It first removes
// those of labs that were killed.
func TempDir() (dir string, release func() error, err error) {
	sweep()
	for range 10 {
		if dir, err = os.MkdirTemp("", tempPattern); err != nil {
			return "", nil, err
		}
		if release, err = HoldDir(dir); err == nil {
			return dir, release, nil
		}
		// Most likely another lab sweeps at this moment, and has just found it.
		err = errors.Join(err, os.RemoveAll(dir))
	}
	return "", nil, err
}

// HoldDir says that this process uses the folder dir, which it makes if it is
// missing, until release, which removes it, or until the process dies. It fails
// if another process holds it. A folder among the temporary files whose name
// begins with "lvsdr-lab-" and that is not held is removed by the next lab.
//
// A folder is held by a lock on it (flock(2)), which the kernel releases with
// the process, in whatever way and in whatever namespace that ends.
func HoldDir(dir string) (release func() error, err error) {
	for {
		if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, os.ErrExist) {
			return nil, err
		}
		f, err := lockDir(dir)
		if errors.Is(err, os.ErrNotExist) {
			continue // a sweep was quicker
		}
		if err != nil {
			return nil, fmt.Errorf("hold %s: %w", dir, err)
		}
		now, err := os.Lstat(dir)
		was, failed := f.Stat()
		if err == nil && failed == nil && os.SameFile(now, was) {
			return func() error { return errors.Join(os.RemoveAll(dir), f.Close()) }, nil
		}
		f.Close() // a sweep had the lock before, and has removed it
	}
}

// lockDir locks a folder; unix.EWOULDBLOCK: another process has it.
func lockDir(dir string) (*os.File, error) {
	f, err := os.OpenFile(dir, os.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW, 0)
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		return nil, errors.Join(os.NewSyscallError("flock", err), f.Close())
	}
	return f, nil
}

// sweep removes this user's folders that no process holds. What cannot be
// removed stays: it does no harm.
func sweep() {
	dirs, err := filepath.Glob(filepath.Join(os.TempDir(), tempPattern))
	if err != nil {
		return
	}
	for _, dir := range dirs {
		f, err := lockDir(dir)
		if err != nil {
			continue
		}
		if info, err := f.Stat(); err == nil {
			if own(info) {
				_ = os.RemoveAll(dir)
			}
		}
		f.Close()
	}
}

// own reports whether a file is this user's.
func own(info os.FileInfo) bool {
	st, ok := info.Sys().(*syscall.Stat_t)
	return ok && int(st.Uid) == os.Geteuid()
}

// ownAlone reports whether a file is this user's and closed to all others.
func ownAlone(info os.FileInfo) bool { return own(info) && info.Mode().Perm()&0o077 == 0 }
