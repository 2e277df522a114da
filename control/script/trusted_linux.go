package script

import (
	"fmt"
	"os"
	"path/filepath"
	"syscall"
)

// Trusted reports with ErrInsecure that somebody other than root can change the
// program at path: it, or a folder on the way to it, belongs to another user, or
// another group or everybody can write to it. In a folder with the sticky bit, such
// as /tmp, others cannot touch what is not theirs. Symbolic links are followed, and
// both ways are looked at.
func Trusted(path string) error {
	abs, err := filepath.Abs(path)
	if err != nil {
		return err
	}
	real, err := filepath.EvalSymlinks(abs)
	if err != nil {
		return err
	}
	for _, p := range []string{abs, real} {
		for ; ; p = filepath.Dir(p) {
			info, err := os.Stat(p)
			if err != nil {
				return err
			}
			if changeable(info) {
				return fmt.Errorf("%w: %s", ErrInsecure, p)
			}
			if p == filepath.Dir(p) {
				break
			}
		}
	}
	return nil
}

// changeable reports whether others than root can change a file.
func changeable(info os.FileInfo) bool {
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok || st.Uid != 0 {
		return true
	}
	if info.IsDir() && info.Mode()&os.ModeSticky != 0 {
		return false
	}
	mode := info.Mode().Perm()
	return mode&0o002 != 0 || mode&0o020 != 0 && st.Gid != 0
}
