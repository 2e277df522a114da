package main_test

import (
	"io"
	"os"
	"os/exec"
	"testing"

	"github.com/creack/pty"

	"lvsdr/bench/netlab"
)

// A terminal is one on which a program runs, and what was written there.
type terminal struct {
	master  *os.File
	written netlab.Output
	copied  chan struct{} // closed when the program has left it
}

// onTerminal starts cmd on a terminal of 24 lines.
func onTerminal(t *testing.T, cmd *exec.Cmd, columns uint16) *terminal {
	t.Helper()
	master, err := pty.StartWithSize(cmd, &pty.Winsize{Rows: 24, Cols: columns})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill() }) // it may have ended
	s := &terminal{master: master, copied: make(chan struct{})}
	go func() {
		defer close(s.copied)
		_, _ = io.Copy(&s.written, master) // it ends with an error when the program ends
	}()
	return s
}

// press types keys.
func (s *terminal) press(t *testing.T, keys string) {
	t.Helper()
	if _, err := io.WriteString(s.master, keys); err != nil {
		t.Fatal(err)
	}
}

// close waits for the last of what was written. The program has ended.
func (s *terminal) close() {
	<-s.copied
	_ = s.master.Close() // nothing is written any more
}
