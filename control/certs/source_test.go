package certs_test

import (
	"crypto/tls"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"lvsdr/control/certs"
	"lvsdr/control/certs/certtest"
)

// open opens a Source and returns it with what it reports.
func open(t *testing.T, f certs.Files) (*certs.Source, *[]string) {
	t.Helper()
	var told []string
	s, err := certs.Open(f, certs.SyncWords(), func(err error) { told = append(told, err.Error()) })
	if err != nil {
		t.Fatal(err)
	}
	return s, &told
}

func write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// shown is the certificate that a Source has now.
func shown(s *certs.Source) string { return string(s.Pair().Certificate.Certificate[0]) }

func TestFilesThatAreNoGoodAreNamedWithTheirWord(t *testing.T) {
	a := certtest.New(t, "a")
	good, other := a.Files("lb1"), a.Files("lb2")
	open := filepath.Join(t.TempDir(), "open.key")
	write(t, open, "x")
	if err := os.Chmod(open, 0o644); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		law   string
		files certs.Files
		want  string // empty: they are good
	}{
		{"good ones", good, ""},
		{"no authorities", certs.Files{Cert: good.Cert, Key: good.Key}, ""},
		{"no certificate", certs.Files{Cert: "/nowhere", Key: good.Key, CA: good.CA}, "lvsdr_sync_tls_cert: open /nowhere"},
		{"no key", certs.Files{Cert: good.Cert, Key: "/nowhere", CA: good.CA}, "lvsdr_sync_tls_key: open /nowhere"},
		{"no authorities' file", certs.Files{Cert: good.Cert, Key: good.Key, CA: "/nowhere"}, "lvsdr_sync_tls_ca: open /nowhere"},
		{"the key of another", certs.Files{Cert: good.Cert, Key: other.Key, CA: good.CA}, "lvsdr_sync_tls_cert " + good.Cert + " with lvsdr_sync_tls_key " + other.Key},
		{"a key as the authorities", certs.Files{Cert: good.Cert, Key: good.Key, CA: good.Key}, "there is no certificate in it"},
		{"a key for all to read", certs.Files{Cert: good.Cert, Key: open, CA: good.CA}, "has mode 0644"},
		{"a folder as the key", certs.Files{Cert: good.Cert, Key: t.TempDir(), CA: good.CA}, "not a regular file"},
	} {
		_, err := certs.Open(c.files, certs.SyncWords(), nil)
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", c.law, err, c.want)
		}
	}
}

// Between the writing of the two files of a renewed pair the old one is used, and the
// state of each is told of once.
func TestARenewedPairIsUsedWhenItIsWhole(t *testing.T) {
	a := certtest.New(t, "a")
	f := a.Files("lb1")
	s, told := open(t, f)
	first := shown(s)
	key, err := os.ReadFile(f.Key)
	if err != nil {
		t.Fatal(err)
	}
	a.Files("lb1")
	next, err := os.ReadFile(f.Key)
	if err != nil {
		t.Fatal(err)
	}
	write(t, f.Key, string(key)) // its certificate is there already
	for range 3 {
		if shown(s) != first {
			t.Fatal("a certificate without its key is used")
		}
	}
	if len(*told) != 1 || !strings.Contains((*told)[0], "lvsdr_sync_tls_key") {
		t.Errorf("told %q, want one line", *told)
	}
	write(t, f.Key, string(next))
	if shown(s) == first {
		t.Error("the renewed certificate is not used")
	}
	if err := os.Remove(f.Cert); err != nil {
		t.Fatal(err)
	}
	if now := shown(s); now == first || len(*told) != 2 {
		t.Errorf("a file that has gone: told %q", *told)
	}
}

// handshake connects two sides, and returns how each of them takes it.
func handshake(t *testing.T, client, server *certs.Source, now time.Time) (atClient, atServer error) {
	t.Helper()
	wall := func() time.Time { return now }
	clientConfig, err := client.Mutual(wall)
	if err != nil {
		return err, nil
	}
	serverConfig, err := server.Mutual(wall)
	if err != nil {
		return nil, err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	a, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	b, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []net.Conn{a, b} {
		if err := c.SetDeadline(time.Now().Add(time.Minute)); err != nil {
			t.Fatal(err)
		}
	}
	done := make(chan error)
	go func() {
		c := tls.Server(b, serverConfig)
		err := c.Handshake()
		if err == nil {
			_, err = c.Write([]byte("x"))
		}
		b.Close()
		done <- err
	}()
	c := tls.Client(a, clientConfig)
	if err = c.Handshake(); err == nil { // what the other side says of it comes with its first bytes
		_, err = c.Read(make([]byte, 1))
	}
	a.Close()
	return err, <-done
}

func TestBothSidesWantCertificatesOfTheirAuthorities(t *testing.T) {
	ours, others := certtest.New(t, "ours"), certtest.New(t, "others")
	now := time.Now()
	lb1, _ := open(t, ours.Files("lb1"))
	lb2, _ := open(t, ours.Files("lb2"))
	old, _ := open(t, ours.FilesUntil("old", now.Add(-time.Minute)))
	early, _ := open(t, ours.FilesUntil("early", now.Add(3*time.Hour)))
	strange, _ := open(t, others.Files("lb1"))
	bare := ours.Files("bare")
	bare.CA = ""
	alone, _ := open(t, bare)
	cross := ours.Files("cross")
	cross.CA = others.CA() // takes those of others, and is no such one
	crossed, _ := open(t, cross)
	for _, c := range []struct {
		law            string
		client, server *certs.Source
		want           string // in one of both errors; empty: they talk
	}{
		{"two of one authority, whatever their names", lb1, lb2, ""},
		{"one with itself", lb1, lb1, ""},
		{"a server of another authority", lb1, strange, "unknown authority"},
		{"a client of another authority", crossed, strange, "unknown authority"},
		{"the client's has expired", old, lb1, "the certificate of CN=old has expired at"},
		{"the client's is not valid yet", early, lb1, "the certificate of CN=early is not valid before"},
		{"the server's has expired", lb1, old, "the certificate of CN=old has expired at"},
		{"no authorities", alone, lb1, "there are no authorities"},
	} {
		a, b := handshake(t, c.client, c.server, now)
		err := errors.Join(a, b)
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", c.law, err, c.want)
		}
	}
}

// A certificate that expires while a director runs is told of with its file.
func TestACertificateIsValidForItsTime(t *testing.T) {
	end := time.Now().Add(time.Hour).Truncate(time.Second)
	f := certtest.New(t, "a").FilesUntil("lb1", end)
	s, _ := open(t, f)
	for _, c := range []struct {
		at    time.Time
		valid bool
	}{{end.Add(-2*time.Hour - time.Second), false}, {end.Add(-2 * time.Hour), true}, {end, true}, {end.Add(time.Second), false}} {
		if err := s.Pair().Valid(c.at); (err == nil) != c.valid || err != nil && !strings.Contains(err.Error(), f.Cert) {
			t.Errorf("at %v: %v", c.at.Sub(end), err)
		}
	}
}
