package main_test

import (
	"bufio"
	"context"
	"errors"
	"os/exec"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"lvsdr/bench/fault"
)

// runLab runs `lvsdr lab` with these arguments.
func runLab(t *testing.T, tmp string, args ...string) result {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	cmd := labCommand(ctx, tmp)
	cmd.Args = append(cmd.Args, args...)
	var out, errs strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &errs
	var exit *exec.ExitError
	if err := cmd.Run(); err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return result{out.String(), errs.String(), cmd.ProcessState.ExitCode()}
}

func TestLabBreakListsTheFaults(t *testing.T) {
	t.Parallel()
	r := lvsdr(t, "lab", "break", "--list")
	for _, f := range fault.All() {
		if !strings.Contains(r.stdout, f.Name+" ") || !strings.Contains(r.stdout, f.Summary+"\n") {
			t.Errorf("%s is missing in:\n%s", f.Name, r.stdout)
		}
	}
	for _, args := range [][]string{{"lab", "break"}, {"lab", "break", "none"}, {"lab", "break", "rp-filter", "--", "true"}, {"lab", "break", "rp-filter", "-6"}} {
		if r := verb(t, args...); r.code != 2 || r.stderr == "" {
			t.Errorf("%v: code %d, %s", args, r.code, r.stderr)
		}
	}
}

// killLab starts a lab with a shell in it and kills it.
func killLab(t *testing.T, tmp string, whole bool) {
	t.Helper()
	cmd := labCommand(t.Context(), tmp)
	cmd.Args = append(cmd.Args, "shell", "--", "sh", "-c", "echo up; exec sleep 600")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReader(out).ReadString('\n'); err != nil || line != "up\n" {
		t.Errorf("%q, %v", line, err)
	}
	pid := cmd.Process.Pid
	if whole {
		pid = -pid
	}
	if err := unix.Kill(pid, unix.SIGKILL); err != nil {
		t.Error(err)
	}
	_ = cmd.Wait() // its error is that it was killed
}
