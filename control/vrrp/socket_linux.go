package vrrp

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"os"
	"syscall"
	"time"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"

	"lvsdr/dataplane/frame"
)

// A socket is a raw socket for one family of an interface.
type socket struct {
	port  port
	index int
	file  *os.File
	raw   syscall.RawConn
	again chan time.Duration // the watcher may wait again, after this time
	// narrowed is when only known routers began to be heard; zero: all are.
	narrowed time.Time
	ttl      uint8 // of unicast over IPv6, as it was set last; 0: it was not
	link     int   // packet socket for adverts of other MAC addresses; -1: none
}

// overload is how long a socket that has more packets than a round takes is left alone.
const overload = time.Millisecond

// openSocket opens the socket and joins the groups.
func openSocket(p port, index int) (*socket, error) {
	family := unix.AF_INET
	if p.is6 {
		family = unix.AF_INET6
	}
	fd, err := unix.Socket(family, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, Protocol)
	if err != nil {
		return nil, os.NewSyscallError("socket", err)
	}
	s := &socket{port: p, index: index, again: make(chan time.Duration, 1), link: -1}
	if err = s.setUp(fd); err == nil && p.mac {
		s.link, err = unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0)
	}
	if err != nil {
		_ = unix.Close(fd) // the error that counts is err
		return nil, err
	}
	s.file = os.NewFile(uintptr(fd), "vrrp "+p.iface)
	if s.raw, err = s.file.SyscallConn(); err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

// setUp sets the socket's options.
func (s *socket) setUp(fd int) error {
	type option struct {
		name         string
		level, which int
		value        int
	}
	options := []option{
		{"priority", unix.SOL_SOCKET, unix.SO_PRIORITY, 6}, // as a TOS of 0xc0 has it
		{"header", unix.IPPROTO_IP, unix.IP_HDRINCL, 1},
		{"loop", unix.IPPROTO_IP, unix.IP_MULTICAST_LOOP, 0},
		{"all groups", unix.IPPROTO_IP, unix.IP_MULTICAST_ALL, 0},
	}
	if s.port.is6 {
		options = []option{
			{"priority", unix.SOL_SOCKET, unix.SO_PRIORITY, 6},
			{"loop", unix.IPPROTO_IPV6, unix.IPV6_MULTICAST_LOOP, 0},
			{"all groups", unix.IPPROTO_IPV6, unix.IPV6_MULTICAST_ALL, 0},
			{"multicast hops", unix.IPPROTO_IPV6, unix.IPV6_MULTICAST_HOPS, TTL},
			{"traffic class", unix.IPPROTO_IPV6, unix.IPV6_TCLASS, trafficClass},
			{"hop limit", unix.IPPROTO_IPV6, unix.IPV6_RECVHOPLIMIT, 1},
			{"destination", unix.IPPROTO_IPV6, unix.IPV6_RECVPKTINFO, 1},
		}
	}
	if s.port.buffer > 0 {
		options = append(options, option{"buffer", unix.SOL_SOCKET, unix.SO_RCVBUF, s.port.buffer})
	}
	if err := unix.BindToDevice(fd, s.port.iface); err != nil {
		return os.NewSyscallError("bind to the interface", err)
	}
	for _, o := range options {
		if err := unix.SetsockoptInt(fd, o.level, o.which, o.value); err != nil {
			return fmt.Errorf("set %s: %w", o.name, err)
		}
	}
	if err := s.filter(fd, nil); err != nil {
		return err
	}
	return s.join(fd)
}

// join makes the interface a member of the groups.
func (s *socket) join(fd int) error {
	for _, g := range s.port.groups {
		var err error
		if s.port.is6 {
			err = unix.SetsockoptIPv6Mreq(fd, unix.IPPROTO_IPV6, unix.IPV6_JOIN_GROUP, &unix.IPv6Mreq{Multiaddr: g.As16(), Interface: uint32(s.index)})
		} else {
			err = unix.SetsockoptIPMreqn(fd, unix.IPPROTO_IP, unix.IP_ADD_MEMBERSHIP, &unix.IPMreqn{Multiaddr: g.As4(), Ifindex: int32(s.index)})
		}
		if err != nil {
			return fmt.Errorf("join %v: %w", g, err)
		}
	}
	if s.port.is6 {
		return unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_MULTICAST_IF, s.index)
	}
	return unix.SetsockoptIPMreqn(fd, unix.IPPROTO_IP, unix.IP_MULTICAST_IF, &unix.IPMreqn{Ifindex: int32(s.index)})
}

// filter lets the kernel drop what no instance on the socket takes: other virtual router IDs, and other TTLs where
// there is no unicast; and other sources, if some are given. What it drops costs no system call.
func (s *socket) filter(fd int, sources []netip.Addr) error {
	prog, err := bpf.Assemble(filterFor(s.port, sources))
	if err != nil {
		return fmt.Errorf("assemble the filter: %w", err)
	}
	code := make([]unix.SockFilter, len(prog))
	for k, i := range prog {
		code[k] = unix.SockFilter{Code: i.Op, Jt: i.Jt, Jf: i.Jf, K: i.K}
	}
	return os.NewSyscallError("attach the filter", unix.SetsockoptSockFprog(fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER,
		&unix.SockFprog{Len: uint16(len(code)), Filter: &code[0]}))
}

// narrow lets only these routers be heard, until widen.
func (s *socket) narrow(sources []netip.Addr) {
	if len(sources) > 0 && s.refilter(sources) == nil {
		s.narrowed = time.Now()
	}
}

// widen ends narrow after its time.
func (s *socket) widen() {
	if !s.narrowed.IsZero() && time.Since(s.narrowed) > narrowFor && s.refilter(nil) == nil {
		s.narrowed = time.Time{}
	}
}

func (s *socket) refilter(sources []netip.Addr) (err error) {
	control := s.raw.Control(func(fd uintptr) { err = s.filter(int(fd), sources) })
	return orElse(control, err)
}

// watch tells that packets have come, and waits until they were taken, until the socket is closed.
func (s *socket) watch(ready chan<- struct{}) {
	for {
		if s.raw.Read(func(fd uintptr) bool { return readable(int(fd)) }) != nil {
			return
		}
		select {
		case ready <- struct{}{}:
		default:
		}
		d, ok := <-s.again
		if !ok {
			return
		}
		time.Sleep(d)
	}
}

// readable reports whether fd has a packet.
func readable(fd int) bool {
	fds := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
	n, err := unix.Poll(fds, 0)
	return n > 0 && err == nil
}

// rearm lets the watcher wait again.
func (s *socket) rearm(more bool) {
	d := time.Duration(0)
	if more {
		d = overload
	}
	select {
	case s.again <- d:
	default:
	}
}

// close closes the socket; it is not used afterwards.
func (s *socket) close() {
	_ = s.file.Close() // it was read from
	if s.link >= 0 {
		_ = unix.Close(s.link)
	}
	close(s.again)
}

// send sends p; b is scratch.
func (s *socket) send(b []byte, p *Packet) error {
	if p.MAC != (frame.MAC{}) && p.Dst.IsMulticast() && s.link >= 0 {
		return os.NewSyscallError("send", unix.Sendto(s.link, appendFrame(b, p), 0, &unix.SockaddrLinklayer{Ifindex: s.index}))
	}
	var err error
	control := s.raw.Control(func(fd uintptr) {
		if !s.port.is6 {
			err = unix.Sendto(int(fd), appendIP(b, p), 0, &unix.SockaddrInet4{Addr: p.Dst.As4()})
			return
		}
		to := &unix.SockaddrInet6{Addr: p.Dst.As16(), ZoneId: uint32(s.index)}
		if err = s.hops(int(fd), p); err == nil {
			info := unix.PktInfo6(&unix.Inet6Pktinfo{Addr: p.Src.As16(), Ifindex: uint32(s.index)})
			err = unix.Sendmsg(int(fd), p.Payload, info, to, 0)
		}
	})
	if control != nil {
		return control
	}
	return os.NewSyscallError("send", err)
}

// hops sets the hop limit of unicast; that of multicast is always 255.
func (s *socket) hops(fd int, p *Packet) error {
	if p.Dst.IsMulticast() || p.TTL == s.ttl {
		return nil
	}
	s.ttl = p.TTL
	return unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_UNICAST_HOPS, int(p.TTL))
}

// receive takes one packet. Its payload is nil where it is none that can be read.
func (s *socket) receive(b, oob []byte) (p Packet, err error) {
	var n, m int
	var from unix.Sockaddr
	control := s.raw.Control(func(fd uintptr) {
		n, m, _, from, err = unix.Recvmsg(int(fd), b, oob, unix.MSG_DONTWAIT)
	})
	if control != nil || err != nil {
		return p, fmt.Errorf("receive: %w", orElse(control, err))
	}
	if !s.port.is6 {
		p, _ = cutIP4(b[:n])
		p.Interface = s.port.iface
		return p, nil
	}
	src, ok := from.(*unix.SockaddrInet6)
	if !ok {
		return p, nil
	}
	p = Packet{Interface: s.port.iface, Src: netip.AddrFrom16(src.Addr), Payload: b[:n]}
	messages, err := unix.ParseSocketControlMessage(oob[:m])
	if err != nil {
		return Packet{}, nil // it is not read, and no reason to stop
	}
	for _, c := range messages {
		switch {
		case c.Header.Level != unix.IPPROTO_IPV6:
		case c.Header.Type == unix.IPV6_HOPLIMIT && len(c.Data) >= 4:
			p.TTL = uint8(binary.NativeEndian.Uint32(c.Data))
		case c.Header.Type == unix.IPV6_PKTINFO && len(c.Data) >= 16:
			p.Dst = netip.AddrFrom16([16]byte(c.Data[:16]))
		}
	}
	return p, nil
}

func orElse(a, b error) error {
	if a != nil {
		return a
	}
	return b
}
