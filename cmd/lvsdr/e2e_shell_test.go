package main_test

import (
	"context"
	"errors"
	"os/exec"
	"strings"
	"testing"

	"lvsdr/bench/netns"
)

// labShell runs `lvsdr lab shell` with these arguments and this input.
func labShell(t *testing.T, tmp, input string, args ...string) (out string, code int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	cmd := labCommand(ctx, tmp)
	cmd.Args = append(append(cmd.Args, "shell"), args...)
	cmd.Stdin = strings.NewReader(input)
	b, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatalf("%v: %s", err, b)
	}
	return string(b), cmd.ProcessState.ExitCode()
}

func TestLabShellRunsACommandOnAHost(t *testing.T) {
	t.Parallel()
	netns.Require(t)
	tmp := shortDir(t)
	out, code := labShell(t, tmp, "", "rs2", "--", "sh", "-c", "cat /proc/net/fib_trie; exit 7")
	if code != 7 || !strings.Contains(out, "192.168.1.12") || strings.Contains(out, "192.168.1.11\n") {
		t.Errorf("exit code %d, output:\n%s", code, out)
	}
	wantNoTrace(t, tmp)
}
