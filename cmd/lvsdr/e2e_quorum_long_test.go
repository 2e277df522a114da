//go:build long

package main_test

import (
	"fmt"
	"strings"
	"testing"

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
