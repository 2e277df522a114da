package ladder

import (
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"sync"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// A stream is a TCP connection on a blocking socket that Go's network poller
// does not know: what a candidate costs is not to drown in what the poller
// does between a frame's coming and the goroutine's running. It is used by one
// goroutine. Reads and writes that hang for streamTimeout end with an error.
type stream int

const streamTimeout = 10 // seconds

// connect makes a stream from where the calling thread is to the target.
func connect(target netip.AddrPort) (stream, error) {
	fd, err := streamSocket(familyOf(target.Addr()))
	if err != nil {
		return -1, err
	}
	for {
		err = unix.Connect(fd, sockaddr(target))
		switch {
		case errors.Is(err, unix.EINTR), errors.Is(err, unix.EALREADY):
			continue // it goes on meanwhile
		case err == nil, errors.Is(err, unix.EISCONN):
			return stream(fd), nil
		}
		_ = unix.Close(fd)
		return -1, fmt.Errorf("connect to %s: %w", target, err)
	}
}

// sockaddr is a as system calls take it.
func sockaddr(a netip.AddrPort) unix.Sockaddr {
	if a.Addr().Is4() {
		return &unix.SockaddrInet4{Addr: a.Addr().As4(), Port: int(a.Port())}
	}
	return &unix.SockaddrInet6{Addr: a.Addr().As16(), Port: int(a.Port())}
}

// familyOf is the family of a socket for a.
func familyOf(a netip.Addr) int {
	if a.Is4() {
		return unix.AF_INET
	}
	return unix.AF_INET6
}

// streamSocket makes a socket of a family that sends at once and does not wait for ever.
func streamSocket(family int) (int, error) {
	fd, err := unix.Socket(family, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, os.NewSyscallError("socket", err)
	}
	wait := unix.Timeval{Sec: streamTimeout}
	err = errors.Join(unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1),
		unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &wait),
		unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_SNDTIMEO, &wait))
	if err != nil {
		_ = unix.Close(fd)
		return -1, fmt.Errorf("prepare socket: %w", err)
	}
	return fd, nil
}

// read reads what there is, at least a byte.
func (s stream) read(buf []byte) (int, error) {
	for {
		n, err := unix.Read(int(s), buf)
		switch {
		case err == unix.EINTR:
			continue
		case err != nil:
			return 0, os.NewSyscallError("read", err)
		case n == 0:
			return 0, io.EOF
		}
		return n, nil
	}
}

// readFull fills buf.
func (s stream) readFull(buf []byte) error {
	for at := 0; at < len(buf); {
		n, err := s.read(buf[at:])
		if err != nil {
			return err
		}
		at += n
	}
	return nil
}

// write writes all of buf.
func (s stream) write(buf []byte) error {
	for len(buf) > 0 {
		n, err := unix.Write(int(s), buf)
		if err != nil && err != unix.EINTR {
			return os.NewSyscallError("write", err)
		}
		buf = buf[max(n, 0):]
	}
	return nil
}

// exchange sends a request of requestSize and receives its answer into it.
func (s stream) exchange(request []byte) error {
	if err := s.write(request); err != nil {
		return fmt.Errorf("send request: %w", err)
	}
	if err := s.readFull(request); err != nil {
		return fmt.Errorf("receive answer: %w", err)
	}
	return nil
}

// close closes the connection.
func (s stream) close() { _ = unix.Close(int(s)) } // what was to be sent was answered, or nobody waits for it

// datagrams are UDP packets to one target, sent by a blocking socket that Go's network poller does not
// know. The poller would be woken whenever a packet has left the memory of the socket: for each
// frame that is forwarded or dropped at once a system call and, where the poller sleeps on another CPU, an
// interrupt there, which cost more than the forwarding.
type datagrams int

// openDatagrams makes a socket where the calling thread is.
func openDatagrams(target netip.AddrPort) (datagrams, error) {
	fd, err := unix.Socket(familyOf(target.Addr()), unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, os.NewSyscallError("socket", err)
	}
	if err := unix.Connect(fd, sockaddr(target)); err != nil {
		_ = unix.Close(fd)
		return -1, fmt.Errorf("send to %s: %w", target, err)
	}
	return datagrams(fd), nil
}

// Write sends b as one packet.
func (d datagrams) Write(b []byte) (int, error) {
	for {
		n, err := unix.Write(int(d), b)
		if err != unix.EINTR {
			return n, os.NewSyscallError("write", err)
		}
	}
}

// close closes the socket; what was sent is on its way.
func (d datagrams) close() { _ = unix.Close(int(d)) }

// requestSize is the length of a request and of its answer, in bytes. A
// connection that begins with one whose first byte is sinkRequest gets no
// answers.
const (
	requestSize = 64
	sinkRequest = 's'
)

// A server runs on the real server: on livePort it answers each request
// with itself, or reads without an answer.
type server struct {
	listener int
	received atomic.Uint64 // bytes, by connections that get no answers
	running  sync.WaitGroup
}

// serverThreads is how many connections are served at a time.
const serverThreads = 16

// serve starts the server, on threads of run.
func serve(s *site, run func(func() error) error) (*server, error) {
	v := &server{}
	err := s.Servers[0].Do(func() (err error) {
		every := netip.IPv4Unspecified()
		if s.target.Addr().Is6() {
			every = netip.IPv6Unspecified()
		}
		if v.listener, err = unix.Socket(familyOf(every), unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0); err != nil {
			return os.NewSyscallError("socket", err)
		}
		err = unix.Bind(v.listener, sockaddr(netip.AddrPortFrom(every, livePort)))
		if err == nil {
			err = unix.Listen(v.listener, 1024)
		}
		if err != nil {
			_ = unix.Close(v.listener)
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("listen on the real server: %w", err)
	}
	for range serverThreads {
		v.running.Go(func() { _ = run(v.accept) }) // it ends as close does
	}
	return v, nil
}

// accept serves one connection after the other until the listener is shut down.
func (v *server) accept() error {
	buf := make([]byte, bulkSize)
	for {
		fd, _, err := unix.Accept4(v.listener, unix.SOCK_CLOEXEC)
		if err == unix.EINTR || err == unix.ECONNABORTED {
			continue
		}
		if err != nil {
			return err
		}
		_ = unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1) // only slower without
		v.handle(stream(fd), buf)
		stream(fd).close()
	}
}

// handle serves one connection until its client is done.
func (v *server) handle(c stream, buf []byte) {
	request := buf[:requestSize]
	for c.readFull(request) == nil {
		if request[0] != sinkRequest {
			if c.write(request) != nil {
				return
			}
			continue
		}
		for {
			n, err := c.read(buf)
			v.received.Add(uint64(n))
			if err != nil {
				return
			}
		}
	}
}

// close ends the server. All connections must have been closed by their
// clients.
func (v *server) close() error {
	// This wakes the threads in accept(2).
	err := unix.Shutdown(v.listener, unix.SHUT_RDWR)
	v.running.Wait()
	return errors.Join(err, unix.Close(v.listener))
}
