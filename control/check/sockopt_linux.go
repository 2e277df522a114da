package check

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// setOptions sets o on a socket that is not connected yet; socket(7), ip(7),
// ipv6(7). One for ICMP gets nothing but echo replies then.
func setOptions(fd int, v6, icmp bool, o socketOptions) error {
	if icmp {
		if err := filterEchoes(fd, v6); err != nil {
			return fmt.Errorf("filter messages of ICMP: %w", err)
		}
	}
	if o.quiet {
		if err := quieten(fd); err != nil {
			return err
		}
	}
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

// quieten has a connection that is closed at once send SYN and RST, and nothing else: the
// acknowledgement of the other end's SYN is delayed, and comes too late.
func quieten(fd int) error {
	if err := unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_QUICKACK, 0); err != nil {
		return fmt.Errorf("delay acknowledgements: %w", err)
	}
	if err := unix.SetsockoptLinger(fd, unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1}); err != nil {
		return fmt.Errorf("end by reset: %w", err)
	}
	return nil
}

// filterEchoes lets a raw socket have echo replies alone; raw(7), RFC 3542 section 3.2. In both
// filters a bit that is set blocks the type.
func filterEchoes(fd int, v6 bool) error {
	const echoReply, echoReply6 = 0, 129
	if !v6 {
		return unix.SetsockoptInt(fd, unix.SOL_RAW, unix.ICMP_FILTER, ^(1 << echoReply))
	}
	var f unix.ICMPv6Filter
	for i := range f.Data {
		f.Data[i] = ^uint32(0)
	}
	f.Data[echoReply6/32] &^= 1 << (echoReply6 % 32)
	return unix.SetsockoptICMPv6Filter(fd, unix.IPPROTO_ICMPV6, unix.ICMPV6_FILTER, &f)
}
