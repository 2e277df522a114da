package syncnet

import (
	"context"
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"

	"lvsdr/control/connsync/daemon"
)

// receiveBuffer is the buffer of a backup's socket where sync_sock_size is 0, bytes: the
// messages of some milliseconds.
const receiveBuffer = 4 << 20

// network is "udp" or "tcp" with the address family of a daemon.
func network(proto string, c *daemon.Config) string {
	if c.Group.Is6() {
		return proto + "6"
	}
	return proto + "4"
}

// control makes the function that sets a socket up before it is bound.
func control(set func(fd int) error) func(string, string, syscall.RawConn) error {
	return func(_, _ string, raw syscall.RawConn) error {
		var err error
		if e := raw.Control(func(fd uintptr) { err = set(int(fd)) }); e != nil {
			return e
		}
		return err
	}
}

// options sets options of a socket, in turn.
func options(all ...func() error) error {
	for _, set := range all {
		if err := set(); err != nil {
			return err
		}
	}
	return nil
}

// option is an option with a number.
func option(fd, level, name, value int) func() error {
	return func() error { return unix.SetsockoptInt(fd, level, name, value) }
}

// outgoing sets up a socket that sends to a group by the interface with index link. What
// it sends is not heard on this host.
func outgoing(fd, link int, c *daemon.Config) error {
	if c.Group.Is6() {
		return options(option(fd, unix.IPPROTO_IPV6, unix.IPV6_MULTICAST_IF, link), option(fd, unix.IPPROTO_IPV6, unix.IPV6_MULTICAST_HOPS, int(c.TTL)),
			option(fd, unix.IPPROTO_IPV6, unix.IPV6_MULTICAST_LOOP, 0))
	}
	return options(func() error {
		return unix.SetsockoptIPMreqn(fd, unix.IPPROTO_IP, unix.IP_MULTICAST_IF, &unix.IPMreqn{Ifindex: int32(link)})
	}, option(fd, unix.IPPROTO_IP, unix.IP_MULTICAST_TTL, int(c.TTL)), option(fd, unix.IPPROTO_IP, unix.IP_MULTICAST_LOOP, 0))
}

// dial opens the socket of a master: it sends to the daemon's group, from the address
// that the interface has then.
func dial(link int, c *daemon.Config, size int) (net.PacketConn, error) {
	lc := net.ListenConfig{Control: control(func(fd int) error {
		if size > 0 {
			_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_SNDBUF, size) // the host's limit may be less
		}
		return outgoing(fd, link, c)
	})}
	conn, err := lc.ListenPacket(context.Background(), network("udp", c), ":0")
	if err != nil {
		return nil, fmt.Errorf("open a socket to %s by %s: %w", c.Group, c.Interface, err)
	}
	return conn, nil
}

// groupAt is where messages to a daemon's group go.
func groupAt(c *daemon.Config) *net.UDPAddr {
	a := net.UDPAddrFromAddrPort(netip.AddrPortFrom(c.Group, c.Port))
	if c.Group.Is6() {
		a.Zone = c.Interface
	}
	return a
}

// listen opens a socket of a backup: it hears what comes by the interface with index link
// to the daemon's group. The kernel keeps the membership when the link goes down and
// comes up again.
func listen(link int, c *daemon.Config, port, size int) (*net.UDPConn, error) {
	if size <= 0 {
		size = receiveBuffer
	}
	lc := net.ListenConfig{Control: control(func(fd int) error {
		if unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, size) != nil {
			_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, size) // the host's limit may be less
		}
		return options(option(fd, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1), option(fd, unix.SOL_SOCKET, unix.SO_RXQ_OVFL, 1),
			func() error { return unix.BindToDevice(fd, c.Interface) }, func() error { return join(fd, link, c) })
	})}
	host := c.Group.String()
	if c.Group.Is6() {
		host += "%" + c.Interface
	}
	conn, err := lc.ListenPacket(context.Background(), network("udp", c), net.JoinHostPort(host, strconv.Itoa(port)))
	if err != nil {
		return nil, fmt.Errorf("listen at %s port %d on %s: %w", c.Group, port, c.Interface, err)
	}
	return conn.(*net.UDPConn), nil
}

// join makes a socket a member of a daemon's group.
func join(fd, link int, c *daemon.Config) error {
	if c.Group.Is6() {
		return unix.SetsockoptIPv6Mreq(fd, unix.IPPROTO_IPV6, unix.IPV6_JOIN_GROUP, &unix.IPv6Mreq{Multiaddr: c.Group.As16(), Interface: uint32(link)})
	}
	return unix.SetsockoptIPMreqn(fd, unix.IPPROTO_IP, unix.IP_ADD_MEMBERSHIP, &unix.IPMreqn{Multiaddr: c.Group.As4(), Ifindex: int32(link)})
}

// overflow is how many messages a socket has dropped so far, by the control messages of one
// that was received; false: none.
func overflow(oob []byte) (uint32, bool) {
	all, err := unix.ParseSocketControlMessage(oob)
	if err != nil {
		return 0, false
	}
	for _, m := range all {
		if m.Header.Level == unix.SOL_SOCKET && m.Header.Type == unix.SO_RXQ_OVFL && len(m.Data) >= 4 {
			return binary.NativeEndian.Uint32(m.Data), true
		}
	}
	return 0, false
}

// listenTCP listens where a table is asked for; with a device, by it alone.
func listenTCP(ctx context.Context, c *daemon.Config, device string) (net.Listener, error) {
	lc := net.ListenConfig{Control: control(func(fd int) error {
		if device == "" {
			return nil
		}
		return unix.BindToDevice(fd, device)
	})}
	l, err := lc.Listen(ctx, network("tcp", c), ":"+strconv.Itoa(int(c.Port)))
	if err != nil {
		return nil, fmt.Errorf("listen for directors that join: %w", err)
	}
	return l, nil
}
