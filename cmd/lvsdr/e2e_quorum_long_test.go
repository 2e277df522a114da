//go:build long

package main_test

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"lvsdr/control/api"
)

// With inhibit_on_failure nothing is removed: servers have weight 0 while they fail, and
// also beside the sorry server; that one has it while the quorum is there. So no
// connection is lost, whatever changes.
func TestInhibitedServersStayWithWeightZero(t *testing.T) {
	t.Parallel()
	q := newQuorumLab(t)
	d := direct(t, q.network, q.config(fmt.Sprintf("quorum 2\nsorry_server %s %d\nsorry_server_inhibit", q.Servers[3].Addr, port), "inhibit_on_failure"))
	table := func(want string) {
		t.Helper()
		await(t, "the table "+want, func() bool {
			var now []string
			for _, s := range status(t, d).Services[0].Servers {
				now = append(now, fmt.Sprint(s.Effective))
			}
			return strings.Join(now, " ") == want
		})
		r := verb(t, "ipvsadm", "--socket", d.Socket, "-Ln")
		if n := strings.Count(r.stdout, "Route"); r.code != 0 || n != 4 {
			t.Errorf("%d servers are in the table, code %d:\n%s", n, r.code, r.stdout)
		}
	}
	table("1 1 1 0")
	stop, open := q.traffic(t), pin(t, q.network, "rs1").upload(t)
	q.fail(t, 0)
	table("0 1 1 0")
	open.write(t)
	q.fail(t, 1)
	table("0 0 0 1")
	wantServed(t, q.network, "rs4")
	open.write(t)
	sorry := pin(t, q.network, "rs4")
	q.recover(t, 0)
	table("1 0 1 0")
	sorry.check(t)
	open.finish(t)
	stop()
}

// A server that comes back gets its weight in steps.
func TestAServerThatComesBackStartsSlowly(t *testing.T) {
	t.Parallel()
	q := newQuorumLab(t)
	d := direct(t, q.network, q.config("", "weight 100\nlvsdr_slow_start 4"))
	awaitServer(t, d, 0, "up", isUp)
	q.fail(t, 0)
	awaitServer(t, d, 0, "down", isDown)
	q.recover(t, 0)
	part := awaitServer(t, d, 0, "on its way up", func(s *api.Server) bool { return s.Up && s.Effective > 0 }).Effective
	if part == 100 {
		t.Error("it came back with its whole weight")
	}
	awaitServer(t, d, 0, "further up", func(s *api.Server) bool { return s.Effective > part })
	awaitServer(t, d, 0, "up", isUp)
	wantServed(t, q.network, "rs1", "rs2", "rs3")
}

// The recorded behaviour of keepalived: with quorum 2 and hysteresis 1 the quorum is
// lost below a live weight of 1, and regained with 3.
func TestTheSorryServerServesWithoutTheQuorum(t *testing.T) {
	t.Parallel()
	q := newQuorumLab(t)
	d := direct(t, q.network, q.config(fmt.Sprintf("quorum 2\nhysteresis 1\nsorry_server %s %d", q.Servers[3].Addr, port), ""))
	serving(t, d, q.network, "rs1", "rs2", "rs3")
	for _, step := range []struct {
		do      func(*testing.T, int)
		server  int
		serving string
	}{
		{q.fail, 0, "rs2 rs3"},
		{q.fail, 1, "rs3"},
		{q.fail, 2, "rs4"},
		{q.recover, 0, "rs4"},
		{q.recover, 2, "rs4"},
		{q.recover, 1, "rs1 rs2 rs3"},
	} {
		step.do(t, step.server)
		awaitServer(t, d, step.server, "as it is", func(s *api.Server) bool { return s.Up == (q.healthy[step.server] != nil) })
		serving(t, d, q.network, strings.Fields(step.serving)...)
	}
}

// The director has given its privileges back when it runs commands. One hangs, which holds
// nothing up. The first line says that the service starts with its quorum.
func TestCommandsAndFIFOsAreToldOfChanges(t *testing.T) {
	t.Parallel()
	q := newQuorumLab(t)
	dir := shortDir(t)
	told, fifo := filepath.Join(dir, "told"), filepath.Join(dir, "fifo")
	say := func(what string) string { return fmt.Sprintf("\"/bin/sh -c 'echo %s >> %s'\"", what, told) }
	config := "global_defs {\nenable_script_security\nnotify_fifo " + fifo + "\n}\n" +
		q.config("quorum 2\nomega\nquorum_up \"/bin/sh -c 'test -e "+told+".up && exec sleep 1000; touch "+told+".up'\"\nquorum_down "+say("lost"), "notify_up "+say("up")+"\nnotify_down "+say("down"))
	d := direct(t, q.network, config)
	lines, err := os.OpenFile(fifo, os.O_RDONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer lines.Close()
	want := func(servers ...string) {
		t.Helper()
		for _, s := range servers {
			got := make([]byte, len(s)+1)
			if _, err := io.ReadFull(lines, got); err != nil || string(got) != s+"\n" {
				t.Fatalf("the FIFO has %q, %v; want %q", got, err, s)
			}
		}
	}
	vs := fmt.Sprintf("[%s]:tcp:%d ", q.Spec.VIP, port)
	rs := func(i int) string { return fmt.Sprintf("RS [%s]:tcp:%d %s", q.Servers[i].Addr, port, vs) }
	if err := lines.SetReadDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	want("VS " + vs + "UP")
	q.fail(t, 0)
	want(rs(0) + "DOWN")
	q.fail(t, 1)
	want(rs(1)+"DOWN", "VS "+vs+"DOWN")
	q.recover(t, 0)
	want(rs(0)+"UP", "VS "+vs+"UP")
	await(t, "the commands to have run", func() bool {
		text, _ := os.ReadFile(told) // it is not there at first
		words := strings.Fields(string(text))
		slices.Sort(words)
		return strings.Join(words, " ") == "down down lost up"
	})
	q.fail(t, 0)
	want(rs(0)+"DOWN", "VS "+vs+"DOWN") // though the command of its last change hangs
	if strings.Contains(d.Log.String(), "notification command failed") {
		t.Error("a command failed")
	}
}
