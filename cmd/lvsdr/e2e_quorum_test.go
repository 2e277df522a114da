package main_test

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"lvsdr/bench/netlab"
	"lvsdr/control/api"
)

// healthPort is where the real servers of a quorumLab are asked for their health. What
// becomes of it does not touch their service.
const healthPort = 9090

// A quorumLab is a service of three real servers with a fourth for its sorry server.
type quorumLab struct {
	*network
	healthy [3]*netlab.HTTPServer // nil: its check fails
}

// newQuorumLab makes a lab where the three servers are healthy.
func newQuorumLab(t *testing.T) *quorumLab {
	q := &quorumLab{network: newHTTPLab(t, netlab.Spec{Servers: weighted(1, 1, 1, 1)})}
	for i := range q.healthy {
		q.recover(t, i)
	}
	return q
}

// config is a service with these words, and each of its real servers with others.
func (q *quorumLab) config(words, server string) string {
	s := rotating()
	s.More = words
	s.Server = fmt.Sprintf("delay_loop 0.1\nwarmup 0\n%s\nTCP_CHECK {\nconnect_port %d\nretry 0\n}", server, healthPort)
	text := q.Config(s)
	return text[:strings.LastIndex(text, "    real_server")] + "}\n"
}

// fail has the checks of server i fail.
func (q *quorumLab) fail(t *testing.T, i int) {
	t.Helper()
	if err := q.healthy[i].Stop(); err != nil {
		t.Fatal(err)
	}
	q.healthy[i] = nil
}

// recover has the checks of server i succeed.
func (q *quorumLab) recover(t *testing.T, i int) {
	t.Helper()
	n := q.Servers[i]
	s, err := netlab.StartHTTP(n.Host, fmt.Sprintf("0.0.0.0:%d", healthPort), n.Name())
	if err != nil {
		t.Fatal(err)
	}
	q.healthy[i] = s
}

// traffic makes requests until the function it returns is called, which wants that all
// of them were answered.
func (q *quorumLab) traffic(t *testing.T) (stop func()) {
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan netlab.Tally)
	client := q.client(t, q.Clients[0].Addr, freshConnections)
	go func() {
		var all netlab.Tally
		for ctx.Err() == nil {
			tally := netlab.Get(context.WithoutCancel(ctx), client, url(q.network), 8, 2)
			if all.Errors += tally.Errors; all.First == nil {
				all.First = tally.First
			}
		}
		done <- all
	}()
	return func() {
		cancel()
		if all := <-done; all.Errors > 0 {
			t.Errorf("%d requests failed: %v", all.Errors, all.First)
		}
	}
}

// serving waits until exactly these servers of the service have a weight.
func serving(t *testing.T, d *netlab.Director, lab *network, names ...string) {
	t.Helper()
	await(t, fmt.Sprint(names, " to serve"), func() bool {
		var now []string
		for _, s := range status(t, d).Services[0].Servers {
			for _, n := range lab.Servers {
				if s.Effective > 0 && s.Address == n.Addr {
					now = append(now, n.Name())
				}
			}
		}
		return strings.Join(now, " ") == strings.Join(names, " ")
	})
	wantServed(t, lab, names...)
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
