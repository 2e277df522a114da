//go:build linux

package afpacket

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// setName makes a the address h is sent to.
func setName(h *unix.Msghdr, a *unix.RawSockaddrLinklayer) {
	h.Name = (*byte)(unsafe.Pointer(a))
	h.Namelen = unix.SizeofSockaddrLinklayer
}

// sendmmsg is sendmmsg(2) without waiting: how many of msgs, which must not be
// empty, were sent, at least one if there is no error.
//
// It never sleeps, so Go's scheduler is not told: it would give the thread's
// place to another after 20 µs and have it taken back, which costs two switches
// of threads for each call. In return it must be short: who stops the world
// waits for it.
func sendmmsg(fd int, msgs []mmsghdr) (int, unix.Errno) {
	n, _, errno := unix.RawSyscall6(unix.SYS_SENDMMSG, uintptr(fd),
		uintptr(unsafe.Pointer(unsafe.SliceData(msgs))), uintptr(len(msgs)), unix.MSG_DONTWAIT, 0, 0)
	return int(n), errno
}

// recvmsg is recvmsg(2) without waiting: the length of the datagram, also where
// it is longer than the buffer.
func recvmsg(fd int, h *unix.Msghdr) (int, unix.Errno) {
	n, _, errno := unix.RawSyscall(unix.SYS_RECVMSG, uintptr(fd), uintptr(unsafe.Pointer(h)), unix.MSG_DONTWAIT|unix.MSG_TRUNC)
	return int(n), errno
}
