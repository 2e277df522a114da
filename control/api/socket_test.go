package api

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A folder that the user may not write is named with what to do; other errors are
// as they are.
func TestAControlSocketThatCannotBeMadeHasARemedy(t *testing.T) {
	denied := &fs.PathError{Op: "mkdir", Path: "/run/lvsdr", Err: fs.ErrPermission}
	got := socketError(denied)
	if want := "control socket: mkdir /run/lvsdr: permission denied; run as root, or name a socket in a folder of this user with --socket"; got.Error() != want || !errors.Is(got, fs.ErrPermission) {
		t.Errorf("%v, want %s", got, want)
	}
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		file:                                 "there is a file that is not a socket",
		filepath.Join(file, "s"):             "not a directory",
		"/" + strings.Repeat("x", maxPath+1): "has at most 107 bytes",
	} {
		if l, err := Listen(path); err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "run as root") {
			t.Errorf("%s: %v, %v, want %s", path, l, err, want)
		}
	}
}
