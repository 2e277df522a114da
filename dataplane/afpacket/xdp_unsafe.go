//go:build linux

package afpacket

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// registerXDP makes mem, in places of size bytes, what the AF_XDP socket sends
// from.
func registerXDP(fd int, mem []byte, size uint32) unix.Errno {
	reg := unix.XDPUmemReg{Addr: uint64(uintptr(unsafe.Pointer(&mem[0]))), Len: uint64(len(mem)), Size: size}
	// Its first form (Linux 4.18) ends before the flags.
	_, _, errno := unix.Syscall6(unix.SYS_SETSOCKOPT, uintptr(fd), unix.SOL_XDP, unix.XDP_UMEM_REG,
		uintptr(unsafe.Pointer(&reg)), unsafe.Offsetof(reg.Flags), 0)
	return errno
}

// xdpOffsets says where in each mapped ring its parts are.
func xdpOffsets(fd int) (off unix.XDPMmapOffsets, err error) {
	size := uint32(unsafe.Sizeof(off))
	_, _, errno := unix.Syscall6(unix.SYS_GETSOCKOPT, uintptr(fd), unix.SOL_XDP, unix.XDP_MMAP_OFFSETS,
		uintptr(unsafe.Pointer(&off)), uintptr(unsafe.Pointer(&size)), 0)
	if errno != 0 {
		return off, errno
	}
	if uintptr(size) < unsafe.Sizeof(off) {
		return off, unix.ENOTSUP // before Linux 5.4 there were no flags
	}
	return off, nil
}

// kickXDP has the kernel send what is in the tx ring, without waiting: 32 frames
// at most. For why it is a raw call see sendmmsg.
func kickXDP(fd int) unix.Errno {
	_, _, errno := unix.RawSyscall6(unix.SYS_SENDTO, uintptr(fd), 0, 0, unix.MSG_DONTWAIT, 0, 0)
	return errno
}
