package main_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptrace"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"lvsdr/bench/netlab"
	"lvsdr/control/api"
)

// checked is a real server's text for the quickest health check there is.
const checked = `delay_loop 1
        retry 1
        delay_before_retry 1
        warmup 0
        TCP_CHECK {
            connect_timeout 1
        }`

// A pinned client keeps one connection to one real server.
type pinned struct {
	client *http.Client
	lab    *network
	server string
}

// pin opens connections until one is to the server with this name.
func pin(t *testing.T, lab *network, server string) *pinned {
	t.Helper()
	for range 100 {
		p := &pinned{client: lab.client(t, lab.Clients[0].Addr, keptConnections), lab: lab, server: server}
		if netlab.Get(t.Context(), p.client, url(lab), 1, 1).ByServer[server] == 1 {
			return p
		}
		p.client.CloseIdleConnections()
	}
	t.Fatalf("no connection came to %s", server)
	return nil
}

// trace wants that requests with this context use the one connection.
func (p *pinned) trace(t *testing.T) context.Context {
	return httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{GotConn: func(i httptrace.GotConnInfo) {
		if !i.Reused {
			t.Errorf("the connection to %s was lost", p.server)
		}
	}})
}

// check makes a request on the connection.
func (p *pinned) check(t *testing.T) {
	t.Helper()
	if tally := netlab.Get(p.trace(t), p.client, url(p.lab), 1, 1); tally.ByServer[p.server] != 1 {
		t.Errorf("the open connection to %s: %v, served by %v", p.server, tally.First, tally.ByServer)
	}
}

// An upload is a request on a pinned connection that lasts as long as the test
// wants.
type upload struct {
	p    *pinned
	in   io.Writer // what is written goes to the server
	end  func() error
	sum  func() string // of what was written
	done chan string   // the sum of what was received
}

func (p *pinned) upload(t *testing.T) *upload {
	r, w := io.Pipe()
	sum := sha256.New()
	u := &upload{p: p, in: io.MultiWriter(w, sum), end: w.Close, done: make(chan string, 1),
		sum: func() string { return hex.EncodeToString(sum.Sum(nil)) }}
	ctx := p.trace(t)
	go func() {
		server, got := put(ctx, t, p.client, url(p.lab), r, -1)
		if server != p.server {
			t.Errorf("the upload went to %q, not to %s", server, p.server)
		}
		r.CloseWithError(io.ErrClosedPipe) // an upload that failed must not block write
		u.done <- got
	}()
	return u
}

// write uploads another 4 MiB.
func (u *upload) write(t *testing.T) {
	t.Helper()
	if _, err := io.CopyN(u.in, rand.NewChaCha8([32]byte{7}), 4<<20); err != nil {
		t.Fatalf("upload to %s: %v", u.p.server, err)
	}
}

// finish wants that all was received as it was written.
func (u *upload) finish(t *testing.T) {
	t.Helper()
	if err := u.end(); err != nil {
		t.Fatal(err)
	}
	if got := <-u.done; got != u.sum() {
		t.Errorf("%s received %s, sent was %s", u.p.server, got, u.sum())
	}
}

// awaitServer waits until server i of the first service is as wanted and
// returns it.
func awaitServer(t *testing.T, d *netlab.Director, i int, what string, wanted func(*api.Server) bool) *api.Server {
	t.Helper()
	var s *api.Server
	await(t, fmt.Sprintf("server %d to be %s", i+1, what), func() bool {
		s = &status(t, d).Services[0].Servers[i]
		return wanted(s)
	})
	return s
}

func isUp(s *api.Server) bool   { return s.Up && s.Effective == s.Weight }
func isDown(s *api.Server) bool { return !s.Up && s.Effective == 0 }

// wantServed makes requests and wants them answered by exactly these servers.
func wantServed(t *testing.T, lab *network, names ...string) {
	t.Helper()
	tally := get(t, lab, 30)
	for _, name := range names {
		if tally.ByServer[name] == 0 {
			t.Errorf("%s served nothing", name)
		}
		delete(tally.ByServer, name)
	}
	if len(tally.ByServer) > 0 {
		t.Errorf("%v served as well, not only %v", tally.ByServer, names)
	}
}

func TestAServerThatDiesIsTakenOutAndComesBack(t *testing.T) {
	t.Parallel()
	lab := newLab(t, netlab.Spec{})
	var servers []*netlab.HTTPServer
	listen := fmt.Sprintf("0.0.0.0:%d", port)
	for _, n := range lab.Servers {
		s, err := netlab.StartHTTP(n.Host, listen, n.Name())
		if err != nil {
			t.Fatal(err)
		}
		servers = append(servers, s)
	}
	s := rotating()
	s.Server = checked
	d := direct(t, lab, lab.Config(s))
	for i := range servers {
		awaitServer(t, d, i, "up", isUp)
	}
	wantServed(t, lab, "rs1", "rs2", "rs3")
	up, open := pin(t, lab, "rs2").upload(t), pin(t, lab, "rs3")
	up.write(t)

	if err := servers[0].Stop(); err != nil {
		t.Fatal(err)
	}
	if s := awaitServer(t, d, 0, "down", isDown); !strings.Contains(s.Check, "connection refused") {
		t.Errorf("the status says of a server without a process: %q", s.Check)
	}
	wantServed(t, lab, "rs2", "rs3")
	up.write(t)
	open.check(t)

	if _, err := netlab.StartHTTP(lab.Servers[0].Host, listen, "rs1"); err != nil {
		t.Fatal(err)
	}
	awaitServer(t, d, 0, "up again", isUp)
	wantServed(t, lab, "rs1", "rs2", "rs3")
	up.write(t)
	open.check(t)
	up.finish(t)
	for _, s := range []string{"real server is down", "real server is up"} {
		if !strings.Contains(d.Log.String(), s) {
			t.Errorf("the log does not say %q", s)
		}
	}
}

// A real server that answers ARP for the VIP takes traffic from the director.
func TestAServerThatAnswersARPForTheVIPIsNamed(t *testing.T) {
	t.Parallel()
	lab := newHTTPLab(t, netlab.Spec{})
	rs1 := lab.Servers[0]
	for _, conf := range []string{"all", "lo"} {
		if err := rs1.Sysctl("net.ipv4.conf."+conf+".arp_ignore", "0"); err != nil {
			t.Fatal(err)
		}
	}
	if err := rs1.AddAddr(netlab.Ifname, netip.PrefixFrom(lab.Spec.VIP, 32)); err != nil {
		t.Fatal(err)
	}
	d := direct(t, lab, lab.Config(rotating()))
	want := fmt.Sprintf("real server %s answers ARP for VIP %s: arp_ignore is not 1 on all", rs1.Addr, lab.Spec.VIP)
	await(t, "the log to say "+want, func() bool { return strings.Contains(d.Log.String(), want) })
	for _, other := range lab.Servers[1:] {
		if strings.Contains(d.Log.String(), other.Addr.String()+" answers ARP") {
			t.Errorf("%s is accused as well", other.Name())
		}
	}
}

// A check whose bindto is no address of the host is never made: the server stays
// up, and the status says why nothing is known of it.
func TestACheckThatCannotBeMadeIsSeen(t *testing.T) {
	t.Parallel()
	lab := newHTTPLab(t, netlab.Spec{})
	rs := lab.Servers[0].Addr.String()
	config := strings.TrimSuffix(minimal, "}\n") + "    real_server " + rs + " 8080 {\n        delay_loop 0.2\n        warmup 0\n        TCP_CHECK {\n            bindto 203.0.113.77\n        }\n    }\n}\n"
	d := direct(t, lab, config)
	want := rs + ":8080: the health check cannot be made, and what was known before stays: bindto 203.0.113.77, which is no address of this host: cannot assign requested address"
	await(t, "the status to tell of the check", func() bool {
		st := status(t, d)
		return slices.Contains(st.Problems, want) && st.Services[0].Servers[0].StateText() == "up, check not made"
	})
	if n := strings.Count(d.Log.String(), "check not made\" check="); n != 1 {
		t.Errorf("%d lines of the log about it:\n%s", n, d.Log.String())
	}
}
