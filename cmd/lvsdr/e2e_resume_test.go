package main_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"testing"

	"golang.org/x/sys/unix"

	"lvsdr/bench/netlab"
)

// request makes a request on a connection that stays open.
func request(c net.Conn, from *bufio.Reader) (server string, err error) {
	if _, err := fmt.Fprint(c, "GET / HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
		return "", err
	}
	resp, err := http.ReadResponse(from, nil)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	return string(body), err
}

// With a scheduler that hashes all connections live through a restart of the director,
// and with none does the director itself reset one.
func TestConnectionsLiveThroughARestart(t *testing.T) {
	t.Parallel()
	lab := newHTTPLab(t, netlab.Spec{Servers: weighted(1, 1, 1)})
	config := lab.Config(netlab.Service{Port: port, Persistence: "0", Scheduler: "mh", More: "mh-port"})
	dir := shortDir(t)
	first := launch(t, lab, dir, config)
	const n = 40
	conns, readers, servers := make([]net.Conn, n), make([]*bufio.Reader, n), map[string]int{}
	for i := range conns {
		c, err := lab.Clients[0].Dial(t.Context(), "tcp", vipPort(lab))
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		conns[i], readers[i] = c, bufio.NewReader(c)
		server, err := request(c, readers[i])
		if err != nil {
			t.Fatal(err)
		}
		servers[server]++
	}
	if len(servers) != 3 {
		t.Fatalf("served by %v: this test proves nothing", servers)
	}
	first.end(t, unix.SIGTERM)
	second := launch(t, lab, dir, config)
	for i, c := range conns {
		if _, err := request(c, readers[i]); err != nil {
			t.Errorf("connection %d after the restart: %v", i, err)
		}
	}
	st, err := askStatus(t.Context(), second.socket)
	if err != nil || st.Reasons["resumed"] != n || st.Reasons["reset-no-connection"] != 0 {
		t.Errorf("%v; frames %v, want %d resumed and none reset", err, st.Reasons, n)
	}
	second.end(t, unix.SIGTERM)
}
