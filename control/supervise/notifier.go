package supervise

import (
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"time"
)

// patience is how long a message may wait for a service manager that does not read.
const patience = 100 * time.Millisecond

// A Notifier sends messages to a service manager. It keeps its socket, so that messages
// go out when there are no descriptors left. The methods may be called from any
// goroutine. A nil Notifier sends nothing.
type Notifier struct {
	path string

	mu   sync.Mutex
	conn *net.UnixConn // nil: it could not be opened
}

// New makes a Notifier for the socket at path, which is $NOTIFY_SOCKET: a path or, with
// an @ in front, an abstract name. An empty path makes none, and an error one that
// tries again.
func New(path string) (*Notifier, error) {
	if path == "" {
		return nil, nil
	}
	n := &Notifier{path: path}
	return n, n.dial()
}

// dial opens the socket.
func (n *Notifier) dial() error {
	c, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: n.path, Net: "unixgram"})
	if err != nil {
		return fmt.Errorf("notify the service manager: %w", err)
	}
	n.conn = c
	return nil
}

// Send sends message, lines of NAME=VALUE. It waits for 0.1 s at most, and opens the
// socket anew where the service manager has.
func (n *Notifier) Send(message string) error {
	if n == nil {
		return nil
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.conn != nil {
		err := n.write(message)
		if err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
			return err
		}
		_ = n.conn.Close() // it is of no use any more
		n.conn = nil
	}
	if err := n.dial(); err != nil {
		return err
	}
	return n.write(message)
}

// write sends message by the socket that is open.
func (n *Notifier) write(message string) error {
	err := n.conn.SetWriteDeadline(time.Now().Add(patience))
	if err == nil {
		_, err = n.conn.Write([]byte(message))
	}
	if err != nil {
		return fmt.Errorf("notify the service manager: %w", err)
	}
	return nil
}

// Close closes the socket.
func (n *Notifier) Close() error {
	if n == nil {
		return nil
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.conn == nil {
		return nil
	}
	err := n.conn.Close()
	n.conn = nil
	return err
}
