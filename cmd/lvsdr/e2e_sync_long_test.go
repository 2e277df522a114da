//go:build long

package main_test

import (
	"bytes"
	"crypto/sha256"
	"io"
	"testing"

	"golang.org/x/sys/unix"

	"lvsdr/bench/netlab"
	"lvsdr/control/api"
)

// Open connections of before and after the second director has joined, a download and an
// upload all go on when the first one is killed: none is reset, none breaks.
func TestOpenConnectionsSurviveTheLossOfADirector(t *testing.T) {
	t.Parallel()
	lab := newHTTPLab(t, netlab.Spec{Servers: weighted(1, 1)})
	config := syncing(lab)
	first := launch(t, lab, shortDir(t), config)
	var all []*openConn
	more := func(n int) {
		for range n {
			c := dialVIP(t, lab)
			must(t, c.ask())
			all = append(all, c)
		}
	}
	n := sized(500, 100, 50)
	more(n)
	second := partner(t, lab, "director2", config)
	await(t, "the second director to have the table of the first", func() bool {
		j := syncOf(t, second.Socket).Join
		return j != nil && j.State == api.SyncDone && established(t, second.Socket) >= n
	})
	more(n)

	half := bytes.Repeat([]byte("0123456789abcdef"), sized(1<<22, 1<<16, 1<<14))
	body := &gate{bytes.NewReader(half), bytes.NewReader(half), make(chan struct{})}
	uploaded := make(chan error, 1)
	go func() { uploaded <- uploadHalves(t, lab, body, sha256.Sum256(append(half, half...))) }()
	down, err := lab.Clients[0].Dial(t.Context(), "tcp", vipPort(lab))
	if err != nil {
		t.Fatal(err)
	}
	defer down.Close()
	if _, err := down.Write([]byte("GET /?bytes=8000000 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")); err != nil {
		t.Fatal(err)
	}
	if _, err := io.CopyN(io.Discard, down, 1<<16); err != nil {
		t.Fatal(err)
	}
	await(t, "the second director to know all connections", func() bool { return established(t, second.Socket) >= 2*n+2 })

	first.end(t, unix.SIGKILL)
	if err := second.Await(t.Context(), func(st *api.Status) bool { return len(st.Problems) == 0 }); err != nil {
		t.Fatalf("the second director does not step in: %v", err)
	}
	broken := 0
	for _, c := range all {
		if err := c.ask(); err != nil {
			if broken++; broken < 4 {
				t.Error(err)
			}
		}
	}
	if broken > 0 {
		t.Errorf("%d of %d open connections are broken", broken, len(all))
	}
	close(body.open)
	if err := <-uploaded; err != nil {
		t.Errorf("the upload: %v", err)
	}
	if rest, err := io.Copy(io.Discard, down); err != nil || rest < 8_000_000-1<<16 {
		t.Errorf("the download: %d bytes more, %v", rest, err)
	}
	if st := status(t, second); st.Reasons["reset-no-connection"] != 0 {
		t.Errorf("%d connections were reset", st.Reasons["reset-no-connection"])
	}
	st := syncOf(t, second.Socket)
	t.Logf("%d connections went on; %d entries at once in %.2f s, %d by messages, %d messages lost", len(all), st.Join.Entries, st.Join.Seconds, st.Received.Entries, st.Peers[0].Lost)
}

// Connections to a real server that the other director's file does not have go on when that one takes over: it asks
// for the server's MAC address.
func TestConnectionsToAServerThatTheOtherDirectorDoesNotHaveGoOn(t *testing.T) {
	t.Parallel()
	lab := newHTTPLab(t, netlab.Spec{Servers: weighted(1, 1)})
	first := launch(t, lab, shortDir(t), syncing(lab))
	var all []*openConn
	for range 10 {
		c := dialVIP(t, lab)
		must(t, c.ask())
		all = append(all, c)
	}
	one := *lab.Lab
	one.Servers = lab.Servers[:1]
	second := partner(t, lab, "director2", syncing(&network{Lab: &one}))
	await(t, "the second director to have the connections", func() bool { return established(t, second.Socket) == len(all) })
	first.end(t, unix.SIGKILL)
	if err := second.Await(t.Context(), func(st *api.Status) bool { return len(st.Problems) == 0 }); err != nil {
		t.Fatalf("the second director does not step in: %v", err)
	}
	for _, c := range all {
		if err := c.ask(); err != nil {
			t.Error(err)
		}
	}
	if st := status(t, second); st.Reasons["no-mac"] != 0 || st.Reasons["reset-no-connection"] != 0 {
		t.Errorf("%d packets found no MAC address, %d connections were reset", st.Reasons["no-mac"], st.Reasons["reset-no-connection"])
	}
}
