package shell

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"strings"

	"golang.org/x/sys/unix"
	"golang.org/x/term"

	"lvsdr/bench/netlab"
)

// ErrNoLab says that there is no lab to join.
var ErrNoLab = errors.New("no lab is running")

// Join runs req in a lab that Hold serves, on this terminal, and returns its exit
// code; ErrNoLab: there is none. The names of flags for the lab's shape come too
// late: with any there is a netlab.UsageError.
func Join(req Request, shape []string) (int, error) {
	err := checkDir()
	switch {
	case errors.Is(err, os.ErrNotExist):
		return 0, ErrNoLab
	case err != nil:
		return 0, err
	}
	conn, err := net.Dial("unix", socketPath())
	if err != nil {
		return 0, ErrNoLab
	}
	defer conn.Close()
	if len(shape) > 0 {
		return 0, netlab.UsageError{Err: fmt.Errorf("a lab is running already, and has its shape; leave out %s, or end it first", strings.Join(shape, " "))}
	}
	return attach(conn, req)
}

// attach runs req on this terminal at the holder on the other end of conn, and
// returns its exit code.
func attach(conn net.Conn, req Request) (int, error) {
	w := &wire{conn: conn}
	in := int(os.Stdin.Fd())
	req.Term = os.Getenv("TERM")
	if req.TTY = term.IsTerminal(in); req.TTY {
		if cols, rows, err := term.GetSize(in); err == nil {
			req.Rows, req.Cols = uint16(rows), uint16(cols)
		}
		old, err := term.MakeRaw(in)
		if err != nil {
			return 0, fmt.Errorf("prepare the terminal: %w", err)
		}
		defer func() { _ = term.Restore(in, old) }() // nothing can be done about it
		stop := w.sendSizes(in)
		defer stop()
	}
	b, err := json.Marshal(req)
	if err != nil {
		return 0, err
	}
	if err := w.send(msgRequest, b); err != nil {
		return 0, fmt.Errorf("join the lab: %w", err)
	}
	go func() {
		// What cannot be sent any more is not needed: receive says why.
		_ = w.copyFrom(os.Stdin)
		_ = w.send(msgEOF, nil)
	}()
	return w.show(os.Stdout)
}

// show writes what comes until the shell has ended.
func (w *wire) show(out io.Writer) (int, error) {
	for {
		typ, b, err := w.receive()
		switch {
		case err != nil:
			return 0, fmt.Errorf("the lab has ended: %w", err)
		case typ == msgData:
			if _, err := out.Write(b); err != nil {
				return 0, err
			}
		case typ == msgExit && len(b) == 1:
			return int(b[0]), nil
		case typ == msgRefused:
			return 0, netlab.UsageError{Err: errors.New(string(b))}
		}
	}
}

// sendSizes tells of the terminal's size whenever it changes.
func (w *wire) sendSizes(fd int) (stop func()) {
	changed := make(chan os.Signal, 1)
	signal.Notify(changed, unix.SIGWINCH)
	go func() {
		for range changed {
			if cols, rows, err := term.GetSize(fd); err == nil {
				_ = w.send(msgSize, []byte{byte(rows >> 8), byte(rows), byte(cols >> 8), byte(cols)})
			}
		}
	}()
	return func() { signal.Stop(changed); close(changed) }
}
