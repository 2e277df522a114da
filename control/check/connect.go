package check

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"syscall"
)

// socketOptions are set on the socket before it connects. Zero: not set.
type socketOptions struct {
	bind  netip.AddrPort
	iface string // SO_BINDTODEVICE
	mark  uint32 // SO_MARK
	ttl   int    // IP_TTL or IPV6_UNICAST_HOPS
}

// connect makes a TCP connection to addr and closes it. Errors begin with
// what.
func connect(ctx context.Context, what string, addr netip.AddrPort, o socketOptions) error {
	d := net.Dialer{KeepAlive: -1}
	if o.bind.IsValid() {
		d.LocalAddr = net.TCPAddrFromAddrPort(o.bind)
	} else if o.bind.Port() != 0 {
		d.LocalAddr = &net.TCPAddr{Port: int(o.bind.Port())}
	}
	d.Control = func(network, _ string, c syscall.RawConn) error {
		var err error
		if e := c.Control(func(fd uintptr) { err = setOptions(int(fd), network == "tcp6", o) }); e != nil {
			return e
		}
		return err
	}
	c, err := d.DialContext(ctx, "tcp", addr.String())
	if err != nil {
		return connectError(ctx, what, o.bind.Addr(), err)
	}
	if o.bind.Port() != 0 {
		_ = c.(*net.TCPConn).SetLinger(0) // it is open, and 0 is a legal value
	}
	c.Close()
	return nil
}

// connectError says in a few words why a dial from bind failed. Package net
// repeats the addresses and names system calls, which is of no use in a log.
func connectError(ctx context.Context, what string, bind netip.Addr, err error) error {
	if errors.Is(ctx.Err(), context.Canceled) {
		return fmt.Errorf("%s: %w", what, context.Canceled)
	}
	var op *net.OpError
	if errors.As(err, &op) {
		err = op.Err
	}
	var timeout net.Error
	if errors.As(err, &timeout) && timeout.Timeout() {
		return fmt.Errorf("%s: no answer: %w", what, os.ErrDeadlineExceeded)
	}
	var call *os.SyscallError
	if errors.As(err, &call) && call.Syscall == "connect" && !localTrouble(call.Err) {
		return fmt.Errorf("%s: %w", what, call.Err)
	}
	if call != nil && call.Syscall == "bind" && bind.IsValid() {
		err = fmt.Errorf("bindto %s: %w", bind, call.Err)
		if errors.Is(call.Err, syscall.EADDRNOTAVAIL) {
			err = fmt.Errorf("bindto %s, which is no address of this host: %w", bind, call.Err)
		}
	}
	return fmt.Errorf("%w: %s: %w", ErrNotMade, what, err)
}

// localTrouble reports whether connect(2) failed before a packet left: no
// local port, no memory (connect(2), errors EADDRNOTAVAIL and EAGAIN).
func localTrouble(err error) bool {
	for _, e := range []syscall.Errno{syscall.EADDRNOTAVAIL, syscall.EADDRINUSE, syscall.EAGAIN, syscall.ENOBUFS, syscall.ENOMEM} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}
