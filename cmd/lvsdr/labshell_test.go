package main

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
	if _, err := joinLab(shellRequest{}, nil); !errors.Is(err, errNoLab) {
		t.Errorf("without a folder: %v, want %v", err, errNoLab)
	}
	if err := os.Mkdir(labDir(), 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := joinLab(shellRequest{}, nil); !errors.Is(err, errNoLab) {
		t.Errorf("with an empty folder: %v, want %v", err, errNoLab)
	}
	if err := os.Chmod(labDir(), 0o777); err != nil {
		t.Fatal(err)
	}
	_, joined := joinLab(shellRequest{}, nil)
	l, _, listened := listenLab()
	if l != nil {
		l.Close()
	}
	for _, err := range []error{joined, listened} {
		if err == nil || !strings.Contains(err.Error(), "this user's alone") {
			t.Errorf("with a folder for all: %v", err)
		}
	}
}
