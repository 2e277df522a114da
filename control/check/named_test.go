package check

import (
	"bufio"
	"bytes"
	"errors"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/miekg/dns"
)

func TestReadReply(t *testing.T) {
	for _, c := range []struct {
		name, in string
		code     int
		rest     string
		err      string
	}{
		{"one line", "220 hello\r\nmore", 220, "more", ""},
		{"several lines", "250-a\r\n250-b\r\n250 c\r\n", 250, "", ""},
		{"a code alone", "221\n", 221, "", ""},
		{"nothing", "", 0, "", "closed without a reply"},
		{"half a line", "220 hel", 0, "", "closed without a reply"},
		{"another protocol", "SSH-2.0\r\n", 0, "", `no reply of SMTP: "SSH-2.0\r\n"`},
		{"an empty line", "\n", 0, "", `no reply of SMTP: "\n"`},
		{"a line without end", strings.Repeat("2", 1<<13), 0, "", "a line of the reply is too long"},
		{"lines without end", strings.Repeat("250-\n", 1<<8), 0, "", "the reply has too many lines"},
	} {
		r := bufio.NewReader(strings.NewReader(c.in))
		code, err := readReply(r)
		if c.err != "" {
			if err == nil || err.Error() != c.err {
				t.Errorf("%s: %v, want %s", c.name, err, c.err)
			}
			continue
		}
		rest := make([]byte, r.Buffered())
		_, _ = r.Read(rest)
		if code != c.code || err != nil || string(rest) != c.rest {
			t.Errorf("%s: %d, %v, left is %q", c.name, code, err, rest)
		}
	}
	reset := errors.New("connection reset by peer")
	if _, err := readReply(bufio.NewReader(iotest.ErrReader(reset))); err != reset {
		t.Errorf("a reset: %v", err)
	}
}

// FuzzReadReply: whatever a mail server sends, a reply is a code of three digits that stand
// in its last line, and pieces change nothing.
func FuzzReadReply(f *testing.F) {
	for _, s := range []string{"220 x\r\n", "250-a\n250 b\n", "2", "\n", "25\n", "999-"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		code, err := readReply(bufio.NewReader(bytes.NewReader(in)))
		again, err2 := readReply(bufio.NewReader(iotest.OneByteReader(bytes.NewReader(in))))
		if code != again || (err == nil) != (err2 == nil) {
			t.Fatalf("%d, %v at once; %d, %v in pieces", code, err, again, err2)
		}
		if code < 0 || code > 999 || err != nil && code != 0 {
			t.Fatalf("%d, %v", code, err)
		}
	})
}

func TestResponseCode(t *testing.T) {
	response := new(dns.Msg)
	response.Id, response.Response, response.Rcode = 0x1234, true, dns.RcodeNameError
	text, err := response.Pack()
	must(t, err)
	query := new(dns.Msg).SetQuestion(".", dns.TypeSOA)
	query.Id = 0x1234
	question, err := query.Pack()
	must(t, err)
	for _, c := range []struct {
		name string
		in   []byte
		id   uint16
		code int
		ok   bool
	}{
		{"a response", text, 0x1234, dns.RcodeNameError, true},
		{"a response to another query", text, 0x1235, 0, false},
		{"a query", question, 0x1234, 0, false},
		{"a part of a header", text[:11], 0x1234, 0, false},
		{"nothing", nil, 0, 0, false},
	} {
		if code, ok := responseCode(c.in, c.id); ok != c.ok || ok && code != c.code {
			t.Errorf("%s: %d, %v", c.name, code, ok)
		}
	}
	if rcodeName(dns.RcodeServerFailure) != "SERVFAIL" || rcodeName(15) != "response code 15" {
		t.Errorf("%s, %s", rcodeName(dns.RcodeServerFailure), rcodeName(15))
	}
}

// FuzzResponseCode: it agrees with the library on what that can read.
func FuzzResponseCode(f *testing.F) {
	m := new(dns.Msg).SetQuestion("example.org.", dns.TypeA)
	m.Response = true
	text, err := m.Pack()
	must2(f, err)
	f.Add(text, m.Id)
	f.Add([]byte{1, 2, 0x80, 3, 0, 0, 0, 0, 0, 0, 0, 0}, uint16(0x102))
	f.Fuzz(func(t *testing.T, in []byte, id uint16) {
		code, ok := responseCode(in, id)
		var m dns.Msg
		if m.Unpack(in) != nil {
			return
		}
		if want := m.Response && m.Id == id; ok != want || ok && code != m.Rcode&0xf {
			t.Fatalf("%d, %v; the library says %v", code, ok, m.MsgHdr)
		}
	})
}

func must2(f *testing.F, err error) {
	f.Helper()
	if err != nil {
		f.Fatal(err)
	}
}
