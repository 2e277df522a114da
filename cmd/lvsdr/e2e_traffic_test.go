package main_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"lvsdr/bench/netlab"
	"lvsdr/bench/netns"
	"lvsdr/control/api"
	"lvsdr/dataplane/frame"
)

// The program's promise, proved from frames, also on a director whose kernel
// forwards packets, as on every host with containers.
func TestRequestsAreSharedByWeightAndAnsweredDirectly(t *testing.T) {
	t.Parallel()
	netns.Require(t)
	for _, forward := range []string{"0", "1"} {
		t.Run("ip_forward="+forward, func(t *testing.T) { t.Parallel(); testShares(t, forward) })
	}
}

func testShares(t *testing.T, forward string) {
	const addrs = 20
	perAddr := sized(100, 15, 15)
	lab := newHTTPLab(t, netlab.Spec{ClientAddrs: addrs, Servers: weighted(3, 2, 1)})
	if err := lab.Director.Sysctl("net.ipv4.ip_forward", forward); err != nil {
		t.Fatal(err)
	}
	atClient, atDirector := capture(t, lab.Clients[0]), capture(t, lab.Director)
	d := direct(t, lab, lab.Config(rotating()))

	checkShares(t, lab, getFromEach(t, lab, perAddr))

	st := settled(t, lab, d.Socket, atDirector)
	wire := checkDirector(t, lab, atDirector)
	if got := uint64(wire.forwarded); got != forwardedBy(st) || wire.forwarded < 4*addrs*perAddr {
		t.Errorf("%d frames were forwarded on the wire and %d by the director's count, for %d requests", got, forwardedBy(st), addrs*perAddr)
	}
	for _, s := range wire.answers {
		t.Errorf("nothing was to be answered: %v", s)
	}
	if n := checkClient(t, lab, atClient); n < 3*addrs*perAddr {
		t.Errorf("the client got %d segments for %d requests", n, addrs*perAddr)
	}
	checkCounters(t, st, addrs*perAddr)
}

// getFromEach makes n requests from each of the client's further addresses,
// each on a connection of its own, and wants all answered.
func getFromEach(t *testing.T, lab *network, n int) map[string]int {
	t.Helper()
	var mu sync.Mutex // guards served
	served := map[string]int{}
	client := lab.Clients[0]
	// A few addresses at a time: the machine may be small.
	todo := make(chan *http.Client, len(client.Extra))
	for _, a := range client.Extra {
		todo <- lab.client(t, a, freshConnections)
	}
	close(todo)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for c := range todo {
				tally := netlab.Get(t.Context(), c, url(lab), n, 2)
				mu.Lock()
				if tally.Errors > 0 {
					t.Errorf("%d of %d requests failed: %v", tally.Errors, n, tally.First)
				}
				for name, k := range tally.ByServer {
					served[name] += k
				}
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	return served
}

// checkShares compares each server's share of the connections of a fresh
// service with what weighted round robin guarantees: one in the service's first
// pass, its weight in each whole round after that, and at most its weight in
// the round that is under way.
func checkShares(t *testing.T, lab *network, served map[string]int) {
	t.Helper()
	total, sum := 0, 0
	for _, k := range served {
		total += k
	}
	for _, n := range lab.Servers {
		sum += n.Weight
	}
	rounds := (total - len(lab.Servers)) / sum
	for _, n := range lab.Servers {
		least := 1 + rounds*n.Weight
		if got := served[n.Name()]; got < least || got > least+n.Weight {
			t.Errorf("%s of weight %d served %d of %d requests, want %d to %d", n.Name(), n.Weight, got, total, least, least+n.Weight)
		}
	}
}

// forwardedBy is how many frames a director has forwarded since its start.
func forwardedBy(st *api.Status) uint64 {
	return st.Reasons["hit"] + st.Reasons["scheduled"] + st.Reasons["persistent"]
}

// over reports whether every TCP connection of the clients and real servers is
// closed, or in TIME_WAIT, on both sides: nobody has anything more to send.
func over(t *testing.T, lab *network) bool {
	t.Helper()
	const timeWait, listen = "06", "0A" // of <net/tcp_states.h>
	for _, n := range slices.Concat(lab.Clients, lab.Servers) {
		for _, table := range []string{"tcp", "tcp6"} {
			b, err := n.ReadProc(table)
			if err != nil {
				t.Fatal(err)
			}
			for line := range strings.Lines(string(b)) {
				f := strings.Fields(line)
				if len(f) > 3 && f[0] != "sl" && f[3] != timeWait && f[3] != listen {
					return false
				}
			}
		}
	}
	return true
}

// settled waits until no connection is open any more and the director has decided
// about every frame that reached it for the VIP, and returns its status then. The
// capture must have begun before the director.
func settled(t *testing.T, lab *network, socket string, c *netlab.Capture) *api.Status {
	t.Helper()
	await(t, "the connections to be closed", func() bool { return over(t, lab) })
	vip := lab.Spec.VIP
	var st *api.Status
	await(t, "the director to have decided about all it received", func() bool {
		received := uint64(0)
		for _, s := range sightings(t, c) {
			if !s.Outgoing && s.Kind == frame.IPv4 && s.Dst == frame.AddrFrom(vip) {
				received++
			}
		}
		var err error
		if st, err = askStatus(t.Context(), socket); err != nil {
			t.Fatal(err)
		}
		decided := uint64(0)
		for reason, n := range st.Reasons {
			if reason != "arp" {
				decided += n
			}
		}
		return decided == received
	})
	return st
}

// checkCounters compares the counters of a director that has done nothing but
// forward n connections.
func checkCounters(t *testing.T, st *api.Status, n int) {
	t.Helper()
	for reason, k := range st.Reasons {
		switch {
		case reason == "scheduled" && k != uint64(n):
			t.Errorf("%d connections were scheduled, want %d", k, n)
		case reason != "scheduled" && reason != "hit" && reason != "arp":
			t.Errorf("%d frames with reason %s", k, reason)
		}
	}
	var sent uint64
	for name, p := range st.Ports {
		if p.Missed+p.MissedSYN+p.Truncated+p.SendFull+p.SendError != 0 {
			t.Errorf("%s lost frames: %+v", name, p)
		}
		sent += p.Sent
	}
	if sent != forwardedBy(st) {
		t.Errorf("%d frames were sent, %d were forwarded", sent, forwardedBy(st))
	}
	var perServer uint64
	for _, r := range st.Services[0].Servers {
		perServer += r.Traffic.Conns
	}
	if s := st.Services[0]; s.Traffic.Conns != uint64(n) || perServer != uint64(n) || s.Traffic.Packets != forwardedBy(st) {
		t.Errorf("the service counts %+v and its servers %d connections; want %d connections, %d packets", s.Traffic, perServer, n, forwardedBy(st))
	}
}

func TestNoPortIsOpenOnTheDirector(t *testing.T) {
	t.Parallel()
	lab := newHTTPLab(t, netlab.Spec{})
	direct(t, lab, lab.Config(rotating()))
	get(t, lab, 10)
	if listening(t, lab.Director.Host, port) {
		t.Errorf("a socket is bound to port %d of the director", port)
	}
	if !listening(t, lab.Servers[0].Host, port) {
		t.Errorf("no socket is seen on port %d of a real server: this test sees nothing", port)
	}
	get(t, lab, 10)
	t.Run("as ss says", func(t *testing.T) { checkSS(t, lab, tool(t, "ss", "iproute2")) })
}

// checkSS wants no line of ss for the service's port on the director, and one
// on a real server.
func checkSS(t *testing.T, lab *network, ss string) {
	t.Helper()
	for _, n := range []*netlab.Node{lab.Director, lab.Servers[0]} {
		out, err := n.Command(t.Context(), ss, "-lntup").CombinedOutput()
		if err != nil {
			t.Fatalf("ss on %s: %v\n%s", n.Name(), err, out)
		}
		open := strings.Contains(string(out), fmt.Sprintf(":%d ", port))
		if open != (n != lab.Director) {
			t.Errorf("on %s ss -lntup writes\n%s", n.Name(), out)
		}
	}
}

// put uploads size bytes of body, -1 if unknown, and returns the server's name
// and the SHA-256 of what it received.
func put(ctx context.Context, t *testing.T, c *http.Client, url string, body io.Reader, size int64) (server, sum string) {
	t.Helper()
	req, err := http.NewRequestWithContext(ctx, http.MethodPut, url, body)
	if err != nil {
		t.Fatal(err)
	}
	req.ContentLength = size
	resp, err := c.Do(req)
	if err != nil {
		t.Errorf("upload: %v", err)
		return "", ""
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Errorf("upload: %s, %v", resp.Status, err)
	}
	return resp.Header.Get(netlab.ServerHeader), strings.TrimSpace(string(b))
}
