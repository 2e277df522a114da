//go:build linux

package privileges

import (
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// set makes these the permitted and effective capabilities of all threads, and none
// inheritable.
func set(caps uint64) error {
	hdr := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	for i := range data {
		part := uint32(caps >> (32 * i))
		data[i].Permitted, data[i].Effective = part, part
	}
	return errnoOf(syscall.AllThreadsSyscall(unix.SYS_CAPSET, uintptr(unsafe.Pointer(&hdr)), uintptr(unsafe.Pointer(&data[0])), 0))
}
