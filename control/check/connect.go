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

// socketOptions are set on the socket before it connects. Zero: not set.
type socketOptions struct {
	bind  netip.AddrPort
	iface string // SO_BINDTODEVICE
	mark  uint32 // SO_MARK
	ttl   int    // IP_TTL or IPV6_UNICAST_HOPS
	quiet bool   // TCP: a connection that is closed at once is SYN, SYN+ACK and RST
}

// connect makes a TCP connection to addr and ends it, as TCP says. Errors begin with what.
func connect(ctx context.Context, what string, addr netip.AddrPort, o socketOptions) error {
	o.quiet = true
	c, err := dial(ctx, "tcp", what, addr, o)
	if err == nil {
		c.Close()
	}
	return err
}

// dial connects to addr by network tcp or udp, or by ip for ICMP. Errors begin with what.
func dial(ctx context.Context, network, what string, addr netip.AddrPort, o socketOptions) (net.Conn, error) {
	d := net.Dialer{KeepAlive: -1, LocalAddr: localAddr(network, o.bind)}
	at, icmp := addr.String(), network == "ip"
	d.Control = func(network, _ string, c syscall.RawConn) error {
		var err error
		if e := c.Control(func(fd uintptr) { err = setOptions(int(fd), strings.HasSuffix(network, "6"), icmp, o) }); e != nil {
			return e
		}
		return err
	}
	if icmp {
		at, network = addr.Addr().String(), "ip4:icmp"
		if addr.Addr().Is6() {
			network = "ip6:ipv6-icmp"
		}
	}
	c, err := d.DialContext(ctx, network, at)
	if err != nil {
		return nil, connectError(ctx, what, o.bind.Addr(), err)
	}
	if tcp, ok := c.(*net.TCPConn); ok && o.bind.Port() != 0 {
		_ = tcp.SetLinger(0) // it is open, and 0 is a legal value
	}
	return c, nil
}

// localAddr is bind as package net wants it; nil: the kernel chooses.
func localAddr(network string, bind netip.AddrPort) net.Addr {
	if bind == (netip.AddrPort{}) {
		return nil
	}
	var ip net.IP
	if bind.Addr().IsValid() {
		ip = bind.Addr().AsSlice()
	} else if bind.Port() == 0 {
		return nil
	}
	switch network {
	case "ip":
		return &net.IPAddr{IP: ip}
	case "udp":
		return &net.UDPAddr{IP: ip, Port: int(bind.Port())}
	}
	return &net.TCPAddr{IP: ip, Port: int(bind.Port())}
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
