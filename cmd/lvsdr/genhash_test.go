package main_test

import (
	"crypto/md5"
	"encoding/hex"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"strings"
	"testing"
)

// TestGenhash compares with keepalived's own genhash, where that is installed.
func TestGenhash(t *testing.T) {
	t.Parallel()
	page := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		name := ""
		if r.TLS != nil {
			name = r.TLS.ServerName
		}
		fmt.Fprintf(w, "%s of %s\n%s", r.URL.Path, name, strings.Repeat("0123456789", 3000))
	})
	plain, secure := httptest.NewServer(page), httptest.NewTLSServer(page)
	t.Cleanup(plain.Close)
	t.Cleanup(secure.Close)
	at := func(s *httptest.Server, args ...string) []string {
		host, port, err := net.SplitHostPort(s.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		return append([]string{"-s", host, "-p", port}, args...)
	}
	theirs, err := exec.LookPath("genhash")
	if err != nil {
		t.Log("keepalived's genhash is not installed: nothing to compare with")
	}
	for _, test := range []struct {
		args []string
		page string // its first line
	}{
		{at(plain, "-u", "/a"), "/a of "},
		{at(plain, "--url", "/b", "--protocol", "1.0c", "-V", "www.example.org"), "/b of "},
		{at(secure, "-S", "-u", "/a"), "/a of "},
		{at(secure, "-S", "-I", "-V", "www.example.org", "-u", "/a"), "/a of www.example.org"},
	} {
		sum := md5.Sum([]byte(test.page + "\n" + strings.Repeat("0123456789", 3000)))
		want := hex.EncodeToString(sum[:]) + "\n"
		if r := verb(t, append([]string{"genhash"}, test.args...)...); r.code != 0 || r.stdout != want || r.stderr != "" {
			t.Errorf("genhash %q: exit code %d, %q, %q; want %q", test.args, r.code, r.stdout, r.stderr, want)
		}
		if theirs == "" {
			continue
		}
		if out, err := exec.Command(theirs, test.args...).Output(); err != nil || string(out) != want {
			t.Errorf("keepalived's genhash %q: %q, %v; want %q", test.args, out, err, want)
		}
	}
	r := verb(t, append([]string{"genhash", "-v"}, at(plain, "-u", "/a")...)...)
	if r.code != 0 || !strings.HasPrefix(r.stderr, "HTTP/1.0 200 OK\r\n") || !strings.Contains(r.stderr, "\r\n\r\n/a of \n0123") {
		t.Errorf("-v: exit code %d, %.200q", r.code, r.stderr)
	}
	plain.Close()
	if r := verb(t, append([]string{"genhash"}, at(plain)...)...); r.code != 1 || !strings.Contains(r.stderr, "connection refused") || r.stdout != "" {
		t.Errorf("no server: %+v", r)
	}
}

func TestGenhashNamesWhatIsWrongWithItsOptions(t *testing.T) {
	t.Parallel()
	for args, want := range map[string]string{
		"":                              "the server is missing",
		"-s www.example.org":            "-s www.example.org: not an IP address",
		"-s 127.0.0.1 -P 2":             "-P 2: none of 1.0, 1.0C, 1.1",
		"-s 127.0.0.1 -t 0":             "-t 0: must be at least 1",
		"-s 127.0.0.1 -p 65536":         "65536",
		"-s 127.0.0.1 -p 80 -u / extra": "extra",
	} {
		if r := verb(t, append([]string{"genhash"}, strings.Fields(args)...)...); r.code != 2 || !strings.Contains(r.stderr, want) {
			t.Errorf("genhash %s: exit code %d, %q; want %q", args, r.code, r.stderr, want)
		}
	}
}
