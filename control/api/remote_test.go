package api_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"lvsdr/control/api"
	"lvsdr/control/certs/certtest"
)

const goodToken = "0123456789abcdef"

// pair are the files of a certificate and its key.
func pair(a *certtest.Authority, name string) (cert, key string) {
	f := a.Files(name)
	return f.Cert, f.Key
}

// tokenFile is a file with text and mode.
func tokenFile(t *testing.T, text string, mode os.FileMode) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(name, mode); err != nil {
		t.Fatal(err)
	}
	return name
}

// A listener that would let everybody in, or show its token, is refused, with what to
// do.
func TestAnOpenListenerIsRefused(t *testing.T) {
	for _, c := range []struct {
		r    api.Remote
		want string // part of the error; empty: it is good
	}{
		{api.Remote{}, ""},
		{api.Remote{TokenFile: "t"}, "need --api-listen"},
		{api.Remote{Cert: "c", Key: "k"}, "need --api-listen"},
		{api.Remote{Listen: "127.0.0.1:1"}, "give --api-client-ca or --api-token-file"},
		{api.Remote{Listen: "192.0.2.1:1", Cert: "c", Key: "k"}, "every host could change the director"},
		{api.Remote{Listen: ":8443", TokenFile: "t"}, "want an IP address and a port"},
		{api.Remote{Listen: "host:8443", TokenFile: "t"}, "want an IP address and a port"},
		{api.Remote{Listen: "127.0.0.1:1", TokenFile: "t"}, ""},
		{api.Remote{Listen: "[::1]:1", TokenFile: "t"}, ""},
		{api.Remote{Listen: "0.0.0.0:1", TokenFile: "t"}, "the network could read the token"},
		{api.Remote{Listen: "192.0.2.1:1", TokenFile: "t"}, "the network could read the token"},
		{api.Remote{Listen: "192.0.2.1:1", TokenFile: "t", Cert: "c"}, "belong together"},
		{api.Remote{Listen: "192.0.2.1:1", TokenFile: "t", Key: "k"}, "belong together"},
		{api.Remote{Listen: "192.0.2.1:1", TokenFile: "t", Cert: "c", Key: "k"}, ""},
		{api.Remote{Listen: "127.0.0.1:1", ClientCA: "a"}, "needs TLS"},
		{api.Remote{Listen: "192.0.2.1:1", ClientCA: "a", Cert: "c", Key: "k"}, ""},
	} {
		err := c.r.Check()
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: %v, want %q", c.r, err, c.want)
		}
	}
}

// Files that others may read, or that hold nothing usable, are refused by name.
func TestSecretsThatOthersMayReadAreRefused(t *testing.T) {
	a := certtest.New(t, "ours")
	cert, key := pair(a, "server")
	open := filepath.Join(t.TempDir(), "open.key")
	text, err := os.ReadFile(key)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(open, text, 0o644); err != nil {
		t.Fatal(err)
	}
	fifo := filepath.Join(t.TempDir(), "fifo")
	if err := unix.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	const at = "127.0.0.1:0"
	for _, c := range []struct {
		r    api.Remote
		want string
	}{
		{api.Remote{Listen: at, TokenFile: tokenFile(t, goodToken+"\n", 0o600)}, ""},
		{api.Remote{Listen: at, TokenFile: tokenFile(t, goodToken, 0o400)}, ""},
		{api.Remote{Listen: at, TokenFile: tokenFile(t, goodToken, 0o640)}, "has mode 0640"},
		{api.Remote{Listen: at, TokenFile: tokenFile(t, goodToken, 0o604)}, "chmod 600"},
		{api.Remote{Listen: at, TokenFile: tokenFile(t, goodToken, 0o620)}, "other users"},
		{api.Remote{Listen: at, TokenFile: tokenFile(t, "short", 0o600)}, "16 to 4096 characters"},
		{api.Remote{Listen: at, TokenFile: tokenFile(t, "", 0o600)}, "16 to 4096 characters"},
		{api.Remote{Listen: at, TokenFile: tokenFile(t, "two words of a kind", 0o600)}, "one word"},
		{api.Remote{Listen: at, TokenFile: tokenFile(t, strings.Repeat("x", 5000), 0o600)}, "16 to 4096 characters"},
		{api.Remote{Listen: at, TokenFile: "/nowhere/token"}, "no such file"},
		{api.Remote{Listen: at, TokenFile: t.TempDir()}, "not a regular file"},
		{api.Remote{Listen: at, TokenFile: fifo}, "not a regular file"},
		{api.Remote{Listen: at, ClientCA: a.CA(), Cert: cert, Key: key}, ""},
		{api.Remote{Listen: at, ClientCA: a.CA(), Cert: cert, Key: open}, "has mode 0644"},
		{api.Remote{Listen: at, ClientCA: a.CA(), Cert: key, Key: key}, "with --api-key"},
		{api.Remote{Listen: at, ClientCA: a.CA(), Cert: "/nowhere", Key: key}, "--api-cert"},
		{api.Remote{Listen: at, ClientCA: key, Cert: cert, Key: key}, "no certificate in it"},
		{api.Remote{Listen: at, ClientCA: "/nowhere", Cert: cert, Key: key}, "--api-client-ca"},
		{api.Remote{Listen: "203.0.113.1:1", ClientCA: a.CA(), Cert: cert, Key: key}, "--api-listen 203.0.113.1:1"},
	} {
		l, err := api.OpenRemote(&c.r, nil)
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: %v, want %q", c.r, err, c.want)
		}
		if err == nil {
			l.Close()
		}
	}
}

// remote serves r until the test ends, and returns its address.
func remote(t *testing.T, r api.Remote) string {
	t.Helper()
	r.Listen = "127.0.0.1:0"
	l, err := api.OpenRemote(&r, func(err error) { t.Log(err) })
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error)
	go func() { done <- l.Serve(ctx, api.Backend{Viewer: &viewer{Version: "1"}, Admin: &admin{}}) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return l.Addr()
}

// Without the token nothing is answered but that it is wanted, whatever is asked.
func TestTheTokenIsWantedForEverything(t *testing.T) {
	at := remote(t, api.Remote{TokenFile: tokenFile(t, goodToken+"\n", 0o600)})
	for _, route := range append(api.Routes(), "GET /nowhere") {
		method, path, _ := strings.Cut(route, " ")
		for _, c := range []struct {
			header string
			in     bool
		}{{"", false}, {"Bearer", false}, {"Bearer ", false}, {"Bearer x" + goodToken, false}, {"Bearer " + goodToken[1:], false}, {"Basic " + goodToken, false},
			{goodToken, false}, {"Bearer  " + goodToken, false}, {"Bearer " + goodToken, true}, {"bearer " + goodToken, true}} {
			if c.in && (strings.Contains(path, "events") || strings.Contains(path, "trace")) {
				continue
			}
			req, err := http.NewRequestWithContext(t.Context(), method, "http://"+at+path, nil)
			if err != nil {
				t.Fatal(err)
			}
			req.Header.Set("Authorization", c.header)
			resp, err := http.DefaultClient.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			text, err := io.ReadAll(resp.Body)
			resp.Body.Close()
			refused := resp.StatusCode == http.StatusUnauthorized && strings.Contains(string(text), `"code":"token"`) && resp.Header.Get("WWW-Authenticate") == "Bearer"
			if refused == c.in || err != nil {
				t.Fatalf("%s with %q: %s %s, %v", route, c.header, resp.Status, text, err)
			}
		}
	}
}

// Only clients with a certificate of the authority are let in; with a token wanted
// besides, they need that too.
func TestClientCertificatesAreWanted(t *testing.T) {
	ours, others := certtest.New(t, "ours"), certtest.New(t, "others")
	cert, key := pair(ours, "server")
	load := func(a *certtest.Authority, name string) []tls.Certificate {
		c, k := pair(a, name)
		pair, err := tls.LoadX509KeyPair(c, k)
		if err != nil {
			t.Fatal(err)
		}
		return []tls.Certificate{pair}
	}
	good, bad := load(ours, "client"), load(others, "client")
	roots := x509.NewCertPool()
	text, err := os.ReadFile(ours.CA())
	if err != nil || !roots.AppendCertsFromPEM(text) {
		t.Fatal(err)
	}
	plain := remote(t, api.Remote{ClientCA: ours.CA(), Cert: cert, Key: key})
	both := remote(t, api.Remote{ClientCA: ours.CA(), Cert: cert, Key: key, TokenFile: tokenFile(t, goodToken, 0o600)})
	tokenOnly := remote(t, api.Remote{Cert: cert, Key: key, TokenFile: tokenFile(t, goodToken, 0o600)})
	for _, c := range []struct {
		law, at string
		certs   []tls.Certificate
		token   string
		most    uint16 // version of TLS
		status  int    // 0: no answer
	}{
		{"a client of ours", plain, good, "", 0, 200},
		{"a client of others", plain, bad, "", 0, 0},
		{"a client without a certificate", plain, nil, "", 0, 0},
		{"an old version of TLS", plain, good, "", tls.VersionTLS11, 0},
		{"a certificate without the token", both, good, "", 0, 401},
		{"a token without the certificate", both, nil, goodToken, 0, 0},
		{"both", both, good, goodToken, 0, 200},
		{"a token alone is enough where no certificate is wanted", tokenOnly, nil, goodToken, 0, 200},
		{"no token", tokenOnly, good, "", 0, 401},
	} {
		h := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, Certificates: c.certs, MaxVersion: c.most}}}
		req, err := http.NewRequestWithContext(t.Context(), "GET", "https://"+c.at+"/v1/status", nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+c.token)
		resp, err := h.Do(req)
		got := 0
		if err == nil {
			got = resp.StatusCode
			resp.Body.Close()
		}
		if got != c.status {
			t.Errorf("%s: status %d, %v, want %d", c.law, got, err, c.status)
		}
		h.CloseIdleConnections()
	}
	if resp, err := http.Get("http://" + plain + "/v1/status"); err == nil && resp.StatusCode == 200 { //nolint:noctx // a client without TLS
		t.Error("without TLS there is an answer")
	}
}

// The socket lets in its user and group alone.
func TestOtherUsersCannotUseTheSocket(t *testing.T) {
	dir, err := os.MkdirTemp("", "sock-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	socket := filepath.Join(dir, "s")
	serveAt(t, socket, api.Backend{Viewer: &viewer{Version: "1"}})
	info, err := os.Stat(socket)
	if err != nil || info.Mode().Perm() != 0o660 {
		t.Fatalf("%v, %v", info.Mode(), err)
	}
	if os.Geteuid() != 0 {
		return // another user cannot be tried
	}
	for _, c := range []struct {
		uid, gid uint32
		in       bool
	}{{65534, 65534, false}, {65534, uint32(os.Getegid()), true}, {0, 65534, true}} {
		cmd := exec.CommandContext(t.Context(), "curl", "-sS", "--unix-socket", socket, "http://lvsdr/v1/status")
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: c.uid, Gid: c.gid}}
		out, err := cmd.CombinedOutput()
		if strings.Contains(string(out), `"version":"1"`) != c.in {
			t.Errorf("user %d, group %d: %v %s", c.uid, c.gid, err, out)
		}
	}
}

// A certificate that was renewed is shown from the next connection on, and authorities
// that were renewed let their clients in; what is no good changes nothing.
func TestRenewedFilesAreTakenWithoutARestart(t *testing.T) {
	ours, next := certtest.New(t, "ours"), certtest.New(t, "next")
	f := ours.Files("server")
	at := remote(t, api.Remote{ClientCA: f.CA, Cert: f.Cert, Key: f.Key})
	shown := func(by *certtest.Authority) (serial string, err error) {
		t.Helper()
		cert, key := pair(by, "client")
		own, err := tls.LoadX509KeyPair(cert, key)
		if err != nil {
			t.Fatal(err)
		}
		c, err := tls.Dial("tcp", at, &tls.Config{Certificates: []tls.Certificate{own}, InsecureSkipVerify: true, MaxVersion: tls.VersionTLS12})
		if err != nil {
			return "", err
		}
		defer c.Close()
		return string(c.ConnectionState().PeerCertificates[0].Signature), nil
	}
	first, err := shown(ours)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(f.Cert, []byte("no certificate"), 0o600); err != nil {
		t.Fatal(err)
	}
	if again, err := shown(ours); err != nil || again != first {
		t.Errorf("with a file that is no good another certificate is shown: %v", err)
	}
	ours.Files("server")
	if renewed, err := shown(ours); err != nil || renewed == first {
		t.Errorf("the old certificate is shown: %v", err)
	}
	if _, err := shown(next); err == nil {
		t.Error("a client of another authority is let in")
	}
	text, err := os.ReadFile(next.CA())
	if err == nil {
		err = os.WriteFile(f.CA, text, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	if _, err := shown(next); err != nil {
		t.Errorf("a client of the new authority: %v", err)
	}
}
