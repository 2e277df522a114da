package wire

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"syscall"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// holdPort takes a TCP port of an address of this host with a socket that
// swallows all it receives. Without it this host's kernel would answer the
// server's SYN with ACK by a RST, to whichever host has the VIP by its routes.
func holdPort(ctx context.Context, a netip.Addr) (net.Listener, uint16, error) {
	swallow, err := bpf.Assemble([]bpf.Instruction{bpf.RetConstant{Val: 0}})
	if err != nil {
		return nil, 0, err
	}
	lc := net.ListenConfig{Control: func(_, _ string, c syscall.RawConn) error {
		var failed error
		err := c.Control(func(fd uintptr) {
			failed = unix.SetsockoptSockFprog(int(fd), unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &unix.SockFprog{
				Len: uint16(len(swallow)), Filter: &[]unix.SockFilter{{Code: swallow[0].Op, K: swallow[0].K}}[0]})
		})
		return errors.Join(err, failed)
	}}
	lc.SetMultipathTCP(false) // its sockets take no filter
	l, err := lc.Listen(ctx, "tcp", netip.AddrPortFrom(a, 0).String())
	if err != nil {
		return nil, 0, fmt.Errorf("take a port of %s: %w", a, err)
	}
	return l, l.Addr().(*net.TCPAddr).AddrPort().Port(), nil
}
