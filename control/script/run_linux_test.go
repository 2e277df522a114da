package script

import (
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// long is a time that no test waits for; short is one that a test waits for.
const (
	long  = time.Minute
	short = 50 * time.Millisecond
)

// sh is a Command that runs text in a shell.
func sh(text string) Command { return Command{Argv: []string{"/bin/sh", "-c", text}, Timeout: long} }

// fifo makes a FIFO.
func fifo(t *testing.T) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "fifo")
	if err := unix.Mkfifo(name, 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

// reader opens a FIFO to read what others write, whether they do already or not.
func reader(t *testing.T, name string) *os.File {
	t.Helper()
	f, err := os.OpenFile(name, os.O_RDONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	if err := f.SetReadDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	return f
}

// patience is how long a test waits for what must happen.
const patience = 10 * time.Second

func TestAnOutcomeSaysHowAProgramEnded(t *testing.T) {
	with := func(c Command, change func(*Command)) Command { change(&c); return c }
	for _, c := range []struct {
		law  string
		c    Command
		want Outcome
	}{
		{"a good end", sh("exit 0"), Outcome{}},
		{"an exit code", sh("exit 255"), Outcome{Code: 255}},
		{"a signal", sh("kill -USR1 $$"), Outcome{Code: -1, Signal: int(unix.SIGUSR1)}},
		{"output and errors in the order of writing", sh("echo a; echo b >&2; echo c"), Outcome{Output: []byte("a\nb\nc\n")}},
		{"standard input is empty", sh("cat"), Outcome{}},
		{"arguments are words, whatever is in them", Command{Argv: []string{"/bin/echo", "a  b", "$HOME;", ""}, Timeout: long}, Outcome{Output: []byte("a  b $HOME; \n")}},
		{"it is looked for in PATH", Command{Argv: []string{"echo", "x"}, Timeout: long}, Outcome{Output: []byte("x\n")}},
		{"variables of its own", with(sh("echo $LVSDR_TEST"), func(c *Command) { c.Env = []string{"LVSDR_TEST=7"} }), Outcome{Output: []byte("7\n")}},
		{"its folder is the root", sh("pwd"), Outcome{Output: []byte("/\n")}},
		{"no timeout", with(sh("exit 3"), func(c *Command) { c.Timeout = 0 }), Outcome{Code: 3}},
		{"a program that hangs is killed", with(sh("exec sleep 1000"), func(c *Command) { c.Timeout = short }),
			Outcome{Code: -1, Signal: int(unix.SIGKILL), TimedOut: true}},
		{"one that ignores SIGTERM is killed after the grace", with(sh("trap '' TERM; sleep 1000"), func(c *Command) { c.Timeout, c.Grace = short, short }),
			Outcome{Code: -1, Signal: int(unix.SIGKILL), TimedOut: true}},
		{"one that obeys SIGTERM says goodbye", with(sh("trap 'echo bye; exit 7' TERM; echo up; while :; do sleep 1000 & wait; done"),
			func(c *Command) { c.Timeout, c.Grace = 4*short, long }), Outcome{Code: 7, TimedOut: true, Output: []byte("up\nbye\n")}},
		{"endless output does not end in memory", with(sh("yes"), func(c *Command) { c.Timeout, c.MaxOutput = 4*short, 4 }),
			Outcome{Code: -1, Signal: int(unix.SIGKILL), TimedOut: true, Output: []byte("y\ny\n"), Cut: true}},
		{"much output and a good end", with(sh("head -c 300000 /dev/zero"), func(c *Command) { c.MaxOutput = 3 }), Outcome{Output: []byte{0, 0, 0}, Cut: true}},
		{"output of just the limit is not cut", with(sh("printf abc"), func(c *Command) { c.MaxOutput = 3 }), Outcome{Output: []byte("abc")}},
	} {
		t.Run(c.law, func(t *testing.T) {
			t.Parallel()
			got, err := Run(t.Context(), c.c)
			if err != nil {
				t.Fatal(err)
			}
			if string(got.Output) != string(c.want.Output) {
				t.Errorf("it printed %q, want %q", got.Output, c.want.Output)
			}
			got.Output, c.want.Output = nil, nil
			if got.Code != c.want.Code || got.Signal != c.want.Signal || got.TimedOut != c.want.TimedOut || got.Cut != c.want.Cut {
				t.Errorf("%+v, want %+v", got, c.want)
			}
		})
	}
}

func TestTheEndOfTheContextEndsAProgram(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	o, err := Run(ctx, sh("exec sleep 1000"))
	if err != nil || !o.TimedOut || o.Signal != int(unix.SIGKILL) {
		t.Errorf("%+v, %v", o, err)
	}
}

// Each program has children that hold a FIFO open for as long as they live.
func TestTheWholeProcessGroupIsKilled(t *testing.T) {
	for law, text := range map[string]string{
		"at the end, whoever is left behind":        "sleep 1000 >&- 2>&- & exit 0",
		"at the end, whoever holds the output open": "sleep 1000 & exit 0",
		"at the timeout, children of children too":  "sh -c 'sleep 1000 & wait' & wait",
	} {
		t.Run(law, func(t *testing.T) {
			t.Parallel()
			name := fifo(t)
			held := reader(t, name)
			c := sh("exec 3> " + name + "; " + text)
			c.Timeout = 4 * short
			if _, err := Run(t.Context(), c); err != nil {
				t.Error(err)
			}
			if got, err := io.ReadAll(held); err != nil || len(got) > 0 {
				t.Errorf("a child of it is alive: %q, %v", got, err)
			}
		})
	}
}

func TestWhatADetachedProgramLeavesBehindLivesOn(t *testing.T) {
	ask, answer := fifo(t), fifo(t)
	said := reader(t, answer)
	c := sh("exec 3> " + answer + " 4<> " + ask + "; { read x <&4; echo $x >&3; } & exit 0")
	c.Detached = true
	if o, err := Run(t.Context(), c); err != nil || o.Code != 0 {
		t.Fatalf("%+v, %v", o, err)
	}
	f, err := os.OpenFile(ask, os.O_WRONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		t.Fatalf("nobody listens: %v", err)
	}
	defer f.Close()
	if _, err := f.WriteString("alive\n"); err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(said); err != nil || string(got) != "alive\n" {
		t.Errorf("it said %q, %v", got, err)
	}
}

func TestWhatCannotBeStartedIsAnError(t *testing.T) {
	dir := t.TempDir()
	plain := filepath.Join(dir, "plain")
	if err := os.WriteFile(plain, []byte("#!/bin/sh\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		law  string
		c    Command
		want error // nil: any
	}{
		{"nothing", Command{}, ErrEmpty},
		{"an empty name", Command{Argv: []string{""}}, ErrEmpty},
		{"a program that does not exist", Command{Argv: []string{dir + "/none"}}, os.ErrNotExist},
		{"one that is not in PATH", Command{Argv: []string{"lvsdr-test-no-such-program"}}, exec.ErrNotFound},
		{"one that is not executable", Command{Argv: []string{plain}}, os.ErrPermission},
		{"a folder", Command{Argv: []string{dir}}, os.ErrPermission},
		{"a user that does not exist", Command{Argv: []string{"true"}, User: "lvsdr-test-nobody"}, nil},
		{"a group that does not exist", Command{Argv: []string{"true"}, Group: "lvsdr-test-nogroup"}, nil},
	} {
		if _, err := Run(t.Context(), c.c); err == nil || c.want != nil && !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", c.law, err, c.want)
		}
	}
}

func TestAProgramRunsAsTheUserThatIsNamed(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs CAP_SETUID; try it as root")
	}
	for _, c := range []struct {
		user, group, want string
	}{
		{"", "", "0 0\n"},
		{"root", "root", "0 0\n"},
		{"0", "", "0 0\n"},
		{"nobody", "", "65534 65534\n"},
		{"65534", "root", "65534 0\n"},
	} {
		o, err := Run(t.Context(), Command{Argv: []string{"/bin/sh", "-c", "echo $(id -u) $(id -g)"}, User: c.user, Group: c.group, Timeout: long})
		if err != nil {
			if errors.Is(err, os.ErrPermission) && c.user != "" {
				t.Logf("this process may not become %s", c.user)
				continue
			}
			t.Fatal(err)
		}
		if string(o.Output) != c.want {
			t.Errorf("as %q:%q it is %q, want %q", c.user, c.group, o.Output, c.want)
		}
	}
}

func TestAProgramDoesNotSeeWhatTheServiceManagerToldThisOne(t *testing.T) {
	t.Setenv("NOTIFY_SOCKET", "/run/x")
	t.Setenv("LISTEN_FDS", "1")
	t.Setenv("LVSDR_TEST", "seen")
	env := environment([]string{"LVSDR_TEST=own"})
	if slices.Contains(env, "NOTIFY_SOCKET=/run/x") || slices.Contains(env, "LISTEN_FDS=1") || !slices.Contains(env, "LVSDR_TEST=own") {
		t.Errorf("it gets %q", env)
	}
}
