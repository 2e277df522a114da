//go:build long

package main_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"lvsdr/bench/netns"
)

// From within a lab's shell further ones join it: they see the same director.
func TestLabShellsJoinTheLabThatRuns(t *testing.T) {
	t.Parallel()
	netns.Require(t)
	tmp := shortDir(t)
	script := binary() + ` lab shell director -- cat /proc/net/fib_trie | grep -c 192.168.1.10
` + binary() + ` lab shell rs1 -- sh -c 'cat; exit 5' <<END
through the wire
END
echo code $?
` + binary() + ` lab shell nobody -- true
echo code $?
` + binary() + ` status
exit 3
`
	out, code := labShell(t, tmp, script, "client", "--", "sh")
	for _, want := range []string{"through the wire\ncode 5\n", "the lab has no host \"nobody\"", "code 2\n", "announcing its VIPs", "tcp 192.168.1.100:8080"} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in the output:\n%s", want, out)
		}
	}
	if code != 3 {
		t.Errorf("exit code %d, want the shell's, 3", code)
	}
	wantNoTrace(t, tmp)
}

// On a terminal the prompt names the host, whatever the shell's own files say, and the
// shell ends without a complaint: dash said "Cannot set tty process group".
func TestALabShellOnATerminalHasAPromptAndEndsQuietly(t *testing.T) {
	t.Parallel()
	netns.Require(t)
	home := t.TempDir() // not the user's: nobody knows how long its files take
	if err := os.WriteFile(filepath.Join(home, ".bashrc"), []byte("PS1='mine> '\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, program := range []string{"/bin/sh", "/bin/bash"} {
		if _, err := exec.LookPath(program); err != nil {
			continue // every system has sh
		}
		tmp := shortDir(t)
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		cmd := labCommand(ctx, tmp)
		cmd.Args = append(cmd.Args, "shell", "rs1", "--servers", "1")
		cmd.Env = append(cmd.Environ(), "SHELL="+program, "TERM=dumb", "HOME="+home)
		cmd.SysProcAttr = nil // the terminal makes a session
		term := onTerminal(t, cmd, 200)
		await(t, program+"'s prompt", func() bool { return strings.Contains(term.written.String(), "rs1$ ") })
		term.press(t, "echo at $LVSDR_LAB; stty size; exit 3\n")
		_ = cmd.Wait() // the exit code says it
		term.close()
		out := term.written.String()
		if code := cmd.ProcessState.ExitCode(); code != 3 || !strings.Contains(out, "\nat rs1\r\n24 200\r\n") || strings.Contains(out, "process group") || strings.Contains(out, "job control") {
			t.Errorf("%s: exit code %d:\n%s", program, code, out)
		}
		wantNoTrace(t, tmp)
	}
}
