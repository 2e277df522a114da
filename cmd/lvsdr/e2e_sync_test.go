package main_test

import (
	"bufio"
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

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
