package main_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"lvsdr/bench/netlab"
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
