//go:build long

package main_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"lvsdr/bench/netlab"
	"lvsdr/bench/netns"
)

// A server whose port is a black hole, while its check of another port is good, is taken out
// because its clients repeat their SYNs, and is back after the hold.
func TestAServerThatDoesNotAnswerItsClientsIsTakenOut(t *testing.T) {
	t.Parallel()
	lab := newHTTPLab(t, netlab.Spec{Servers: weighted(1, 1)})
	for _, s := range lab.Servers {
		t.Cleanup(startTCP(t, s.Host, 9100))
	}
	s := rotating()
	s.More = "lvsdr_passive_failure 20 5 3"
	s.Server = "delay_loop 1\nwarmup 0\nTCP_CHECK {\nconnect_port 9100\n}"
	d := direct(t, lab, lab.Config(s))
	awaitServer(t, d, 0, "up", isUp)
	wantServed(t, lab, "rs1", "rs2")

	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	done := make(chan struct{})
	go func() { // clients that do not care how they fare
		defer close(done)
		client := lab.Clients[0].HTTPClient(netns.HTTPOptions{Fresh: true, Timeout: patience})
		for pace := time.NewTicker(200 * time.Millisecond); ctx.Err() == nil; <-pace.C {
			go netlab.Get(ctx, client, url(lab), 6, 6)
		}
	}()
	stop := func() { cancel(); <-done }
	t.Cleanup(stop)

	end := blackhole(t, lab.Servers[0].Host, port)
	down := awaitServer(t, d, 0, "down", isDown)
	if !strings.HasPrefix(down.Check, "passive: ") || !strings.Contains(down.Check, "repeated") {
		t.Errorf("the status says of a server that does not answer: %q", down.Check)
	}
	for _, c := range down.Checks {
		if !c.Up {
			t.Errorf("its check is bad: %+v", c)
		}
	}
	wantServed(t, lab, "rs2")
	end()
	awaitServer(t, d, 0, "up again", isUp)
	stop()
	wantServed(t, lab, "rs1", "rs2")
	if log := d.Log.String(); !strings.Contains(log, "passive: ") {
		t.Errorf("the log does not say why:\n%s", log)
	}
}
