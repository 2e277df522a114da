package supervise

import (
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// A manager is the socket of a service manager.
func manager(t *testing.T, path string) *net.UnixConn {
	t.Helper()
	c, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// read is the next message.
func read(t *testing.T, c *net.UnixConn) string {
	t.Helper()
	if err := c.SetReadDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	var b [512]byte
	n, err := c.Read(b[:])
	if err != nil {
		t.Fatal(err)
	}
	return string(b[:n])
}

func socketPath(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "n") // t.TempDir's may be too long for a socket
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return filepath.Join(dir, "s")
}

func TestWithoutAServiceManagerNothingIsSent(t *testing.T) {
	n, err := New("")
	if n != nil || err != nil {
		t.Errorf("%v, %v", n, err)
	}
	if err := errors.Join(n.Send("READY=1"), n.Close()); err != nil {
		t.Error(err)
	}
}

func TestMessagesArriveOneByOne(t *testing.T) {
	for _, name := range []string{socketPath(t), "@" + socketPath(t)} {
		c := manager(t, name)
		n, err := New(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range []string{"READY=1", "RELOADING=1\nMONOTONIC_USEC=5\n"} {
			if err := n.Send(m); err != nil {
				t.Fatal(err)
			}
			if got := read(t, c); got != m {
				t.Errorf("got %q, want %q", got, m)
			}
		}
		if err := errors.Join(n.Close(), n.Close()); err != nil {
			t.Error(err)
		}
	}
}

// A service manager that was started again has another socket of the same name.
func TestASocketThatWasReplacedIsFoundAgain(t *testing.T) {
	path := socketPath(t)
	if n, err := New(path); n == nil || err == nil || !strings.Contains(err.Error(), path) {
		t.Fatalf("no socket: %v, %v", n, err)
	}
	first := manager(t, path)
	n, err := New(path)
	if err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	first.Close()
	if err := n.Send("READY=1"); err == nil {
		t.Error("sent to nobody")
	}
	os.Remove(path)
	second := manager(t, path)
	if err := n.Send("STATUS=well"); err != nil {
		t.Fatal(err)
	}
	if got := read(t, second); got != "STATUS=well" {
		t.Errorf("got %q", got)
	}
}

// A service manager that does not read holds nobody up: Send gives up.
func TestAServiceManagerThatDoesNotReadIsGivenUp(t *testing.T) {
	path := socketPath(t)
	manager(t, path)
	n, err := New(path)
	if err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	for range 10_000 { // more than its queue holds
		if err := n.Send("STATUS=" + strings.Repeat("x", 100)); err != nil {
			if !errors.Is(err, os.ErrDeadlineExceeded) {
				t.Error(err)
			}
			return
		}
	}
	t.Error("10 000 messages were sent, and none was read")
}
