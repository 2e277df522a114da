package control

import (
	"os"
	"path/filepath"
	"testing"

	"lvsdr/control/ask"
	"lvsdr/control/keepalived"
)

func TestFilesOfChecksGetTheirNumbersOnce(t *testing.T) {
	dir := t.TempDir()
	path := func(name string) string { return filepath.Join(dir, name) }
	write := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(path(name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("there", "7")
	write("over", "1234567")
	write("plain", "9")
	files := []ask.File{
		{Path: path("new"), Init: true, Value: -5}, {Path: path("there"), Init: true, Value: 1}, {Path: path("over"), Init: true, Overwrite: true},
		{Path: path("plain")}, {Path: path("no/folder"), Init: true}, {Path: dir, Init: true, Overwrite: true}, {Path: path("new"), Init: true, Overwrite: true, Value: 6},
	}
	s := &keepalived.RealServer{Checks: []*keepalived.Check{{}}}
	for i := range files {
		s.Checks = append(s.Checks, &keepalived.Check{Kind: keepalived.FileCheck, Ask: &files[i]})
	}
	cfg := &keepalived.Config{VirtualServers: []*keepalived.VirtualServer{{RealServers: []*keepalived.RealServer{s}}}}
	done := map[string]bool{}
	if errs := initFiles(cfg, done); len(errs) != 2 {
		t.Errorf("%v, want errors about a folder and about a file in none", errs)
	}
	want := map[string]string{"new": "-5\n", "there": "7", "over": "0\n", "plain": "9"}
	wantFiles := func() {
		t.Helper()
		for name, text := range want {
			if got, err := os.ReadFile(path(name)); err != nil || string(got) != text {
				t.Errorf("%s holds %q, want %q: %v", name, got, text, err)
			}
		}
	}
	wantFiles()
	write("over", "8")
	want["over"] = "8"
	if errs := initFiles(cfg, done); len(errs) > 0 { // a reload leaves them alone
		t.Error(errs)
	}
	wantFiles()
}
