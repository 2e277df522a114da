package main_test

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"lvsdr/bench/netlab"
)

// A service manager is told when the director serves, when it reads its configuration
// again and when that is over, and that it stops (sd_notify(3)).
func TestTheServiceManagerIsTold(t *testing.T) {
	t.Parallel()
	lab := newHTTPLab(t, netlab.Spec{Servers: weighted(1)})
	dir := shortDir(t)
	manager, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: filepath.Join(dir, "notify"), Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer manager.Close()
	told := func(pattern string) {
		t.Helper()
		if err := manager.SetReadDeadline(time.Now().Add(patience)); err != nil {
			t.Fatal(err)
		}
		var b [256]byte
		n, err := manager.Read(b[:])
		if err != nil {
			t.Fatalf("waiting for %s: %v", pattern, err)
		}
		if !regexp.MustCompile("^(?:" + pattern + ")$").Match(b[:n]) {
			t.Fatalf("told %q, want %s", b[:n], pattern)
		}
	}
	file := filepath.Join(dir, "keepalived.conf")
	if err := os.WriteFile(file, []byte(lab.Config(rotating())), 0o600); err != nil {
		t.Fatal(err)
	}
	p := &process{}
	p.Cmd = lab.Director.Command(context.WithoutCancel(t.Context()), binary(), "run", "-c", file, "--socket", filepath.Join(dir, "sock"))
	p.Env = append(p.Environ(), "NOTIFY_SOCKET="+manager.LocalAddr().String())
	p.Stdout, p.Stderr = &p.log, &p.log
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	told("READY=1")
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
