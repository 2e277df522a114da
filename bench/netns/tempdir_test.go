package netns

import (
	"errors"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"golang.org/x/sys/unix"
)

func TestSweepRemovesFoldersThatNobodyHolds(t *testing.T) {
	tmp := t.TempDir()
	t.Setenv("TMPDIR", tmp)
	for _, name := range []string{"lvsdr-lab-dead", "lvsdr-lab-of-1000", "other"} {
		if err := os.MkdirAll(filepath.Join(tmp, name, "sub"), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink(filepath.Join(tmp, "other"), filepath.Join(tmp, "lvsdr-lab-link")); err != nil {
		t.Fatal(err)
	}
	held, release, err := TempDir()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := HoldDir(held); !errors.Is(err, unix.EWOULDBLOCK) {
		t.Errorf("held twice: %v", err)
	}
	sweep()
	for name, want := range map[string]bool{"lvsdr-lab-dead": false, "lvsdr-lab-of-1000": false, "other/sub": true, filepath.Base(held): true} {
		if _, err := os.Stat(filepath.Join(tmp, name)); (err == nil) != want {
			t.Errorf("%s: %v, want it there: %v", name, err, want)
		}
	}
	if err := release(); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(held); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("after release: %v", err)
	}
}

// However sweeping and making meet, who has made a folder has it.
func TestAFolderThatWasMadeIsThere(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 100 {
				dir, release, err := TempDir()
				if err != nil {
					t.Error(err)
					return
				}
				if err := os.WriteFile(filepath.Join(dir, "file"), nil, 0o600); err != nil {
					t.Error(err)
				}
				if err := release(); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
}
