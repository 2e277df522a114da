package script

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
)

// program makes an executable file in a folder of its own, both with these modes.
func program(t *testing.T, dirMode, mode os.FileMode) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "dir", "program")
	for _, err := range []error{
		os.Mkdir(filepath.Dir(name), 0o755),
		os.WriteFile(name, []byte("#!/bin/sh\n"), 0o755),
		os.Chmod(name, mode), // whatever the umask
		os.Chmod(filepath.Dir(name), dirMode),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	return name
}

func TestAProgramIsTrustedIfRootAloneCanChangeIt(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs files of root; try it as root")
	}
	own := func(name string, uid, gid int) string {
		if err := os.Chown(name, uid, gid); err != nil {
			t.Fatal(err)
		}
		return name
	}
	link := func(to string, dirMode os.FileMode) string {
		name := filepath.Join(filepath.Dir(program(t, 0o755, 0o755)), "link")
		if err := os.Symlink(to, name); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(filepath.Dir(name), dirMode); err != nil {
			t.Fatal(err)
		}
		return name
	}
	for _, c := range []struct {
		law  string
		name string
		want error
	}{
		{"a file of root in folders of root", program(t, 0o755, 0o755), nil},
		{"the group of root may write", program(t, 0o775, 0o775), nil},
		{"everybody can write to it", program(t, 0o755, 0o757), ErrInsecure},
		{"everybody can write to its folder", program(t, 0o777, 0o755), ErrInsecure},
		{"everybody can write to its folder, which is sticky", program(t, 0o777|os.ModeSticky, 0o755), nil},
		{"another group can write to it", own(program(t, 0o755, 0o775), 0, 65534), ErrInsecure},
		{"another group can read it", own(program(t, 0o755, 0o755), 0, 65534), nil},
		{"it belongs to another user", own(program(t, 0o755, 0o755), 65534, 0), ErrInsecure},
		{"a link to a good one", link(program(t, 0o755, 0o755), 0o755), nil},
		{"a link to a bad one", link(program(t, 0o755, 0o757), 0o755), ErrInsecure},
		{"a link that everybody can replace", link(program(t, 0o755, 0o755), 0o777), ErrInsecure},
		{"none at all", filepath.Join(t.TempDir(), "none"), os.ErrNotExist},
	} {
		if err := Trusted(c.name); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", c.law, err, c.want)
		}
		_, err := Run(t.Context(), Command{Argv: []string{c.name}, Secure: true})
		if !errors.Is(err, c.want) {
			t.Errorf("%s: to run it: %v, want %v", c.law, err, c.want)
		}
	}
	if _, err := Run(t.Context(), Command{Argv: []string{program(t, 0o755, 0o757)}}); err != nil {
		t.Errorf("without Secure a program that everybody can change: %v", err)
	}
}
