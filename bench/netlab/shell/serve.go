package shell

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"syscall"

	"github.com/creack/pty"
	"golang.org/x/sys/unix"

	"lvsdr/bench/netns"
)

// serveAll runs what the clients of l ask for, until l is closed.
func (h *holder) serveAll(ctx context.Context, l net.Listener) {
	ctx, cancel := context.WithCancel(ctx)
	var all sync.WaitGroup
	defer all.Wait()
	defer cancel()
	for {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		all.Go(func() { h.serveConn(ctx, conn) })
	}
}

// serveConn runs one shell, and closes conn.
func (h *holder) serveConn(ctx context.Context, conn net.Conn) {
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	w := &wire{conn: conn}
	code, err := h.serve(ctx, w)
	if err != nil {
		_ = w.send(msgRefused, []byte(err.Error()))
		return
	}
	_ = w.send(msgExit, []byte{byte(code)})
}

// serve runs one shell.
func (h *holder) serve(ctx context.Context, w *wire) (int, error) {
	typ, b, err := w.receive()
	if err != nil || typ != msgRequest {
		return 0, errors.Join(errors.New("no request"), err)
	}
	var req Request
	if err := json.Unmarshal(b, &req); err != nil {
		return 0, fmt.Errorf("read the request: %w", err)
	}
	host, err := findHost(h.site.Lab, req.Host)
	if err != nil {
		return 0, err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	cmd := h.command(ctx, host, req)
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
func (w *wire) serveTTY(cancel func(), cmd *netns.Cmd, req *Request) (int, error) {
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
