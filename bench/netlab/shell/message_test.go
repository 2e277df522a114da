package shell

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"strings"
	"testing"

	"lvsdr/bench/netlab"
)

// pair is the two ends of a connection.
func pair(t *testing.T) (a, b *wire) {
	t.Helper()
	x, y := net.Pipe()
	t.Cleanup(func() { x.Close(); y.Close() })
	return &wire{conn: x}, &wire{conn: y}
}

// What is sent is received, whatever it is and however long.
func TestMessagesArriveWhole(t *testing.T) {
	a, b := pair(t)
	texts := []string{"", "x", strings.Repeat("y", maxMessage)}
	sent := make(chan error, 1)
	go func() {
		var errs []error
		for i, s := range texts {
			errs = append(errs, a.send(byte('a'+i), []byte(s)))
		}
		sent <- errors.Join(errs...)
	}()
	for i, want := range texts {
		typ, got, err := b.receive()
		if err != nil || typ != byte('a'+i) || string(got) != want {
			t.Errorf("message %d: type %q with %d bytes, %v; want %d bytes", i, typ, len(got), err, len(want))
		}
	}
	if err := <-sent; err != nil {
		t.Error(err)
	}
}

// The exit code ends a shell; what was written before is shown.
func TestTheLastMessageEndsAShell(t *testing.T) {
	type message struct {
		typ  byte
		text string
	}
	for _, test := range []struct {
		name     string
		messages []message
		shown    string
		code     int
		wrong    string // part of the error
		usage    bool
	}{
		{"an exit code", []message{{msgData, "ab"}, {msgData, "c"}, {msgExit, "\x07"}}, "abc", 7, "", false},
		{"a refusal", []message{{msgRefused, "no such host"}}, "", 0, "no such host", true},
		{"the end of the lab", []message{{msgData, "ab"}}, "ab", 0, "the lab has ended", false},
		{"an exit code of no byte is none", []message{{msgExit, ""}, {msgExit, "\x01"}}, "", 1, "", false},
	} {
		t.Run(test.name, func(t *testing.T) {
			a, b := pair(t)
			go func() {
				for _, m := range test.messages {
					_ = a.send(m.typ, []byte(m.text)) // the other end says what was wrong
				}
				a.conn.Close()
			}()
			var shown bytes.Buffer
			code, err := b.show(&shown)
			if shown.String() != test.shown || code != test.code || (err != nil) != (test.wrong != "") {
				t.Fatalf("shown %q, exit code %d, %v", shown.String(), code, err)
			}
			if err != nil && (!strings.Contains(err.Error(), test.wrong) || errors.As(err, new(netlab.UsageError)) != test.usage) {
				t.Errorf("%v (%T)", err, err)
			}
		})
	}
}

// A stream is read as the messages it is made of, and nothing makes receive ask
// for more memory than a message may have.
func FuzzReceive(f *testing.F) {
	f.Add([]byte{msgData, 0, 0, 0, 2, 'a', 'b', msgExit, 0, 0, 0, 1, 3})
	f.Add([]byte{msgData, 0xff, 0xff, 0xff, 0xff})
	f.Fuzz(func(t *testing.T, stream []byte) {
		w := &wire{conn: readOnly{r: bytes.NewReader(stream)}}
		var again []byte
		for {
			typ, b, err := w.receive()
			if err != nil {
				break
			}
			if len(b) > maxMessage {
				t.Fatalf("a message of %d bytes", len(b))
			}
			again = binary.BigEndian.AppendUint32(append(again, typ), uint32(len(b)))
			again = append(again, b...)
		}
		if !bytes.HasPrefix(stream, again) {
			t.Errorf("%q was read from %q", again, stream)
		}
	})
}

// readOnly is a connection from which r comes.
type readOnly struct {
	net.Conn
	r io.Reader
}

// Read reads from r.
func (c readOnly) Read(b []byte) (int, error) { return c.r.Read(b) }
