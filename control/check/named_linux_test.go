package check

import (
	"bufio"
	"fmt"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"
	"golang.org/x/sys/unix"

	"lvsdr/bench/netns"
	"lvsdr/control/ask"
)

// A mailServer answers each command with the reply of that name; the empty name is the
// greeting.
type mailServer map[string]string

// serve takes connections until the returned function is called; heard gets the commands.
func (m mailServer) serve(h host, at string, heard chan<- string) (stop func()) {
	h.t.Helper()
	l, err := h.Listen("tcp", at)
	must(h.t, err)
	h.t.Cleanup(func() { l.Close() })
	go func() {
		for c, err := l.Accept(); err == nil; c, err = l.Accept() {
			fmt.Fprint(c, m[""])
			for s := bufio.NewScanner(c); s.Scan(); {
				heard <- s.Text()
				verb, _, _ := strings.Cut(s.Text(), " ")
				fmt.Fprint(c, m[verb])
			}
			c.Close()
		}
	}()
	return func() { l.Close() }
}

func TestSMTPProbe(t *testing.T) {
	if !netns.Alone(t) {
		return
	}
	l := newLab(t, false)
	rs := l.rs[0]
	good := mailServer{"": "220-mail\r\n220 ready\r\n", "HELO": "250 hello\r\n", "QUIT": "221 bye\r\n"}
	with := func(verb, reply string) mailServer {
		m := mailServer{"": good[""], "HELO": good["HELO"], "QUIT": good["QUIT"]}
		m[verb] = reply
		return m
	}
	heard := make(chan string, 100)
	probe := func(port int, wait time.Duration) SMTP {
		return SMTP{Peer{Addr: netip.AddrPortFrom(rs.addr, uint16(port))}, &ask.SMTP{Helo: "director.example.org"}, wait}
	}
	for i, c := range []struct {
		name   string
		server mailServer
		want   string // behind "greet ADDR: "; empty: good
	}{
		{"a mail server", good, ""},
		{"one that is full", mailServer{"": "554 no\r\n"}, "the server says 554 to the connection, not 220"},
		{"one that does not like the name", with("HELO", "501 who?\r\n"), "the server says 501 to HELO, not 250"},
		{"what it says to QUIT does not count", with("QUIT", "500 what?\r\n"), ""},
		{"another server", mailServer{"": "SSH-2.0\r\n"}, `no reply of SMTP: "SSH-2.0\r\n"`},
	} {
		p := probe(2500+i, time.Minute)
		stop := c.server.serve(rs, p.Peer.Addr.String(), heard)
		what := "greet " + p.Peer.Addr.String() + ": "
		if err := try(t, p, time.Minute); c.want == "" && err != nil || c.want != "" && (err == nil || err.Error() != what+c.want) {
			t.Errorf("%s: %v, want %s", c.name, err, c.want)
		}
		stop()
	}
	if a, b := <-heard, <-heard; a != "HELO director.example.org" || b != "QUIT" {
		t.Errorf("the first server heard %q and %q", a, b)
	}
	p := probe(2600, time.Minute)
	wantText(t, try(t, p, time.Minute), unix.ECONNREFUSED, "greet 192.168.1.11:2600: connection refused")
	stop := good.serve(rs, p.Peer.Addr.String(), heard)
	must(t, try(t, p, time.Minute)) // it is up again
	stop()
	silent := mailServer{}
	silent.serve(rs, "192.168.1.11:2601", heard)
	wantText(t, try(t, probe(2601, 200*time.Millisecond), time.Minute), os.ErrDeadlineExceeded, "greet 192.168.1.11:2601: no answer: i/o timeout")
}

// serveDNS answers queries with these response codes, one after the other; before each
// answer come datagrams that are none. A code below 0 is no answer.
func (h host) serveDNS(at string, queries chan<- string, codes ...int) (stop func()) {
	h.t.Helper()
	return h.serveUDP(at, func(i int, datagram []byte, reply func([]byte)) {
		var q, r dns.Msg
		if err := q.Unpack(datagram); err != nil {
			return
		}
		queries <- q.Question[0].String()
		reply([]byte("x"))
		reply(datagram) // a query with the same ID
		r.SetRcode(&q, max(codes[i%len(codes)], 0))
		r.Id++
		other, _ := r.Pack()
		reply(other)
		if r.Id--; codes[i%len(codes)] >= 0 {
			answer, _ := r.Pack()
			reply(answer)
		}
	})
}

func TestDNSProbe(t *testing.T) {
	if !netns.Alone(t) {
		return
	}
	l := newLab(t, false)
	rs := l.rs[0]
	p := DNS{Peer{Addr: netip.AddrPortFrom(rs.addr, 53)}, &ask.DNS{Type: "AAAA", Name: "www.example.org"}}
	const what = "ask 192.168.1.11:53 for AAAA of www.example.org: "
	wantText(t, try(t, p, time.Minute), unix.ECONNREFUSED, what+"connection refused")
	queries := make(chan string, 10)
	stop := rs.serveDNS(p.Peer.Addr.String(), queries, dns.RcodeSuccess, dns.RcodeServerFailure, dns.RcodeNameError, -1, dns.RcodeSuccess)
	must(t, try(t, p, time.Minute))
	if q := <-queries; q != ";www.example.org.\tIN\t AAAA" {
		t.Errorf("the server was asked %q", q)
	}
	for _, name := range []string{"SERVFAIL", "NXDOMAIN"} {
		if err := try(t, p, time.Minute); err == nil || err.Error() != what+name {
			t.Errorf("%v, want %s", err, name)
		}
	}
	wantText(t, try(t, p, 200*time.Millisecond), os.ErrDeadlineExceeded, what+"no answer: i/o timeout")
	must(t, try(t, p, time.Minute))
	stop()
	wantText(t, try(t, p, time.Minute), unix.ECONNREFUSED, what+"connection refused")
	root := DNS{p.Peer, &ask.DNS{Type: "SOA", Name: "."}}
	rs.serveDNS(p.Peer.Addr.String(), queries, dns.RcodeSuccess)
	must(t, try(t, root, time.Minute))
}
