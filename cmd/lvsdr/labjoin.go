package main

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"strings"
	"sync"
	"syscall"

	"github.com/creack/pty"
	"golang.org/x/sys/unix"
	"golang.org/x/term"

	"lvsdr/bench/netlab"
	"lvsdr/bench/netns"
)

// A shellRequest is what who joins a lab sends first, as one message.
type shellRequest struct {
	Host       string   `json:"host"`
	Command    []string `json:"command,omitempty"` // empty: a shell
	Term       string   `json:"term,omitempty"`
	TTY        bool     `json:"tty"` // the input is a terminal
	Rows, Cols uint16
}

// The messages between who joins a lab and who holds it: a type, the length
// of what follows in 4 bytes, big-endian, and that.
const (
	msgRequest = 'r' // a shellRequest
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

// joinLab opens a shell in a lab that runs, and returns its exit code; errNoLab:
// there is none. Flags for its shape come too late.
func joinLab(req shellRequest, shape []string) (int, error) {
	err := ownLabDir()
	switch {
	case errors.Is(err, os.ErrNotExist):
		return 0, errNoLab
	case err != nil:
		return 0, err
	}
	conn, err := net.Dial("unix", labSocket())
	if err != nil {
		return 0, errNoLab
	}
	defer conn.Close()
	if len(shape) > 0 {
		return 0, exitError{usageCode, fmt.Errorf("a lab is running already, and has its shape; leave out %s, or end it first", strings.Join(shape, " "))}
	}
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
			return 0, exitError{usageCode, errors.New(string(b))}
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

// serveShells opens shells for who joins, until l is closed.
func serveShells(ctx context.Context, l net.Listener, lab *netlab.Lab, socket string) {
	ctx, cancel := context.WithCancel(ctx)
	var all sync.WaitGroup
	defer all.Wait()
	defer cancel()
	for {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		all.Go(func() {
			defer conn.Close()
			stop := context.AfterFunc(ctx, func() { conn.Close() })
			defer stop()
			w := &wire{conn: conn}
			code, err := w.serve(ctx, lab, socket)
			if err != nil {
				_ = w.send(msgRefused, []byte(err.Error()))
				return
			}
			_ = w.send(msgExit, []byte{byte(code)})
		})
	}
}

// serve runs one shell for who joined.
func (w *wire) serve(ctx context.Context, lab *netlab.Lab, socket string) (int, error) {
	typ, b, err := w.receive()
	if err != nil || typ != msgRequest {
		return 0, errors.Join(errors.New("no request"), err)
	}
	var req shellRequest
	if err := json.Unmarshal(b, &req); err != nil {
		return 0, fmt.Errorf("read the request: %w", err)
	}
	host, err := findHost(lab, req.Host)
	if err != nil {
		return 0, err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	cmd := shellCommand(ctx, host, req, socket)
	if !req.TTY {
		return w.serveFiles(cancel, cmd)
	}
	return w.serveTTY(cancel, cmd, &req)
}

// serveFiles runs cmd with pipes.
func (w *wire) serveFiles(cancel func(), cmd *netns.Cmd) (int, error) {
	in, err := cmd.StdinPipe()
	if err != nil {
		return 0, err
	}
	out := writerFunc(func(b []byte) (int, error) {
		for i := 0; i < len(b); i += maxMessage {
			if err := w.send(msgData, b[i:min(i+maxMessage, len(b))]); err != nil {
				return 0, err
			}
		}
		return len(b), nil
	})
	cmd.Stdout, cmd.Stderr = out, out
	if err := cmd.Start(); err != nil {
		return 0, err
	}
	go w.feed(in, func() { in.Close() }, nil, cancel)
	return exitCode(cmd.Wait())
}

// A writerFunc is an io.Writer.
type writerFunc func([]byte) (int, error)

// Write calls f.
func (f writerFunc) Write(b []byte) (int, error) { return f(b) }

// serveTTY runs cmd on a terminal of its own.
func (w *wire) serveTTY(cancel func(), cmd *netns.Cmd, req *shellRequest) (int, error) {
	master, slave, err := pty.Open()
	if err != nil {
		return 0, fmt.Errorf("open a terminal: %w", err)
	}
	defer master.Close()
	resize := func(rows, cols uint16) { _ = pty.Setsize(master, &pty.Winsize{Rows: rows, Cols: cols}) }
	resize(req.Rows, req.Cols)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = slave, slave, slave
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true, Pdeathsig: unix.SIGKILL}
	err = cmd.Start()
	slave.Close()
	if err != nil {
		return 0, err
	}
	go w.feed(master, func() {}, resize, cancel)
	shown := make(chan error, 1)
	go func() { shown <- w.copyFrom(master) }()
	code, err := exitCode(cmd.Wait())
	_ = <-shown // the rest of the output; the terminal ends with its last process
	return code, err
}

// feed passes input on until the other side goes, which ends the command.
func (w *wire) feed(in io.Writer, eof func(), resize func(rows, cols uint16), cancel func()) {
	for {
		typ, b, err := w.receive()
		switch {
		case err != nil:
			cancel()
			return
		case typ == msgData:
			// A command that reads no more ends, or has ended.
			_, _ = in.Write(b)
		case typ == msgEOF:
			eof()
		case typ == msgSize && len(b) == 4 && resize != nil:
			resize(binary.BigEndian.Uint16(b), binary.BigEndian.Uint16(b[2:]))
		}
	}
}
