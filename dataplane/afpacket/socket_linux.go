package afpacket

import (
	"errors"
	"fmt"
	"net"
	"os"

	"github.com/mdlayher/packet"
	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// openSocket opens a packet socket on the interface that receives nothing yet. For
// protocol 0 it is not in the kernel's list: no frame takes time for it.
//
// The socket is opened and bound through packet.Listen, the filter attached
// before the bind, so that no frame is ever queued unfiltered. Then the
// descriptor is duplicated and the connection closed, which takes the socket
// out of Go's network poller: the worker polls by itself, and waking the poller
// for frames would be of no use.
func openSocket(ifi *net.Interface, protocol int) (int, error) {
	closed, err := bpf.Assemble(rejectAll)
	if err != nil {
		return -1, fmt.Errorf("assemble filter: %w", err)
	}
	conn, err := packet.Listen(ifi, packet.Raw, protocol, &packet.Config{Filter: closed})
	if err != nil {
		return -1, fmt.Errorf("open packet socket on %s: %w", ifi.Name, err)
	}
	fd, err := duplicate(conn)
	if cerr := conn.Close(); err == nil && cerr != nil {
		_ = unix.Close(fd)
		return -1, cerr
	}
	return fd, err
}

// mapRing gives the socket a ring of geometry l, and maps it.
func mapRing(fd int, cfg Config, l layout) ([]byte, error) {
	err := setOptions(fd, cfg, l)
	if err == nil {
		var mem []byte
		if mem, err = unix.Mmap(fd, 0, l.bytes(), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED); err == nil {
			return mem, nil
		}
		err = os.NewSyscallError("mmap", err)
	}
	return nil, fmt.Errorf("prepare packet socket on %s: %w", cfg.Interface.Name, err)
}

// release gives a ring and a descriptor back; nil and -1: there is none.
func release(fd int, mem []byte) error {
	var errs []error
	if mem != nil {
		errs = append(errs, os.NewSyscallError("munmap", unix.Munmap(mem)))
	}
	if fd >= 0 {
		errs = append(errs, os.NewSyscallError("close", unix.Close(fd)))
	}
	return errors.Join(errs...)
}

// queueBytes is the room for frames that are longer than a slot, as the kernel
// counts it, with what it needs itself: some hundred of them.
const queueBytes = 16 << 20

// growQueue makes room for long frames in the socket's queue and reports
// whether there is.
func growQueue(fd int) bool {
	return unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, queueBytes) == nil
}

// duplicate gives a second descriptor of the socket under conn.
func duplicate(conn *packet.Conn) (int, error) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return -1, err
	}
	fd, dupErr := -1, error(nil)
	if err := raw.Control(func(p uintptr) {
		fd, dupErr = unix.FcntlInt(p, unix.F_DUPFD_CLOEXEC, 0)
	}); err != nil {
		return -1, err
	}
	return fd, os.NewSyscallError("fcntl", dupErr)
}

// setOptions makes the ring. The order matters: the kernel refuses to change
// version, header and headroom of a socket that has one.
func setOptions(fd int, cfg Config, l layout) error {
	options := []struct {
		name  string
		level int
		opt   int
		value int
	}{
		{"PACKET_IGNORE_OUTGOING", unix.SOL_PACKET, unix.PACKET_IGNORE_OUTGOING, 1},
		{"PACKET_VERSION", unix.SOL_PACKET, unix.PACKET_VERSION, unix.TPACKET_V2},
		{"PACKET_VNET_HDR", unix.SOL_PACKET, unix.PACKET_VNET_HDR, 1},
		{"PACKET_RESERVE", unix.SOL_PACKET, unix.PACKET_RESERVE, reserve},
		{"PACKET_AUXDATA", unix.SOL_PACKET, unix.PACKET_AUXDATA, 1},
		{"PACKET_COPY_THRESH", unix.SOL_PACKET, unix.PACKET_COPY_THRESH, 1}, // nothing is longer than a slot for SYNs
	}
	for _, o := range options {
		if err := unix.SetsockoptInt(fd, o.level, o.opt, o.value); err != nil {
			return fmt.Errorf("setsockopt %s: %w", o.name, err)
		}
	}
	if cfg.BypassQdisc {
		if err := unix.SetsockoptInt(fd, unix.SOL_PACKET, unix.PACKET_QDISC_BYPASS, 1); err != nil {
			return fmt.Errorf("setsockopt PACKET_QDISC_BYPASS: %w", err)
		}
	}
	if unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_SNDBUFFORCE, cfg.SendBuffer) != nil {
		// Not allowed to go beyond the system's limit: as far as it allows.
		if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_SNDBUF, cfg.SendBuffer); err != nil {
			return fmt.Errorf("setsockopt SO_SNDBUF: %w", err)
		}
	}
	req := unix.TpacketReq{
		Block_size: uint32(l.blockSize),
		Block_nr:   uint32(l.blocks),
		Frame_size: uint32(l.slotSize),
		Frame_nr:   uint32(l.slots()),
	}
	if err := unix.SetsockoptTpacketReq(fd, unix.SOL_PACKET, unix.PACKET_RX_RING, &req); err != nil {
		return fmt.Errorf("setsockopt PACKET_RX_RING, %d slots in %d MiB: %w", l.slots(), l.bytes()>>20, err)
	}
	return nil
}

// attach swaps the filter of the socket, without a moment in between.
func attach(fd int, prog []bpf.RawInstruction) error {
	fprog := make([]unix.SockFilter, len(prog))
	for i, in := range prog {
		fprog[i] = unix.SockFilter{Code: in.Op, Jt: in.Jt, Jf: in.Jf, K: in.K}
	}
	err := unix.SetsockoptSockFprog(fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER,
		&unix.SockFprog{Len: uint16(len(fprog)), Filter: &fprog[0]})
	if err == unix.ENOMEM {
		return fmt.Errorf("attach filter of %d instructions: larger net.core.optmem_max needed: %w", len(prog), err)
	}
	if err != nil {
		return fmt.Errorf("attach filter of %d instructions: %w", len(prog), err)
	}
	return nil
}

// The fan-out mode of all groups: by the kernel's flow hash. Without
// PACKET_FANOUT_FLAG_DEFRAG, which would put IPv4 fragments together to
// datagrams that are too long to be sent again: whoever reads the ports has to
// know what to do with fragments.
const fanoutMode = unix.PACKET_FANOUT_HASH

// createFanout makes the socket the first member of a new fan-out group, whose
// number the kernel chooses. 0 is one it may choose, the first time after boot.
func createFanout(fd int) (uint16, error) {
	err := joinFanout(fd, 0, fanoutMode|unix.PACKET_FANOUT_FLAG_UNIQUEID)
	if err == nil {
		v, err := unix.GetsockoptInt(fd, unix.SOL_PACKET, unix.PACKET_FANOUT)
		return uint16(v), os.NewSyscallError("getsockopt PACKET_FANOUT", err)
	}
	// Before Linux 4.12 the kernel does not choose. A number from the process
	// id may be in use: another process on the same interface with the same
	// mode would then share the frames with us, unnoticed.
	id := uint16(os.Getpid())
	return id, joinFanout(fd, id, fanoutMode)
}

// joinFanout makes the socket a member of fan-out group id.
func joinFanout(fd int, id uint16, mode int) error {
	err := unix.SetsockoptInt(fd, unix.SOL_PACKET, unix.PACKET_FANOUT, int(id)|mode<<16)
	if err != nil {
		return fmt.Errorf("join fan-out group %d: %w", id, err)
	}
	return nil
}
