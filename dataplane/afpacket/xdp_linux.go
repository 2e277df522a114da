package afpacket

import (
	"encoding/binary"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// The AF_XDP socket of [Config.XDP]. One system call sends what is described in
// a ring of shared memory, without a message header, an address, a checksum to
// finish or a queueing discipline for each frame; that is a third of the cost.
const (
	xdpFrame = 2048 // bytes of a frame's place in the shared memory
	xdpSlots = 512  // places, and entries of each ring: a power of two, two batches
	xdpLeast = 16   // frames that are worth it; fewer go where captures see them
)

// An xdp sends finished frames by one queue of one interface. It is not safe
// for concurrent use, except with the kernel.
//
//	free ──put, commit──▶ tx ring ──kernel copies it──▶ done ring ──reclaim──▶ free
type xdp struct {
	out     int32
	fd      int                     // -1: it could not be opened, or failed
	tried   uint32                  // then: NIC.looks when it was tried last
	call    func(fd int) unix.Errno // kickXDP
	umem    []byte
	free    []uint64 // places that are nobody's
	pending int      // frames in the tx ring that the kernel has not taken yet

	rings    [2][]byte // as mapped: tx, done
	tx, done xdpRing
}

// An xdpRing is a ring in memory that is shared with the kernel,
// Documentation/networking/af_xdp.rst. Positions count up and wrap at 32 bits.
type xdpRing struct {
	mem                []byte
	produced, consumed int // where the positions are in mem
	entries            int // where the entries begin
}

// open opens a socket that sends by the interface. Copy mode leaves the driver
// and the receive path as they are: no program is loaded.
func (x *xdp) open() (err error) {
	defer func() {
		if err != nil {
			x.close()
			err = fmt.Errorf("open AF_XDP socket on interface %d: %w", x.out, err)
		}
	}()
	x.call, x.free = kickXDP, make([]uint64, 0, xdpSlots)
	for i := range uint64(xdpSlots) {
		x.free = append(x.free, i*xdpFrame)
	}
	if err := x.register(); err != nil {
		return err
	}
	// The fill ring is never used, but no socket is bound without one.
	for _, opt := range []int{unix.XDP_TX_RING, unix.XDP_UMEM_COMPLETION_RING, unix.XDP_UMEM_FILL_RING} {
		if err := unix.SetsockoptInt(x.fd, unix.SOL_XDP, opt, xdpSlots); err != nil {
			return fmt.Errorf("setsockopt, ring %d: %w", opt, err)
		}
	}
	off, err := xdpOffsets(x.fd)
	if err != nil {
		return fmt.Errorf("getsockopt XDP_MMAP_OFFSETS: %w", err)
	}
	if x.tx, x.rings[0], err = mapXDPRing(x.fd, unix.XDP_PGOFF_TX_RING, off.Tx, xdpDesc); err != nil {
		return err
	}
	if x.done, x.rings[1], err = mapXDPRing(x.fd, unix.XDP_UMEM_PGOFF_COMPLETION_RING, off.Cr, xdpAddr); err != nil {
		return err
	}
	// As far as the system allows.
	_ = unix.SetsockoptInt(x.fd, unix.SOL_SOCKET, unix.SO_SNDBUF, DefaultSendBuffer)
	// A queue is one socket's: other workers have theirs, if the interface has.
	for queue := uint32(0); ; queue++ {
		err := unix.Bind(x.fd, &unix.SockaddrXDP{Flags: unix.XDP_COPY, Ifindex: uint32(x.out), QueueID: queue})
		if err != unix.EBUSY {
			return os.NewSyscallError("bind", err)
		}
	}
}

// register makes the socket and the memory it sends from.
func (x *xdp) register() (err error) {
	if x.fd, err = unix.Socket(unix.AF_XDP, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0); err != nil {
		return os.NewSyscallError("socket", err)
	}
	if x.umem, err = unix.Mmap(-1, 0, xdpSlots*xdpFrame, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS); err != nil {
		return os.NewSyscallError("mmap", err)
	}
	switch errno := registerXDP(x.fd, x.umem, xdpFrame); errno {
	case 0:
		return nil
	case unix.ENOBUFS:
		return fmt.Errorf("lock %d KiB of memory (ulimit -l): %w", xdpSlots*xdpFrame>>10, errno)
	default:
		return fmt.Errorf("setsockopt XDP_UMEM_REG: %w", errno)
	}
}

// ProbeXDP is why there are no AF_XDP sockets for this process, whatever the
// interface; nil: there are.
func ProbeXDP() error {
	x := &xdp{fd: -1}
	defer x.close()
	return x.register()
}

// Sizes of entries in bytes: struct xdp_desc of <linux/if_xdp.h>, and an address.
const (
	xdpDesc = 16
	xdpAddr = 8
)

func mapXDPRing(fd int, at int64, off unix.XDPRingOffset, entry int) (xdpRing, []byte, error) {
	mem, err := unix.Mmap(fd, at, int(off.Desc)+xdpSlots*entry, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED|unix.MAP_POPULATE)
	return xdpRing{mem: mem, produced: int(off.Producer), consumed: int(off.Consumer), entries: int(off.Desc)}, mem, os.NewSyscallError("mmap", err)
}

// close gives back what there is.
func (x *xdp) close() {
	for _, mem := range [][]byte{x.rings[0], x.rings[1], x.umem} {
		if mem != nil {
			_ = unix.Munmap(mem)
		}
	}
	if x.fd >= 0 {
		_ = unix.Close(x.fd)
	}
	x.rings, x.umem, x.fd, x.free, x.pending = [2][]byte{}, nil, -1, nil, 0
}

// reclaim takes the places back that the kernel is done with.
func (x *xdp) reclaim() {
	at, end := readShared(x.done.mem, x.done.consumed), readShared(x.done.mem, x.done.produced)
	for ; at != end; at++ {
		x.free = append(x.free, binary.NativeEndian.Uint64(x.done.entry(at, xdpAddr)))
	}
	writeShared(x.done.mem, x.done.consumed, at)
}

// put makes frame the i-th behind what is in the tx ring, unseen by the kernel
// as yet; false: there is no place for it.
func (x *xdp) put(i int, frame []byte) bool {
	if i >= len(x.free) || len(frame) > xdpFrame {
		return false
	}
	place := x.free[len(x.free)-1-i]
	copy(x.umem[place:], frame)
	e := x.tx.entry(readShared(x.tx.mem, x.tx.produced)+uint32(i), xdpDesc)
	binary.NativeEndian.PutUint64(e, place)
	binary.NativeEndian.PutUint64(e[8:], uint64(len(frame)))
	return true
}

// commit gives the kernel the first n frames that were put.
func (x *xdp) commit(n int) {
	writeShared(x.tx.mem, x.tx.produced, readShared(x.tx.mem, x.tx.produced)+uint32(n))
	x.free = x.free[:len(x.free)-n]
	x.pending += n
}

// kick has the kernel send what is pending: how many frames it sent, and how
// many it dropped because the device had no room. A frame the kernel knows of
// cannot be taken back (it remembers how far the ring is filled): what is still
// pending after an error stays so.
func (x *xdp) kick() (sent, dropped int, errno unix.Errno) {
	for x.pending > 0 {
		errno = x.call(x.fd)
		left := int(readShared(x.tx.mem, x.tx.produced) - readShared(x.tx.mem, x.tx.consumed))
		taken := x.pending - left
		x.pending = left
		if errno == unix.EBUSY && taken > 0 { // the last it took (NET_XMIT_DROP in __xsk_generic_xmit)
			dropped++
			taken--
		} else if taken == 0 && errno != unix.EINTR {
			break
		}
		sent += taken
	}
	return sent, dropped, errno
}

// entry is that of size bytes at a position.
func (r *xdpRing) entry(position uint32, size int) []byte {
	return r.mem[r.entries+int(position%xdpSlots)*size:][:size]
}
