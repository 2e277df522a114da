package main_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"lvsdr/bench/netlab"
	"lvsdr/control/api"
)

// syncing is a file with connection sync, of a lab with one network.
func syncing(lab *network) string {
	return "global_defs {\n    lvs_sync_daemon eth0 id 7\n    lvsdr_sync_secret \"shared by both\"\n}\n" + lab.Config(rotating())
}

// partner starts a second director with the same file, which waits.
func partner(t *testing.T, lab *network, name, config string) *netlab.Director {
	t.Helper()
	n, err := lab.AddDirector(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	d, err := netlab.StartDirector(context.WithoutCancel(t.Context()), n.Host, binary(), config, netlab.SmallTable)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.Stop(); err != nil {
			t.Errorf("%s ended badly: %v", name, err)
		}
		if t.Failed() {
			t.Logf("%s wrote:\n%s", name, d.Log.String())
		}
	})
	return d
}

// syncOf is how connection sync of a director stands.
func syncOf(t *testing.T, socket string) *api.Sync {
	t.Helper()
	c := api.NewClient(socket)
	defer c.Close()
	st, err := c.Sync(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return st
}

// established is how many connections are established at a director.
func established(t *testing.T, socket string) (n int) {
	t.Helper()
	c := api.NewClient(socket)
	defer c.Close()
	for one, err := range c.Conns(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		if one.State == "ESTABLISHED" {
			n++
		}
	}
	return n
}

// An openConn is a connection of a client that stays open.
type openConn struct {
	net.Conn
	*bufio.Reader
}

// dialVIP opens a connection to the service; it is closed with the test at the latest.
func dialVIP(t *testing.T, lab *network) *openConn {
	t.Helper()
	c, err := lab.Clients[0].Dial(t.Context(), "tcp", vipPort(lab))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return &openConn{c, bufio.NewReader(c)}
}

// ask asks once more.
func (c *openConn) ask() error {
	if _, err := c.Conn.Write([]byte("GET / HTTP/1.1\r\nHost: x\r\n\r\n")); err != nil {
		return err
	}
	answer, err := http.ReadResponse(c.Reader, nil)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	_, err = io.Copy(io.Discard, answer.Body)
	return err
}

// A gate lets the second half of a body through when it is opened.
type gate struct {
	first, second io.Reader
	open          chan struct{}
}

func (g *gate) Read(b []byte) (int, error) {
	if n, err := g.first.Read(b); err == nil {
		return n, nil
	}
	<-g.open
	return g.second.Read(b)
}

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

// uploadHalves posts a body, whose sum the server must answer.
func uploadHalves(t *testing.T, lab *network, body io.Reader, sum [sha256.Size]byte) error {
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url(lab), body)
	if err != nil {
		return err
	}
	answer, err := lab.client(t, lab.Clients[0].Addr, true).Do(request)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	got, err := io.ReadAll(answer.Body)
	if err == nil && strings.TrimSpace(string(got)) != fmt.Sprintf("%x", sum) {
		err = fmt.Errorf("the server got another body: %s", got)
	}
	return err
}

// `lvsdr sync status` says how it stands, in words and as JSON.
func TestSyncStatusOfARunningDirector(t *testing.T) {
	t.Parallel()
	lab := newHTTPLab(t, netlab.Spec{Servers: weighted(1)})
	d := direct(t, lab, syncing(lab))
	await(t, "the daemons", func() bool { return len(syncOf(t, d.Socket).Daemons) == 2 })
	r := verb(t, "sync", "status", "--socket", d.Socket)
	for _, want := range []string{"master on eth0, syncid 7, group 224.0.0.81, port 8848", "backup on eth0", "no director was heard"} {
		if !strings.Contains(r.stdout, want) {
			t.Errorf("%q is missing in\n%s", want, r.stdout)
		}
	}
	if r := verb(t, "sync", "status", "--socket", d.Socket, "--json"); !strings.Contains(r.stdout, `"role": "master"`) && !strings.Contains(r.stdout, `"role":"master"`) {
		t.Errorf("as JSON:\n%s", r.stdout)
	}
	if r := verb(t, "ipvsadm", "--socket", d.Socket, "-L", "--daemon"); !strings.Contains(r.stdout, "master sync daemon (mcast=eth0, syncid=7, maxlen=1472, group=224.0.0.81, port=8848, ttl=1)\n") {
		t.Errorf("ipvsadm lists\n%s%s", r.stdout, r.stderr)
	}
}
