package shell

import (
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"sync"
)

// A Request is the first message of Join: what to run, and on which host.
type Request struct {
	Host    string   `json:"host"`              // a host's name; client is client1
	Command []string `json:"command,omitempty"` // empty: a shell

	// The terminal of Join's caller.
	Term       string `json:"term,omitempty"`
	TTY        bool   `json:"tty"` // the input is a terminal
	Rows, Cols uint16
}

// The messages between Join and Hold: a type, the length of what follows in
// 4 bytes, big-endian, and that.
const (
	msgRequest = 'r' // a Request
	msgData    = 'd' // bytes of standard input, or of output
	msgEOF     = 'e' // standard input ended
	msgSize    = 'w' // the terminal's rows and columns, 2 bytes each
	msgExit    = 'x' // the exit code, 1 byte; the last message
	msgRefused = 'n' // why not; the last message
)

const maxMessage = 64 << 10

// A wire sends messages from several goroutines.
type wire struct {
	conn net.Conn
	mu   sync.Mutex
}

func (w *wire) send(typ byte, b []byte) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	head := binary.BigEndian.AppendUint32([]byte{typ}, uint32(len(b)))
	_, err := w.conn.Write(append(head, b...))
	return err
}

// receive is called from one goroutine.
func (w *wire) receive() (byte, []byte, error) {
	var head [5]byte
	if _, err := io.ReadFull(w.conn, head[:]); err != nil {
		return 0, nil, err
	}
	n := binary.BigEndian.Uint32(head[1:])
	if n > maxMessage {
		return 0, nil, fmt.Errorf("a message of %d bytes: at most %d", n, maxMessage)
	}
	b := make([]byte, n)
	_, err := io.ReadFull(w.conn, b)
	return head[0], b, err
}

// copyFrom sends what r has, until it ends.
func (w *wire) copyFrom(r io.Reader) error {
	buf := make([]byte, maxMessage/2)
	for {
		n, err := r.Read(buf)
		if n > 0 {
			if err := w.send(msgData, buf[:n]); err != nil {
				return err
			}
		}
		if err != nil {
			return nil // the end; of a terminal, EIO
		}
	}
}
