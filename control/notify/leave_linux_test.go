package notify

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"golang.org/x/sys/unix"

	"lvsdr/control/keepalived"
)

// A FIFO goes from process to process with the lines that wait in it, and the last one removes it, if the first one
// made it.
func TestAFIFOIsLeftToTheSuccessor(t *testing.T) {
	dir := t.TempDir()
	made, there := filepath.Join(dir, "made"), filepath.Join(dir, "there")
	if err := unix.Mkfifo(there, 0o600); err != nil {
		t.Fatal(err)
	}
	settings := SettingsOf(&keepalived.Config{Global: keepalived.Global{FIFOs: [2]string{made, there}}})
	var passed []string
	for generation := range 3 {
		n, _ := newNotifier(t, Config{Made: passed})
		n.Configure(settings)
		n.lines.wait()
		if generation == 0 {
			n.Tell(Message{Line: "VS [192.0.2.1]:tcp:80 UP"})
			n.lines.wait()
		}
		passed = n.Made()
		if !slices.Equal(passed, []string{made}) {
			t.Errorf("generation %d has made %q, want %q", generation, passed, made)
		}
		if generation == 2 {
			n.Close(0)
			break
		}
		// The successor opens it before this one closes it.
		fd, err := unix.Open(made, unix.O_RDWR|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer unix.Close(fd)
		n.Leave(0)
		for _, path := range []string{made, there} {
			if _, err := os.Stat(path); err != nil {
				t.Errorf("generation %d has left: %v", generation, err)
			}
		}
		if generation == 1 {
			buf := make([]byte, 100)
			if k, err := unix.Read(fd, buf); err != nil || string(buf[:k]) != "VS [192.0.2.1]:tcp:80 UP\n" {
				t.Errorf("it has %q, %v", buf[:max(k, 0)], err)
			}
		}
	}
	if _, err := os.Stat(made); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the last process leaves what the first one made: %v", err)
	}
	if _, err := os.Stat(there); err != nil {
		t.Errorf("what was there before: %v", err)
	}
}

// One that a process before this one made is not this one's to remove once it is not wanted.
func TestAFIFOThatIsNotWantedAnyMoreIsForgotten(t *testing.T) {
	path := filepath.Join(t.TempDir(), "fifo")
	n, _ := newNotifier(t, Config{Made: []string{path}})
	n.Configure(Settings{FIFOs: []FIFO{{Path: path}}})
	n.Configure(Settings{})
	n.lines.wait()
	n.Configure(Settings{FIFOs: []FIFO{{Path: path}}})
	n.lines.wait()
	n.Configure(Settings{})
	n.lines.wait()
	if got := n.Made(); len(got) > 1 {
		t.Errorf("it has made %q", got)
	}
	n.Close(0)
}
