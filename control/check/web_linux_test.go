package check

import (
	"context"
	"crypto/md5"
	"encoding/hex"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"lvsdr/bench/netns"
	"lvsdr/control/ask"
)

// nginxConf serves one page in clear and over TLS, with another for those who name a host,
// and one whose status is 503. The TLS stream of a page is closed as it should be.
const nginxConf = `daemon off; master_process off; user root; pid %[1]s/pid; error_log stderr;
events { worker_connections 64; }
http {
  access_log off; client_body_temp_path %[1]s; proxy_temp_path %[1]s; fastcgi_temp_path %[1]s; uwsgi_temp_path %[1]s; scgi_temp_path %[1]s;
  ssl_certificate %[1]s/cert.pem; ssl_certificate_key %[1]s/key.pem;
  server { listen %[2]s:8080 default_server; listen %[2]s:8443 ssl default_server;
    location = / { return 200 "plain\n"; } location = /sick { return 503; } location = /moved { return 302 /; } }
  server { listen %[2]s:8080; listen %[2]s:8443 ssl; server_name www.example.org;
    location = / { return 200 "$http_host $server_protocol $ssl_server_name\n"; } }
}
`

// startNginx runs nginx on the host and waits until it answers.
func (l *lab) startNginx(h host, dir string) *netns.Cmd {
	l.t.Helper()
	cmd := h.Command(l.t.Context(), "nginx", "-p", dir, "-c", filepath.Join(dir, "nginx.conf"))
	var out strings.Builder
	cmd.Stderr = &out
	must(l.t, cmd.Start())
	for err := error(unix.ECONNREFUSED); err != nil; {
		if err = try(l.t, TCP{Addr: netip.AddrPortFrom(h.addr, 8443)}, time.Minute); err != nil && out.Len() > 0 {
			l.t.Fatalf("nginx: %v: %s", err, out.String())
		}
	}
	return cmd
}

// nginxDir is a folder with a configuration and a certificate, which is out of date and of
// another name, as checks do not care.
func nginxDir(t *testing.T, addr netip.Addr) string {
	t.Helper()
	dir := t.TempDir()
	out, err := exec.Command("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "1",
		"-subj", "/CN=elsewhere", "-keyout", filepath.Join(dir, "key.pem"), "-out", filepath.Join(dir, "cert.pem")).CombinedOutput()
	if err != nil {
		t.Fatalf("openssl: %v: %s", err, out)
	}
	must(t, os.WriteFile(filepath.Join(dir, "nginx.conf"), fmt.Appendf(nil, nginxConf, dir, addr), 0o644))
	return dir
}

// get is the probe of one page of the server at port.
func get(h host, port uint16, change func(*ask.HTTP)) *HTTP {
	q := &ask.HTTP{Pages: []ask.Page{{Path: "/", Codes: ask.DefaultCodes()}}}
	if change != nil {
		change(q)
	}
	return NewHTTP(Peer{Addr: netip.AddrPortFrom(h.addr, port)}, q, time.Minute)
}

func TestHTTPProbeAgainstNginx(t *testing.T) {
	if !netns.Alone(t) {
		return
	}
	l := newLab(t, false)
	rs := l.rs[0]
	dir := nginxDir(t, rs.addr)
	server := l.startNginx(rs, dir)
	md5Of := func(s string) string { sum := md5.Sum([]byte(s)); return hex.EncodeToString(sum[:]) }
	ok := func(h *ask.HTTP) { h.Pages[0].Codes = ask.DefaultCodes() }
	for _, c := range []struct {
		name   string
		port   uint16
		change func(*ask.HTTP)
		want   string // what the error says behind "GET PATH at ADDR: "; empty: good
	}{
		{"a page", 8080, ok, ""},
		{"a page over TLS", 8443, func(h *ask.HTTP) { h.TLS, h.Strict = true, true }, ""},
		{"its digest", 8080, func(h *ask.HTTP) { h.Pages[0].Digest = md5Of("plain\n") }, ""},
		{"another digest", 8080, func(h *ask.HTTP) { h.Pages[0].Digest = md5Of("PLAIN\n") },
			"the MD5 digest of the body is " + md5Of("plain\n") + ", not " + md5Of("PLAIN\n")},
		{"a status that is bad", 8080, func(h *ask.HTTP) { h.Pages[0].Path = "/sick" }, "status 503, not 200-299"},
		{"a status that is good", 8080, func(h *ask.HTTP) {
			h.Pages[0].Path = "/moved"
			must(t, h.Pages[0].Codes.Add("301-302"))
		}, ""},
		{"a page that is not there", 8080, func(h *ask.HTTP) { h.Pages[0].Path = "/nowhere" }, "status 404, not 200-299"},
		{"the address as host", 8080, func(h *ask.HTTP) { h.Version, h.Pages[0].Regex.Pattern = ask.HTTP11, "^plain$" }, ""},
		{"a host", 8080, func(h *ask.HTTP) {
			h.Pages[0].Host, h.Pages[0].Regex.Pattern = "www.example.org", "^www.example.org HTTP/1.0 \n$"
		}, ""},
		{"a host, with version 1.1", 8080, func(h *ask.HTTP) {
			h.Version, h.Pages[0].Host, h.Pages[0].Regex.Pattern = ask.HTTP11, "www.example.org", "HTTP/1.1"
		}, ""},
		{"a host without SNI", 8443, func(h *ask.HTTP) {
			h.TLS, h.Pages[0].Host, h.Pages[0].Regex.Pattern = true, "www.example.org", "^www.example.org HTTP/1.0 $"
		}, ""},
		{"a host with SNI", 8443, func(h *ask.HTTP) {
			h.TLS, h.SNI, h.Pages[0].Host, h.Pages[0].Regex.Pattern = true, true, "www.example.org", "^www.example.org HTTP/1.0 www.example.org$"
		}, ""},
		{"another name in SNI", 8443, func(h *ask.HTTP) {
			h.TLS, h.SNIName, h.Pages[0].Host, h.Pages[0].Regex.Pattern = true, "a.example.org", "www.example.org", "a.example.org$"
		}, ""},
		{"a body that does not match", 8080, func(h *ask.HTTP) { h.Pages[0].Regex.Pattern = "^OK$" }, `the body does not match "^OK$"`},
		{"a body that must not match", 8080, func(h *ask.HTTP) { h.Pages[0].Regex = ask.Regex{Pattern: "plain", NoMatch: true} }, `the body matches "plain"`},
		{"TLS where there is none", 8080, func(h *ask.HTTP) { h.TLS = true }, "TLS handshake: tls: first record does not look like a TLS handshake"},
		{"none where there is TLS", 8443, ok, "status 400, not 200-299"},
	} {
		p := get(rs, c.port, c.change)
		what := fmt.Sprintf("GET %s at %s:%d: ", p.ask.Pages[0].Path, rs.addr, c.port)
		if err := try(t, p, time.Minute); c.want == "" && err != nil || c.want != "" && (err == nil || err.Error() != what+c.want) {
			t.Errorf("%s: %v, want %s", c.name, err, c.want)
		}
	}
	must(t, server.Kill())
	_ = server.Wait()
	wantText(t, try(t, get(rs, 8080, nil), time.Minute), unix.ECONNREFUSED, "GET / at 192.168.1.11:8080: connection refused")
	l.startNginx(rs, dir)
	must(t, try(t, get(rs, 8080, nil), time.Minute))
}

// A server that accepts and is silent, or sends for ever, is bad when its time is over.
func TestHTTPProbeWaitsOnlySoLong(t *testing.T) {
	if !netns.Alone(t) {
		return
	}
	l := newLab(t, false)
	rs := l.rs[0]
	listener, err := rs.Listen("tcp", netip.AddrPortFrom(rs.addr, 80).String())
	must(t, err)
	t.Cleanup(func() { listener.Close() })
	endless := make(chan bool, 10)
	go func() {
		for c, err := listener.Accept(); err == nil; c, err = listener.Accept() {
			go func() {
				defer c.Close()
				if _, err := c.Read(make([]byte, 1000)); err != nil || !<-endless {
					_, _ = c.Read(make([]byte, 1)) // until the probe gives up
					return
				}
				fmt.Fprint(c, "HTTP/1.0 200 OK\r\n\r\n")
				for written := 1; written > 0; {
					written, _ = c.Write(make([]byte, 1000))
				}
			}()
		}
	}()
	p := get(rs, 80, nil)
	const silent = "GET / at 192.168.1.11:80: no answer: i/o timeout"
	endless <- false
	p.wait = 200 * time.Millisecond
	wantText(t, try(t, p, time.Minute), os.ErrDeadlineExceeded, silent)
	endless <- true
	p.wait = time.Minute
	wantText(t, try(t, p, 200*time.Millisecond), os.ErrDeadlineExceeded, silent)
	endless <- true
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	wantText(t, p.Check(ctx).Err, context.Canceled, "GET / at 192.168.1.11:80: context canceled")
}
