package afpacket

import (
	"bytes"
	"fmt"
	"net/netip"
	"slices"

	"golang.org/x/sys/unix"
)

// A group is the Ethernet address of a multicast group. A network card passes
// on frames to those groups only that somebody joined.
type group [6]byte

func compareGroups(a, b group) int { return bytes.Compare(a[:], b[:]) }

// solicitedGroups are the groups that neighbour solicitations for the IPv6
// addresses of vips are sent to, sorted, each once: 33:33 and the last four
// bytes (RFC 2464 section 7) of ff02::1:ffxx:xxxx, which ends like the address
// (RFC 4291 section 2.7.1).
func solicitedGroups(vips []netip.Addr) []group {
	var gs []group
	for _, a := range vips {
		if a = a.Unmap(); a.Is6() {
			b := a.As16()
			gs = append(gs, group{0x33, 0x33, 0xff, b[13], b[14], b[15]})
		}
	}
	slices.SortFunc(gs, compareGroups)
	return slices.Compact(gs)
}

// without are those of a that are not in b; both are sorted.
func without(a, b []group) (rest []group) {
	for _, g := range a {
		if _, found := slices.BinarySearchFunc(b, g, compareGroups); !found {
			rest = append(rest, g)
		}
	}
	return rest
}

// joinGroups makes the interface index receive gs as long as the socket fd is
// open; all of them or, with an error, none. Interfaces count who joined.
func joinGroups(fd, index int, gs []group) error {
	for i, g := range gs {
		if err := setMembership(fd, index, unix.PACKET_ADD_MEMBERSHIP, g); err != nil {
			leaveGroups(fd, index, gs[:i])
			return fmt.Errorf("join multicast group %x: setsockopt PACKET_ADD_MEMBERSHIP: %w", g[:], err)
		}
	}
	return nil
}

// leaveGroups undoes joinGroups. That fails only where nothing is left to undo,
// because the interface was deleted.
func leaveGroups(fd, index int, gs []group) {
	for _, g := range gs {
		_ = setMembership(fd, index, unix.PACKET_DROP_MEMBERSHIP, g)
	}
}

func setMembership(fd, index, opt int, g group) error {
	m := unix.PacketMreq{Ifindex: int32(index), Type: unix.PACKET_MR_MULTICAST, Alen: uint16(len(g))}
	copy(m.Address[:], g[:])
	return unix.SetsockoptPacketMreq(fd, unix.SOL_PACKET, opt, &m)
}
