package tap

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"syscall"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"

	"lvsdr/dataplane/frame"
)

const (
	maxFrame   = 1 << 17 // bytes: a super-frame of 64 KiB, its headers, and room
	socketRoom = 8 << 20 // socket buffer asked for, bytes
)

// A Socket is a packet socket that sees every frame of one interface but those
// it sends itself. Receive may be called from one goroutine, the other methods from
// any.
type Socket struct {
	file    *os.File // non-blocking
	raw     syscall.RawConn
	ifindex int
	buf     []byte // maxFrame bytes after room for a VLAN tag
	oob     []byte
}

// Open opens a socket on an interface of the calling thread's namespace. The
// filter is a classic program, which looks at frames without their VLAN tag;
// nil: all pass. Nothing sent after Open returns is missed. It needs
// CAP_NET_RAW; without it the error wraps os.ErrPermission.
func Open(ifindex int, filter []bpf.RawInstruction) (*Socket, error) {
	// Protocol 0: the socket receives nothing before it is bound, so no frame
	// gets past the filter.
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, os.NewSyscallError("socket", err)
	}
	s := &Socket{file: os.NewFile(uintptr(fd), "packet socket"), ifindex: ifindex,
		buf: make([]byte, frame.TagLen+maxFrame), oob: make([]byte, controlSpace())}
	if err := setUp(fd, ifindex, filter); err != nil {
		return nil, errors.Join(err, s.file.Close())
	}
	if s.raw, err = s.file.SyscallConn(); err != nil {
		return nil, errors.Join(err, s.file.Close())
	}
	return s, nil
}

func setUp(fd, ifindex int, filter []bpf.RawInstruction) error {
	if len(filter) > 0 {
		if err := attach(fd, filter); err != nil {
			return err
		}
	}
	if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_TIMESTAMPNS, 1); err != nil {
		return os.NewSyscallError("setsockopt SO_TIMESTAMPNS", err)
	}
	if err := unix.SetsockoptInt(fd, unix.SOL_PACKET, unix.PACKET_AUXDATA, 1); err != nil {
		return os.NewSyscallError("setsockopt PACKET_AUXDATA", err)
	}
	if unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, socketRoom) != nil {
		// Not allowed everywhere; what the system's limit gives must do.
		if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, socketRoom); err != nil {
			return os.NewSyscallError("setsockopt SO_RCVBUF", err)
		}
	}
	err := unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: networkOrder(unix.ETH_P_ALL), Ifindex: ifindex})
	return os.NewSyscallError("bind", err)
}

// networkOrder is v as the kernel reads it from a struct sockaddr_ll.
func networkOrder(v uint16) uint16 {
	return binary.NativeEndian.Uint16(binary.BigEndian.AppendUint16(nil, v))
}

// attach gives the socket a filter program, in place of the one it has.
func attach(fd int, filter []bpf.RawInstruction) error {
	prog := make([]unix.SockFilter, len(filter))
	for i, in := range filter {
		prog[i] = unix.SockFilter{Code: in.Op, Jt: in.Jt, Jf: in.Jf, K: in.K}
	}
	err := unix.SetsockoptSockFprog(fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER,
		&unix.SockFprog{Len: uint16(len(prog)), Filter: &prog[0]})
	return os.NewSyscallError("setsockopt SO_ATTACH_FILTER", err)
}

// Receive waits for the next frame. Its Data is valid until the next Receive;
// Host and Ifname are empty. A link that goes down and comes up again is waited
// for. The error wraps os.ErrClosed after Close.
func (s *Socket) Receive() (f Frame, err error) {
	var failed error
	err = s.raw.Read(func(fd uintptr) bool {
		f, failed = s.next(int(fd))
		return !errors.Is(failed, unix.EAGAIN)
	})
	if err != nil { // nothing else ends the waiting
		return Frame{}, fmt.Errorf("receive: %w", os.ErrClosed)
	}
	return f, failed
}

// next receives a frame that waits in the socket; EAGAIN: none does.
func (s *Socket) next(fd int) (Frame, error) {
	for {
		n, oobn, _, from, err := unix.Recvmsg(fd, s.buf[frame.TagLen:], s.oob, 0)
		switch {
		case errors.Is(err, unix.EAGAIN):
			return Frame{}, unix.EAGAIN
		case errors.Is(err, unix.EINTR), errors.Is(err, unix.ENETDOWN):
			continue // the socket wakes up again with its interface
		case err != nil:
			return Frame{}, os.NewSyscallError("recvmsg", err)
		}
		c := readControl(s.oob[:oobn])
		f := Frame{Time: c.time, Unfinished: c.aux.unfinished(), Data: c.aux.restore(s.buf[:frame.TagLen+n])}
		if ll, ok := from.(*unix.SockaddrLinklayer); ok {
			f.Outgoing = ll.Pkttype == unix.PACKET_OUTGOING
		}
		return f, nil
	}
}

// Send sends a frame, which starts with its Ethernet header.
func (s *Socket) Send(f []byte) error {
	if len(f) < frame.EtherLen {
		return fmt.Errorf("send: a frame of %d bytes", len(f))
	}
	to := &unix.SockaddrLinklayer{Ifindex: s.ifindex, Halen: 6,
		Protocol: binary.NativeEndian.Uint16(f[frame.OffEtherType:])} // stays in network order
	copy(to.Addr[:], f[:6])
	var failed error
	err := s.raw.Write(func(fd uintptr) bool {
		failed = unix.Sendto(int(fd), f, 0, to)
		return !errors.Is(failed, unix.EAGAIN)
	})
	return errors.Join(err, os.NewSyscallError("sendto", failed))
}

// Join makes the interface receive what is sent to a group, until Close.
func (s *Socket) Join(group frame.MAC) error {
	m := unix.PacketMreq{Ifindex: int32(s.ifindex), Type: unix.PACKET_MR_MULTICAST, Alen: uint16(len(group))}
	copy(m.Address[:], group[:])
	return s.control(func(fd int) error {
		return os.NewSyscallError("setsockopt PACKET_ADD_MEMBERSHIP", unix.SetsockoptPacketMreq(fd, unix.SOL_PACKET, unix.PACKET_ADD_MEMBERSHIP, &m))
	})
}

// refuse makes the socket accept no frame any more.
func (s *Socket) refuse() error {
	return s.control(func(fd int) error { return attach(fd, []bpf.RawInstruction{{Op: unix.BPF_RET | unix.BPF_K}}) })
}

// drops is how many frames the kernel had no room for since the last call.
func (s *Socket) drops() (n uint64) {
	_ = s.control(func(fd int) error { // of a closed socket there are none
		stats, err := unix.GetsockoptTpacketStats(fd, unix.SOL_PACKET, unix.PACKET_STATISTICS)
		if err == nil {
			n = uint64(stats.Drops)
		}
		return err
	})
	return n
}

// control runs fn on the socket's file descriptor.
func (s *Socket) control(fn func(fd int) error) error {
	var failed error
	err := s.raw.Control(func(fd uintptr) { failed = fn(int(fd)) })
	return errors.Join(err, failed)
}

// Close closes the socket. A Receive that waits ends.
func (s *Socket) Close() error { return s.file.Close() }
