package check

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// setOptions sets o on a socket that is not connected yet; socket(7), ip(7),
// ipv6(7).
func setOptions(fd int, v6 bool, o socketOptions) error {
	if o.iface != "" {
		if err := unix.SetsockoptString(fd, unix.SOL_SOCKET, unix.SO_BINDTODEVICE, o.iface); err != nil {
			return fmt.Errorf("bind to interface %s: %w", o.iface, err)
		}
	}
	if o.mark != 0 {
		if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_MARK, int(o.mark)); err != nil {
			return fmt.Errorf("set firewall mark %#x (needs CAP_NET_ADMIN): %w", o.mark, err)
		}
	}
	if o.ttl == 0 {
		return nil
	}
	level, option := unix.IPPROTO_IP, unix.IP_TTL
	if v6 {
		level, option = unix.IPPROTO_IPV6, unix.IPV6_UNICAST_HOPS
	}
	if err := unix.SetsockoptInt(fd, level, option, o.ttl); err != nil {
		return fmt.Errorf("set TTL %d: %w", o.ttl, err)
	}
	return nil
}
