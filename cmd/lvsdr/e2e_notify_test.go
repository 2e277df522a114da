package main_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"lvsdr/bench/netlab"
)

// managed starts a director with such variables in its environment, and returns the
// socket of its service manager too.
func managed(t *testing.T, lab *network, env ...string) (*process, *net.UnixConn) {
	t.Helper()
	dir := shortDir(t)
	manager, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: filepath.Join(dir, "notify"), Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = manager.Close() }) // nothing more is read
	file := filepath.Join(dir, "keepalived.conf")
	if err := os.WriteFile(file, []byte(lab.Config(rotating())), 0o600); err != nil {
		t.Fatal(err)
	}
	p := &process{}
	p.Cmd = lab.Director.Command(context.WithoutCancel(t.Context()), binary(), "run", netlab.SmallTable, "-c", file, "--socket", filepath.Join(dir, "sock"))
	p.Env = append(append(p.Environ(), "NOTIFY_SOCKET="+manager.LocalAddr().String()), env...)
	p.Stdout, p.Stderr = &p.log, &p.log
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	return p, manager
}

// A service manager is told when the director serves, when it reads its configuration
// again and when that is over, and that it stops (sd_notify(3)).
func TestTheServiceManagerIsTold(t *testing.T) {
	t.Parallel()
	lab := newHTTPLab(t, netlab.Spec{Servers: weighted(1)})
	p, manager := managed(t, lab)
	told := func(pattern string) {
		t.Helper()
		var b [256]byte
		n := 0
		for status := true; status; status = bytes.HasPrefix(b[:n], []byte("STATUS=")) && !strings.HasPrefix(pattern, "STATUS") {
			if err := manager.SetReadDeadline(time.Now().Add(patience)); err != nil {
				t.Fatal(err)
			}
			var err error
			if n, err = manager.Read(b[:]); err != nil {
				t.Fatalf("waiting for %s: %v", pattern, err)
			}
		}
		if !regexp.MustCompile("^(?:" + pattern + ")$").Match(b[:n]) {
			t.Fatalf("told %q, want %s", b[:n], pattern)
		}
	}
	told("READY=1")
	told("STATUS=1 service, 1 of 1 server up")
	get(t, lab, 5) // it is true
	if err := unix.Kill(p.Process.Pid, unix.SIGHUP); err != nil {
		t.Fatal(err)
	}
	told(`RELOADING=1\nMONOTONIC_USEC=[0-9]+\n`)
	told("READY=1")
	if code := p.end(t, unix.SIGTERM); code != 0 {
		t.Errorf("the director ended with %d", code)
	}
	told("STOPPING=1")
}

// The watchdog is fed while the director works; not while its process is stopped, and
// again when it goes on.
func TestTheWatchdogIsFedWhileTheDirectorWorks(t *testing.T) {
	t.Parallel()
	lab := newHTTPLab(t, netlab.Spec{Servers: weighted(1)})
	p, manager := managed(t, lab, "WATCHDOG_USEC=400000")
	// feeds waits for n feeds, or that there is none for some time.
	feeds := func(n int, wait time.Duration) (fed int) {
		if err := manager.SetReadDeadline(time.Now().Add(wait)); err != nil {
			t.Fatal(err)
		}
		var b [256]byte
		for fed < n {
			n, err := manager.Read(b[:])
			if err != nil {
				return fed
			}
			if string(b[:n]) == "WATCHDOG=1" {
				fed++
			}
		}
		return fed
	}
	if n := feeds(5, patience); n != 5 {
		t.Fatalf("fed %d times; log:\n%s", n, &p.log)
	}
	if err := unix.Kill(p.Process.Pid, unix.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	await(t, "all threads to be stopped", func() bool { return stopped(t, p.Process.Pid) })
	discard(t, manager) // what was on its way
	if n := feeds(1, time.Second); n != 0 {
		t.Error("fed by a process that is stopped")
	}
	if err := unix.Kill(p.Process.Pid, unix.SIGCONT); err != nil {
		t.Fatal(err)
	}
	if n := feeds(3, patience); n != 3 {
		t.Errorf("fed %d times after it went on; log:\n%s", n, &p.log)
	}
	if code := p.end(t, unix.SIGTERM); code != 0 {
		t.Errorf("the director ended with %d", code)
	}
}

// stopped reports whether a signal has stopped every thread of the process.
func stopped(t *testing.T, pid int) bool {
	t.Helper()
	names, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/stat", pid))
	if err != nil || len(names) == 0 {
		t.Fatalf("threads of %d: %v, %v", pid, names, err)
	}
	return !slices.ContainsFunc(names, func(name string) bool {
		b, err := os.ReadFile(name)
		_, state, _ := strings.Cut(string(b), ") ") // proc_pid_stat(5): pid (comm) state
		return err != nil || !strings.HasPrefix(state, "T")
	})
}

// discard takes what the socket has received, without waiting for more.
func discard(t *testing.T, c *net.UnixConn) {
	t.Helper()
	raw, err := c.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	if err := raw.Control(func(fd uintptr) {
		var b [256]byte
		for err == nil {
			_, _, err = unix.Recvfrom(int(fd), b[:], unix.MSG_DONTWAIT)
		}
	}); err != nil {
		t.Fatal(err)
	}
	if !errors.Is(err, unix.EAGAIN) {
		t.Fatal(err)
	}
}
