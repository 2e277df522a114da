package afpacket

import (
	"errors"

	"golang.org/x/sys/unix"
)

// listeners have the kernel report groups to the multicast routers and the snooping
// switches of a link, by MLD (RFC 3810), now and whenever a querier asks. The
// membership of a packet socket only opens the network card: a switch that snoops
// stops forwarding solicitations after the querier's first round.
//
// They are best effort. Where an interface has no IPv6 there is no link-local address
// to report from, and solicitations arrive wherever nothing snoops.
type listeners struct {
	fds []int         // sockets of IPv6; a socket has room for some hundred groups
	at  map[group]int // the socket that joined each
}

// solicitedNode is the IPv6 address of g, of which solicitedGroups has the last bytes:
// ff02::1:ffxx:xxxx.
func (g group) solicitedNode() [16]byte {
	return [16]byte{0xff, 0x02, 11: 0x01, 12: 0xff, 13: g[3], 14: g[4], 15: g[5]}
}

// join joins gs on the interface index.
func (l *listeners) join(index int, gs []group) {
	for _, g := range gs {
		if _, joined := l.at[g]; !joined && !l.joinOne(index, g) {
			return
		}
	}
}

// joinOne joins g by the last socket or, if that is full, by a new one.
func (l *listeners) joinOne(index int, g group) bool {
	mreq := &unix.IPv6Mreq{Multiaddr: g.solicitedNode(), Interface: uint32(index)}
	for fresh := false; ; fresh = true {
		if len(l.fds) == 0 || fresh {
			fd, err := unix.Socket(unix.AF_INET6, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
			if err != nil {
				return false
			}
			l.fds = append(l.fds, fd)
		}
		last := len(l.fds) - 1
		err := unix.SetsockoptIPv6Mreq(l.fds[last], unix.IPPROTO_IPV6, unix.IPV6_JOIN_GROUP, mreq)
		if err == nil {
			if l.at == nil {
				l.at = map[group]int{}
			}
			l.at[g] = l.fds[last]
			return true
		}
		if fresh || !errors.Is(err, unix.ENOMEM) && !errors.Is(err, unix.ENOBUFS) {
			return false
		}
	}
}

// leave undoes join for gs. That fails only where nothing is left to undo.
func (l *listeners) leave(index int, gs []group) {
	for _, g := range gs {
		if fd, joined := l.at[g]; joined {
			_ = unix.SetsockoptIPv6Mreq(fd, unix.IPPROTO_IPV6, unix.IPV6_LEAVE_GROUP, &unix.IPv6Mreq{Multiaddr: g.solicitedNode(), Interface: uint32(index)})
			delete(l.at, g)
		}
	}
}

// close leaves all groups.
func (l *listeners) close() {
	for _, fd := range l.fds {
		_ = unix.Close(fd) // nothing was written
	}
	l.fds, l.at = nil, nil
}
