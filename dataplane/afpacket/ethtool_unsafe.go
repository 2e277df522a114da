//go:build linux

package afpacket

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// An ethtoolValue is struct ethtool_value, <linux/ethtool.h>.
type ethtoolValue struct{ cmd, data uint32 }

// An ethtoolRequest is struct ifreq with a pointer, see netdevice(7).
type ethtoolRequest struct {
	name [unix.IFNAMSIZ]byte
	data *ethtoolValue
	_    [16]byte // the union's other members are longer
}

// ethtool is ioctl(2) SIOCETHTOOL on a socket of any kind.
func ethtool(fd int, ifname string, v *ethtoolValue) unix.Errno {
	r := ethtoolRequest{data: v}
	copy(r.name[:unix.IFNAMSIZ-1], ifname)
	_, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), unix.SIOCETHTOOL, uintptr(unsafe.Pointer(&r)))
	return errno
}
