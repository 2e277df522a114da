package neighbour

import (
	"cmp"
	"net"
	"net/netip"

	"github.com/vishvananda/netlink"

	"lvsdr/dataplane/frame"
)

// A Place is an address on a link.
type Place struct {
	Link int // interface index
	Addr netip.Addr
}

// Compare orders places by link and address.
func (p Place) Compare(o Place) int {
	return cmp.Or(cmp.Compare(p.Link, o.Link), p.Addr.Compare(o.Addr))
}

// An Entry is an entry of the kernel's neighbour tables.
type Entry struct {
	Place
	MAC frame.MAC // zero: none that is known
	// Permanent says that an operator has given the MAC address for good.
	Permanent bool
	// Fixed says that the entry is not the kernel's own: it is permanent, needs no ARP, or
	// is a routing daemon's.
	Fixed  bool
	Router bool // it is marked as one
}

// EntryOf is an entry of the netlink library as a value.
func EntryOf(n *netlink.Neigh) Entry {
	e := Entry{Place: Place{n.LinkIndex, addrOf(n.IP)}, Permanent: n.State&netlink.NUD_PERMANENT != 0, Router: n.Flags&netlink.NTF_ROUTER != 0}
	e.Fixed = e.Permanent || n.State&netlink.NUD_NOARP != 0 || n.Flags&netlink.NTF_EXT_LEARNED != 0
	if len(n.HardwareAddr) == len(e.MAC) && n.HardwareAddr[0]&1 == 0 {
		e.MAC = frame.MAC(n.HardwareAddr)
	}
	return e
}

func addrOf(ip net.IP) netip.Addr {
	a, _ := netip.AddrFromSlice(ip)
	return a.Unmap()
}
