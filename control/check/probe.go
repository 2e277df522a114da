package check

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strings"
	"syscall"
)

// A Probe makes one attempt to find out whether a server works.
type Probe interface {
	// Check returns nil if the server works. An error that wraps ErrNotMade
	// says that this host could not make the attempt. Check returns soon after
	// ctx ends; the deadline of ctx is the time the attempt may take.
	Check(ctx context.Context) error
	// String names the probe with all its parameters: two probes of the same
	// string do the same.
	String() string
}

// ErrNotMade is wrapped by errors about an attempt that did not leave this
// host, for want of a descriptor, a local address or a privilege: it says
// nothing about the server.
var ErrNotMade = errors.New("check not made")

// TCP connects to an address and closes the connection again; keepalived's
// TCP_CHECK.
//
// The connection ends with FIN, not RST. A reset would spare this host the
// TIME_WAIT state (a minute for each check, harmless), but servers log "connection
// reset by peer", and a server that is slow to accept gets the error instead of
// a connection. Only with a Bind port the connection is reset: the port is the
// same each time, and TIME_WAIT would forbid the next check.
type TCP struct {
	// Addr is what is connected to.
	Addr netip.AddrPort
	// Bind is the source address (bindto) and port (bind_port); each may be
	// zero: the kernel chooses.
	Bind netip.AddrPort
	// Interface is the name of the interface the packets must leave by
	// (bind_if); empty: as routed.
	Interface string
	// Mark is the firewall mark of the packets (fwmark); 0: none. Needs
	// CAP_NET_ADMIN.
	Mark uint32
}

var _ Probe = TCP{}

// Check connects to p.Addr. Errors read "connect 192.168.1.11:80: connection
// refused".
func (p TCP) Check(ctx context.Context) error {
	return connect(ctx, "connect "+p.Addr.String(), p.Addr, socketOptions{
		bind: p.Bind, iface: p.Interface, mark: p.Mark,
	})
}

// String is "TCP 192.168.1.11:80", followed by the fields that are set.
func (p TCP) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "TCP %s", p.Addr)
	if p.Bind != (netip.AddrPort{}) {
		fmt.Fprintf(&b, " bindto %s bind_port %d", p.Bind.Addr(), p.Bind.Port())
	}
	if p.Interface != "" {
		fmt.Fprintf(&b, " bind_if %s", p.Interface)
	}
	if p.Mark != 0 {
		fmt.Fprintf(&b, " fwmark %d", p.Mark)
	}
	return b.String()
}

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
		return connectError(ctx, what, err)
	}
	if o.bind.Port() != 0 {
		_ = c.(*net.TCPConn).SetLinger(0) // it is open, and 0 is a legal value
	}
	c.Close()
	return nil
}

// connectError says in a few words why a dial failed. Package net repeats the
// addresses and names system calls; who reads the log has no use for that.
func connectError(ctx context.Context, what string, err error) error {
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
