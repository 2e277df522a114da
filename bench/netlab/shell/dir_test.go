package shell

import (
	"errors"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// A command that left a process behind, which held its output, was reported as
// a lab that refuses.
func TestACommandThatLeavesAProcessBehindHasEnded(t *testing.T) {
	if code, err := exitCode(exec.ErrWaitDelay); code != 0 || err != nil {
		t.Errorf("exit code %d, %v", code, err)
	}
}

// The lab's socket is at a place that is easy to guess. Another user who made
// the folder first got what was typed.
func TestTheLabsFolderMustBeOnesOwn(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	if _, err := Join(Request{}, nil); !errors.Is(err, ErrNoLab) {
		t.Errorf("without a folder: %v, want %v", err, ErrNoLab)
	}
	if err := os.Mkdir(dirPath(), 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := Join(Request{}, nil); !errors.Is(err, ErrNoLab) {
		t.Errorf("with an empty folder: %v, want %v", err, ErrNoLab)
	}
	if err := os.Chmod(dirPath(), 0o777); err != nil {
		t.Fatal(err)
	}
	_, joined := Join(Request{}, nil)
	l, _, listened := listen()
	if l != nil {
		l.Close()
	}
	for _, err := range []error{joined, listened} {
		if err == nil || !strings.Contains(err.Error(), "this user's alone") {
			t.Errorf("with a folder for all: %v", err)
		}
	}
}
