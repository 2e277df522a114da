package check

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"time"
)

// talk connects to the peer by network tcp or udp and has f talk with it, until ctx ends.
// To connect, and each read and write, takes wait at most; 0: as long as ctx lasts. Errors
// begin with what.
func (p Peer) talk(ctx context.Context, network, what string, wait time.Duration, f func(net.Conn) error) error {
	first := ctx
	if wait > 0 {
		var cancel context.CancelFunc
		first, cancel = context.WithTimeout(ctx, wait)
		defer cancel()
	}
	c, err := dial(first, network, what, p.Addr, p.options())
	if err != nil {
		return err
	}
	defer c.Close()
	defer context.AfterFunc(ctx, func() { c.Close() })()
	conn := c
	if wait > 0 {
		conn = patient{c, wait}
	}
	if err := f(conn); err != nil {
		return talkError(ctx, what, err)
	}
	return nil
}

// patient is a connection on which no read or write waits longer than wait.
type patient struct {
	net.Conn
	wait time.Duration
}

// Read reads what comes in time.
func (c patient) Read(b []byte) (int, error) {
	if err := c.SetReadDeadline(time.Now().Add(c.wait)); err != nil {
		return 0, err
	}
	return c.Conn.Read(b)
}

// Write writes in time.
func (c patient) Write(b []byte) (int, error) {
	if err := c.SetWriteDeadline(time.Now().Add(c.wait)); err != nil {
		return 0, err
	}
	return c.Conn.Write(b)
}

// talkError says in a few words why talking with a server that is connected failed.
func talkError(ctx context.Context, what string, err error) error {
	if errors.Is(ctx.Err(), context.Canceled) {
		return fmt.Errorf("%s: %w", what, context.Canceled)
	}
	if ctx.Err() != nil || errors.Is(err, os.ErrDeadlineExceeded) {
		return fmt.Errorf("%s: no answer: %w", what, os.ErrDeadlineExceeded)
	}
	var op *net.OpError
	var call *os.SyscallError
	switch {
	case errors.As(err, &call):
		err = call.Err
	case errors.As(err, &op):
		err = op.Err
	}
	return fmt.Errorf("%s: %w", what, err)
}
