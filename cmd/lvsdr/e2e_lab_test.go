package main_test

import (
	"bufio"
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"lvsdr/bench/netns"
)

// worldEnv begins the variables that tell a program it is in a lab's world.
const worldEnv = "LVSDR_NETNS_"

// labCommand is `lvsdr lab` as started from a shell outside of any lab, with
// tmp for its temporary files.
func labCommand(ctx context.Context, tmp string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, binary(), "lab")
	for _, v := range os.Environ() {
		if !strings.HasPrefix(v, worldEnv) && !strings.HasPrefix(v, "TMPDIR=") {
			cmd.Env = append(cmd.Env, v)
		}
	}
	cmd.Env = append(cmd.Env, "TMPDIR="+tmp)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: unix.SIGKILL}
	return cmd
}

// wantNoTrace wants that nothing of a lab is left: no process, and so no
// namespace, and no file.
func wantNoTrace(t *testing.T, tmp string) {
	t.Helper()
	entries, err := os.ReadDir(tmp)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		t.Errorf("%s is left in the folder of temporary files", e.Name())
	}
	if left := processes(t, tmp); len(left) > 0 {
		t.Errorf("processes are left: %v", left)
	}
}

// processes are the ids of all processes that run the program under test with
// tmp for its temporary files.
func processes(t *testing.T, tmp string) []string {
	t.Helper()
	links, err := filepath.Glob("/proc/[0-9]*/exe")
	if err != nil {
		t.Fatal(err)
	}
	return slices.DeleteFunc(links, func(link string) bool {
		exe, err := os.Readlink(link)
		if err != nil || exe != binary() { // a process that has ended has no link
			return true
		}
		env, err := os.ReadFile(filepath.Join(filepath.Dir(link), "environ"))
		if err != nil {
			return errors.Is(err, os.ErrNotExist) || errors.Is(err, unix.ESRCH) // it has ended meanwhile
		}
		return !slices.Contains(strings.Split(string(env), "\x00"), "TMPDIR="+tmp)
	})
}

// labWords are words in the output of the lab.
var labWords = regexp.MustCompile(`(?s)The lab\n.*` +
	`The way of one packet\n.*leaves client1 .*reaches director .*leaves director .*reaches rs\d .*leaves rs\d .*reaches client1 .*` +
	`600 requests, persistence_timeout 0\n.*rs1  weight 3 .* 50\.\d %.*rs2  weight 2 .* 33\.\d %.*rs3  weight 1 .* 16\.\d %.*` +
	`60 requests with the default persistence of 120 s\n.* 60 of 60\n.*` +
	`lvsdr status\n.*scheduled +\d+\n.*All as it should be\.\n$`)

// checkLab runs a lab command to its end.
func checkLab(t *testing.T, cmd *exec.Cmd, tmp string) {
	t.Helper()
	var out, errs strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil || errs.Len() > 0 {
		t.Fatalf("%v, stderr %q, stdout:\n%s", err, errs.String(), out.String())
	}
	if !labWords.MatchString(out.String()) {
		t.Errorf("the lab does not show all it should:\n%s", out.String())
	}
	wantNoTrace(t, tmp)
}

func TestLabShowsTheJourneyAndTheShares(t *testing.T) {
	t.Parallel()
	netns.Require(t)
	tmp := shortDir(t)
	checkLab(t, labCommand(t.Context(), tmp), tmp)
}

// An unprivileged user is one without capabilities in the user namespace it is
// in. This one has a namespace where it is not root.
func TestLabWorksWithoutPrivileges(t *testing.T) {
	t.Parallel()
	netns.Require(t)
	tmp := shortDir(t)
	cmd := labCommand(t.Context(), tmp)
	cmd.SysProcAttr.Cloneflags = unix.CLONE_NEWUSER
	cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{ContainerID: 1000, HostID: os.Getuid(), Size: 1}}
	cmd.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{ContainerID: 1000, HostID: os.Getgid(), Size: 1}}
	checkLab(t, cmd, tmp)
}

// interruptLab sends SIGINT as soon as the lab has written a line that begins
// with at. It returns false if the lab was at its end by then.
func interruptLab(t *testing.T, at string, group bool) bool {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	tmp := shortDir(t)
	cmd := labCommand(ctx, tmp)
	var errs strings.Builder
	cmd.Stderr = &errs
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewReader(out)
	for line := ""; err == nil && !strings.HasPrefix(line, at); {
		line, err = lines.ReadString('\n')
	}
	pid := cmd.Process.Pid
	if group {
		pid = -pid
	}
	if err := errors.Join(err, unix.Kill(pid, unix.SIGINT)); err != nil {
		t.Errorf("interrupt at %q: %v", at, err)
	}
	rest, readErr := io.ReadAll(lines) // until every process has closed it
	err = cmd.Wait()
	wantNoTrace(t, tmp)
	if strings.Contains(string(rest), "All as it should be") {
		return false
	}
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != 130 || errs.String() != "lvsdr: interrupted; nothing is left behind\n" || readErr != nil {
		t.Errorf("interrupted at %q the lab ended with %v, stderr %q, and went on to write %q", at, err, errs.String(), rest)
	}
	return true
}
