package check

import (
	"errors"
	"net/netip"
	"os"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// A connector makes TCP connections and ends them as soon as they are there. It asks less of
// the kernel than package net: a connection that is answered while the rest of its batch
// begins is never waited for, and all others wait in one epoll(7) set. It is safe for
// concurrent use.
type connector struct {
	done func(*connection, error) // told how each ended; nil: connected
	set  *os.File                 // of epoll
	fd   int                      // of set

	mu      sync.Mutex
	closed  bool
	waiting map[int32]*connection // by descriptor
	alarm   time.Time             // the deadline of set; zero: none
}

// newConnector is a connector without connections. Close it, and call serve in a goroutine of
// its own. done is called by that goroutine and by those that call start, without a lock held.
func newConnector(done func(*connection, error)) (*connector, error) {
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, os.NewSyscallError("epoll_create1", err)
	}
	if err := unix.SetNonblock(fd, true); err != nil { // or os.NewFile would not use the runtime's poller
		_ = unix.Close(fd)
		return nil, os.NewSyscallError("fcntl", err)
	}
	return &connector{done: done, set: os.NewFile(uintptr(fd), "epoll"), fd: fd, waiting: map[int32]*connection{}}, nil
}

// start begins all connections of batch, and ends those that are answered by then.
func (c *connector) start(batch []*connection) {
	for _, x := range batch {
		x.begun = time.Now()
		x.fd, x.err = open(x)
	}
	for _, x := range batch {
		ended, err := x.err != nil, x.err
		if !ended {
			ended, err = x.look()
		}
		if !ended {
			ended, err = c.wait(x)
		}
		if ended {
			x.close()
			c.done(x, err)
		}
	}
}

// open begins a connection.
func open(x *connection) (int, error) {
	family, v6 := unix.AF_INET, x.to.Addr().Is6()
	if v6 {
		family = unix.AF_INET6
	}
	fd, err := unix.Socket(family, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return -1, os.NewSyscallError("socket", err)
	}
	if err := setOptions(fd, v6, false, x.options); err != nil {
		return fd, err
	}
	if x.options.bind != (netip.AddrPort{}) {
		if err := syscall.Bind(fd, sockaddr(x.options.bind, v6)); err != nil {
			return fd, os.NewSyscallError("bind", err)
		}
	}
	if x.sockaddr == nil {
		x.sockaddr = sockaddr(x.to, v6)
	}
	if err := syscall.Connect(fd, x.sockaddr); err != nil && !underWay(err) {
		return fd, os.NewSyscallError("connect", err)
	}
	return fd, nil
}

// sockaddr is a as the kernel wants it. An address that is not given is the unspecified one.
func sockaddr(a netip.AddrPort, v6 bool) syscall.Sockaddr {
	switch ip := a.Addr(); {
	case v6 && ip.IsValid():
		return &syscall.SockaddrInet6{Port: int(a.Port()), Addr: ip.As16()}
	case v6:
		return &syscall.SockaddrInet6{Port: int(a.Port())}
	case ip.IsValid():
		return &syscall.SockaddrInet4{Port: int(a.Port()), Addr: ip.As4()}
	}
	return &syscall.SockaddrInet4{Port: int(a.Port())}
}

// underWay reports whether connect(2) said that the connection is not there yet.
func underWay(err error) bool {
	return errors.Is(err, syscall.EINPROGRESS) || errors.Is(err, syscall.EALREADY) || errors.Is(err, syscall.EINTR)
}

// look asks whether the connection has ended, and how. A second connect(2) gives the error of
// the first: SO_ERROR would not tell a connection that is there from one under way.
func (x *connection) look() (ended bool, err error) {
	switch err := syscall.Connect(x.fd, x.sockaddr); {
	case err == nil || err == syscall.EISCONN:
		return true, x.self()
	case underWay(err):
		return false, nil
	default:
		return true, os.NewSyscallError("connect", err)
	}
}

// self is an error if the socket is connected with itself: the kernel may choose a port
// nobody listens on as the source port, too, and TCP lets both ends open at once (RFC 9293,
// section 3.5). It can happen where the server's port is one of those the kernel
// chooses from.
func (x *connection) self() error {
	const least = 10_000 // of the ports that hosts are configured to choose from; 32768 by default
	if x.to.Port() < least {
		return nil
	}
	own, err := syscall.Getsockname(x.fd)
	if err != nil {
		return nil // the connection was there
	}
	var at netip.AddrPort
	switch s := own.(type) {
	case *syscall.SockaddrInet4:
		at = netip.AddrPortFrom(netip.AddrFrom4(s.Addr), uint16(s.Port))
	case *syscall.SockaddrInet6:
		at = netip.AddrPortFrom(netip.AddrFrom16(s.Addr), uint16(s.Port))
	}
	if at == x.to {
		return os.NewSyscallError("connect", syscall.ECONNREFUSED)
	}
	return nil
}

// close closes the socket, if there is one.
func (x *connection) close() {
	if x.fd >= 0 {
		_ = unix.Close(x.fd)
	}
	x.fd = -1
}

// wait has serve wait for x, unless that has ended.
func (c *connector) wait(x *connection) (ended bool, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed || x.gone {
		return true, os.ErrClosed
	}
	event := unix.EpollEvent{Events: unix.EPOLLOUT, Fd: int32(x.fd)}
	if err := unix.EpollCtl(c.fd, unix.EPOLL_CTL_ADD, x.fd, &event); err != nil {
		return true, os.NewSyscallError("epoll_ctl", err)
	}
	c.waiting[int32(x.fd)], x.waits = x, true
	c.remind(x.deadline())
	return false, nil
}

// remind sees that serve wakes up at t, or before.
func (c *connector) remind(t time.Time) {
	if c.alarm.IsZero() || t.Before(c.alarm) {
		c.alarm = t
		_ = c.set.SetReadDeadline(t) // it is open, and of a kind that has deadlines
	}
}

// cancel ends x if it waits, and then reports so: nothing more is told of it. Otherwise it
// is told of within a moment.
func (c *connector) cancel(x *connection) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	x.gone = true
	if !x.waits {
		return false
	}
	c.end(x)
	return true
}

// end takes x from those that wait and closes it. c.mu is held.
func (c *connector) end(x *connection) {
	delete(c.waiting, int32(x.fd))
	x.waits = false
	x.close()
}

// serve ends the connections that wait, until close.
func (c *connector) serve() {
	conn, err := c.set.SyscallConn()
	if err != nil {
		return // it is closed
	}
	events := make([]unix.EpollEvent, 64)
	for {
		n := 0
		err := conn.Read(func(fd uintptr) bool {
			n, _ = unix.EpollWait(int(fd), events, 0)
			return n > 0
		})
		if err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
			return
		}
		for _, e := range events[:max(n, 0)] {
			c.take(e.Fd)
		}
		if err != nil {
			c.expire(time.Now())
		}
	}
}

// take ends the connection with this descriptor, if it is ready: the event may be of an older
// one.
func (c *connector) take(fd int32) {
	c.mu.Lock()
	x, ended, err := c.waiting[fd], false, error(nil)
	if x != nil {
		if ended, err = x.look(); ended {
			c.end(x)
		}
	}
	c.mu.Unlock()
	if ended {
		c.done(x, err)
	}
}

// expire ends the connections whose time is over.
func (c *connector) expire(now time.Time) {
	var over []*connection
	c.mu.Lock()
	c.alarm = time.Time{}
	_ = c.set.SetReadDeadline(time.Time{})
	for _, x := range c.waiting {
		if t := x.deadline(); t.After(now) {
			c.remind(t)
			continue
		}
		c.end(x)
		over = append(over, x)
	}
	c.mu.Unlock()
	for _, x := range over {
		c.done(x, os.ErrDeadlineExceeded)
	}
}

// close ends all connections, of which nothing is told any more, and serve.
func (c *connector) close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = true
	for _, x := range c.waiting {
		c.end(x)
	}
	_ = c.set.Close()
}
