package check

import (
	"bytes"
	"crypto/md5"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"
)

func TestAnAnswerIsReadUpToItsEnd(t *testing.T) {
	for _, c := range []struct {
		name, in string
		status   int
		body     string
		err      string
	}{
		{"a body up to the end of the stream", "HTTP/1.0 200 OK\r\nServer: x\r\n\r\nhello", 200, "hello", ""},
		{"a body of its Content-Length", "HTTP/1.1 404 Not Found\r\ncontent-LENGTH: 2\r\n\r\nhello", 404, "he", ""},
		{"a body that is shorter than it says", "HTTP/1.0 200 OK\r\nContent-Length: 9\r\n\r\nhello", 200, "hello", ""},
		{"a Content-Length that is none", "HTTP/1.0 200 OK\r\nContent-Length: -1\r\n\r\nhello", 200, "hello", ""},
		{"no body", "HTTP/1.0 204 No Content\r\n\r\n", 204, "", ""},
		{"newlines without carriage returns", "HTTP/1.0 200\n\nx", 200, "x", ""},
		{"chunks count as they are sent", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n", 200, "1\r\nx\r\n0\r\n\r\n", ""},
		{"nothing", "", 0, "", "closed without an answer"},
		{"half a header", "HTTP/1.0 200 OK\r\nServer: x\r\n", 0, "", "closed before the end of the header"},
		{"another protocol", "SSH-2.0-OpenSSH_9.2\r\n\r\n", 0, "", `no answer of HTTP: "SSH-2.0-OpenSSH_9.2"`},
		{"a status that is none", "HTTP/1.0 2000 OK\r\n\r\n", 0, "", `no answer of HTTP: "HTTP/1.0 2000 OK"`},
		{"a wrong line is told in part", "HTTP/1.0 " + strings.Repeat("x", 99) + "\r\n\r\n", 0, "", `no answer of HTTP: "HTTP/1.0 ` + strings.Repeat("x", 31) + `"`},
		{"a header that does not end", "HTTP/1.0 200 OK\r\n" + strings.Repeat("a: b\r\n", maxHeader/6), 0, "", "the header is too long"},
		{"a line that does not end", "HTTP/1.0 200 OK\r\n" + strings.Repeat("a", maxHeader), 0, "", "the header is too long"},
	} {
		for how, r := range map[string]io.Reader{"at once": strings.NewReader(c.in), "byte by byte": iotest.OneByteReader(strings.NewReader(c.in))} {
			a, err := ReadAnswer(r, 1<<20, false)
			if c.err != "" {
				if err == nil || err.Error() != c.err {
					t.Errorf("%s, %s: error %v, want %s", c.name, how, err, c.err)
				}
				continue
			}
			if err != nil || a.Status != c.status || string(a.Body) != c.body || a.Digest != md5.Sum([]byte(c.body)) || a.Length != int64(len(c.body)) {
				t.Errorf("%s, %s: %+v, %v", c.name, how, a, err)
			}
		}
	}
}

func TestAStreamThatBreaksOffIsAnError(t *testing.T) {
	const start = "HTTP/1.0 200 OK\r\n\r\nhello"
	broken := func(err error) io.Reader { return io.MultiReader(strings.NewReader(start), iotest.ErrReader(err)) }
	reset := errors.New("connection reset by peer")
	if _, err := ReadAnswer(broken(reset), 9, true); !errors.Is(err, reset) || err.Error() != "after 5 bytes of the body: connection reset by peer" {
		t.Errorf("a reset: %v", err)
	}
	if a, err := ReadAnswer(broken(io.ErrUnexpectedEOF), 9, true); err != nil || string(a.Body) != "hello" {
		t.Errorf("a TLS stream that just ends: %v", err)
	}
	if _, err := ReadAnswer(broken(io.ErrUnexpectedEOF), 9, false); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("the same, with tls_compliant: %v", err)
	}
	if _, err := ReadAnswer(iotest.ErrReader(reset), 9, true); !errors.Is(err, reset) {
		t.Errorf("a reset before the header: %v", err)
	}
}

func TestOnlySoMuchOfABodyIsKept(t *testing.T) {
	body := strings.Repeat("0123456789", 10_000)
	a, err := ReadAnswer(strings.NewReader("HTTP/1.0 200 OK\r\n\r\n"+body), 15, false)
	if err != nil || string(a.Body) != body[:15] || a.Length != 100_000 || a.Digest != md5.Sum([]byte(body)) {
		t.Errorf("%d bytes kept of %d, %v", len(a.Body), a.Length, err)
	}
}

// FuzzReadAnswer: whatever a server sends, in pieces of any size, the same is read, and what
// is kept is the start of what came behind the header.
func FuzzReadAnswer(f *testing.F) {
	f.Add([]byte("HTTP/1.0 200 OK\r\nContent-Length: 3\r\n\r\nhello"), 9)
	f.Add([]byte("HTTP/1.1 503 x\n\n"), 0)
	f.Add([]byte("\r\n\r\n"), 1)
	f.Fuzz(func(t *testing.T, in []byte, keep int) {
		keep = min(max(keep, 0), 1<<16)
		a, err := ReadAnswer(bytes.NewReader(in), keep, false)
		b, err2 := ReadAnswer(iotest.HalfReader(bytes.NewReader(in)), keep, false)
		if (err == nil) != (err2 == nil) {
			t.Fatalf("%v at once, %v in pieces", err, err2)
		}
		if err != nil {
			return
		}
		if a.Status < 0 || a.Status > 999 || len(a.Header) > maxHeader || len(a.Body) > keep || !bytes.HasPrefix(in[len(a.Header):], a.Body) || !bytes.HasPrefix(in, a.Header) {
			t.Fatalf("%+v of %q", a, in)
		}
		if a.Status != b.Status || a.Digest != b.Digest || a.Length != b.Length || a.Digest != md5.Sum(in[len(a.Header):][:a.Length]) {
			t.Fatalf("%+v at once, %+v in pieces", a, b)
		}
	})
}
