package main_test

import (
	"context"
	"os"
	"os/exec"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"lvsdr/bench/netlab"
)

// A drained server gets no new connections while one that is open goes on; it is removed
// after its last one, or by the timeout, and put back by --undo. Ctrl-C removes nothing.
func TestDrain(t *testing.T) {
	t.Parallel()
	lab := newHTTPLab(t, netlab.Spec{Servers: weighted(1, 1)})
	config := lab.Config(rotating())
	d := direct(t, lab, config)
	open := lab.client(t, lab.Clients[0].Addr, keptConnections)
	first := netlab.Get(t.Context(), open, url(lab), 1, 1) // a connection that stays
	if first.Errors > 0 {
		t.Fatal(first.First)
	}
	var rs, name string
	for _, s := range lab.Servers {
		if first.ByServer[s.Name()] > 0 {
			rs, name = s.Addr.String(), s.Name()
		}
	}
	elsewhere := func(when string) {
		t.Helper()
		if tally := get(t, lab, 6); tally.ByServer[name] > 0 {
			t.Errorf("%s: %v", when, tally.ByServer)
		}
	}
	cmd := exec.Command(binary(), "drain", rs, "--socket", d.Socket) //nolint:noctx // it gets a signal below
	var out netlab.Output
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	await(t, "the progress of the drain", func() bool { return strings.Contains(out.String(), "1 connections (1 active)") })
	elsewhere("drained")
	if tally := netlab.Get(t.Context(), open, url(lab), 2, 1); tally.ByServer[name] != 2 {
		t.Errorf("the open connection: %v %v", tally.ByServer, tally.First)
	}
	if err := d.Reload(context.WithoutCancel(t.Context()), strings.ReplaceAll(config, "weight 1", "weight 4")); err != nil {
		t.Fatal(err)
	}
	elsewhere("drained, after a reload with other weights")
	if err := cmd.Process.Signal(os.Signal(unix.SIGINT)); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // its exit code is looked at
	if code := cmd.ProcessState.ExitCode(); code != 130 || !strings.Contains(out.String(), "stays drained") {
		t.Errorf("interrupted: exit code %d, %s", code, out.String())
	}
	if r := verb(t, "status", "--socket", d.Socket); !strings.Contains(r.stdout, "quiesced: drained") {
		t.Errorf("after the interruption:\n%s", r.stdout)
	}
	r := verb(t, "drain", rs, "--timeout", "1ms", "--socket", d.Socket)
	if r.code != 0 || !strings.Contains(r.stdout, "removed with ") {
		t.Errorf("by the timeout: exit code %d, %s%s", r.code, r.stdout, r.stderr)
	}
	t.Logf("lvsdr drain wrote:\n%s%s", out.String(), r.stdout)
	elsewhere("removed")
	if r := verb(t, "drain", "--undo", rs, "--socket", d.Socket); r.code != 0 || !strings.Contains(r.stdout, "draining undone") {
		t.Errorf("undone: exit code %d, %s%s", r.code, r.stdout, r.stderr)
	}
	await(t, "the server to be back", func() bool { return get(t, lab, 8).ByServer[name] > 0 })
	for _, c := range []struct {
		args []string
		code int
		want string
	}{
		{[]string{rs, "--undo"}, 1, "is not drained"},
		{[]string{"192.0.2.99"}, 1, "is no real server"},
		{[]string{"server1"}, 2, "want ADDR or ADDR:PORT"},
		{[]string{rs, "--service", "80"}, 2, "want VIP:PORT"},
		{[]string{rs, "--undo", "--timeout", "1s"}, 1, "undo"},
	} {
		if r := verb(t, append([]string{"drain", "--socket", d.Socket}, c.args...)...); r.code != c.code || !strings.Contains(r.stderr, c.want) {
			t.Errorf("%v: exit code %d, %s, want %d with %s", c.args, r.code, r.stderr, c.code, c.want)
		}
	}
}
