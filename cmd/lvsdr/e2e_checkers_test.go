package main_test

import (
	"bufio"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/miekg/dns"

	"lvsdr/bench/netlab"
	"lvsdr/bench/netns"
	"lvsdr/control/api"
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

// A real server with one check of each kind goes down with each of the daemons that they ask, one
// after the other, and is up again with it.
func TestEachKindOfCheckTakesItsServerOutAndBack(t *testing.T) {
	t.Parallel()
	lab := newHTTPLab(t, netlab.Spec{Servers: weighted(1, 1)})
	dir := shortDir(t)
	number, code := filepath.Join(dir, "number"), verdict(filepath.Join(dir, "code"))
	host := lab.Servers[0].Host
	daemons := []daemon{
		{"TCP_CHECK {|connect_port PORT|", startTCP, "connection refused"},
		{"HTTP_GET {|connect_port PORT|url {|path /|status_code 200|regex ^fine|}|", startWeb(false), "connection refused"},
		{"SSL_GET {|connect_port PORT|url {|path /|digest 9fba564e229a2c83496c7ee12d96bb64|}|", startWeb(true), "connection refused"},
		{"SMTP_CHECK {|connect_port PORT|", startMail, "connection refused"},
		{"DNS_CHECK {|connect_port PORT|connect_timeout 1|", startNames, "connection refused"},
		{"UDP_CHECK {|connect_port PORT|payload 0102|require_reply 0102|", startEcho, "connection refused"},
		{"MISC_CHECK {|" + code.check(""), func(t *testing.T, _ *netns.Host, _ int) func() {
			code.set(t, 0)
			return func() { code.set(t, 3) }
		}, "exit code 3"},
		{"FILE_CHECK {|track_file number|weight 0|", func(t *testing.T, _ *netns.Host, _ int) func() {
			must(t, os.WriteFile(number, []byte("0"), 0o600))
			return func() { must(t, os.WriteFile(number, []byte("5"), 0o600)) }
		}, "says 5"},
		{"PING_CHECK {|connect_timeout 1|", func(t *testing.T, h *netns.Host, _ int) func() {
			must(t, h.Sysctl("net.ipv4.icmp_echo_ignore_all", "0"))
			return func() { must(t, h.Sysctl("net.ipv4.icmp_echo_ignore_all", "1")) }
		}, "no answer"},
	}
	const first = 9100
	var checks strings.Builder
	stops := make([]func(), len(daemons))
	for i, d := range daemons {
		stops[i] = d.start(t, host, first+i)
		checks.WriteString(strings.NewReplacer("PORT", fmt.Sprint(first+i), "|", "\n").Replace(d.check) + "}\n")
	}
	t.Cleanup(func() {
		for _, stop := range stops {
			stop()
		}
	})
	config := fmt.Sprintf("track_file number {\nfile %s\n}\nvirtual_server %s %d {\nlb_algo wrr\nlb_kind DR\nprotocol TCP\npersistence_timeout 0\n"+
		"delay_loop 0.1\nwarmup 0\nretry 1\ndelay_before_retry 0.1\nreal_server %s %d {\n%s}\nreal_server %s %d {\n}\n}\n",
		number, lab.Spec.VIP, port, lab.Servers[0].Addr, port, &checks, lab.Servers[1].Addr, port)
	d := direct(t, lab, config)
	awaitServer(t, d, 0, "up", isUp)
	for i, dm := range daemons {
		kind, _, _ := strings.Cut(dm.check, " ")
		stops[i]()
		down := awaitServer(t, d, 0, "down by "+kind, isDown)
		if text := fmt.Sprintf("%+v", *down); !strings.Contains(text, dm.want) {
			t.Errorf("%s: it is down without %q: %s", kind, dm.want, text)
		}
		stops[i] = dm.start(t, host, first+i)
		awaitServer(t, d, 0, "up by "+kind, func(s *api.Server) bool { return isUp(s) })
	}
	wantServed(t, lab, "rs1", "rs2")
}
