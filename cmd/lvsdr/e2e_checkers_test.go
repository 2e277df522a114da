package main_test

import (
	"bufio"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/miekg/dns"

	"lvsdr/bench/netns"
)

// A daemon of a real server is something that a check asks about.
type daemon struct {
	check string // its block, with "|" for line ends
	// start starts it on the host, at the port; the function that it returns stops it.
	start func(t *testing.T, h *netns.Host, port int) (stop func())
	want  string // in the reason of the failure
}

// listen listens on all addresses of the host.
func listen(t *testing.T, h *netns.Host, port int) net.Listener {
	t.Helper()
	l, err := h.Listen("tcp", fmt.Sprintf("0.0.0.0:%d", port))
	must(t, err)
	return l
}

// listenPacket is the same for datagrams.
func listenPacket(t *testing.T, h *netns.Host, port int) net.PacketConn {
	t.Helper()
	c, err := h.ListenPacket("udp", fmt.Sprintf("0.0.0.0:%d", port))
	must(t, err)
	return c
}

// startWeb starts a web server, with TLS or without.
func startWeb(tls bool) func(*testing.T, *netns.Host, int) func() {
	return func(t *testing.T, h *netns.Host, port int) func() {
		s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "fine") }))
		_ = s.Listener.Close() // one of this host, which is not wanted
		s.Listener = listen(t, h, port)
		s.Config.ErrorLog = log.New(io.Discard, "", 0) // of connections that are cut at its end
		if tls {
			s.StartTLS()
		} else {
			s.Start()
		}
		return func() { s.CloseClientConnections(); s.Close() }
	}
}

// startMail starts a mail server that says yes to everything.
func startMail(t *testing.T, h *netns.Host, port int) func() {
	l := listen(t, h, port)
	go func() {
		for c, err := l.Accept(); err == nil; c, err = l.Accept() {
			fmt.Fprint(c, "220 mail\r\n")
			for s := bufio.NewScanner(c); s.Scan(); {
				fmt.Fprint(c, "250 yes\r\n")
			}
			c.Close()
		}
	}()
	return func() { l.Close() }
}

// startNames starts a name server that knows no name.
func startNames(t *testing.T, h *netns.Host, port int) func() {
	s := &dns.Server{PacketConn: listenPacket(t, h, port), Handler: dns.HandlerFunc(func(w dns.ResponseWriter, q *dns.Msg) {
		_ = w.WriteMsg(new(dns.Msg).SetReply(q)) // a check that hears nothing says so
	})}
	ended := make(chan struct{})
	go func() { defer close(ended); _ = s.ActivateAndServe() }()
	return func() { s.PacketConn.Close(); <-ended }
}

// startEcho starts a server that sends datagrams back.
func startEcho(t *testing.T, h *netns.Host, port int) func() {
	c := listenPacket(t, h, port)
	go func() {
		buf := make([]byte, 1500)
		for {
			n, from, err := c.ReadFrom(buf)
			if err != nil {
				return
			}
			_, _ = c.WriteTo(buf[:n], from)
		}
	}()
	return func() { c.Close() }
}

// startTCP accepts connections.
func startTCP(t *testing.T, h *netns.Host, port int) func() {
	l := listen(t, h, port)
	go func() {
		for c, err := l.Accept(); err == nil; c, err = l.Accept() {
			c.Close()
		}
	}()
	return func() { l.Close() }
}
