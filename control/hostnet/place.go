package hostnet

import (
	"net/netip"

	"lvsdr/dataplane/frame"
)

// A Link is a network interface.
type Link struct {
	Name  string
	Index int       // from 1; 0 means that there is none
	MAC   frame.MAC // zero where it has none
	MTU   int       // bytes of an IP packet
	Up    bool      // administratively
	Kind  string    // as ip -d link shows it: veth, bridge, …; empty for a device
}

// A Place is a link on which an address is reached without a gateway. Places
// can be compared with ==.
type Place struct {
	Link Link
	// Source is the host's own address there, of the same family; the zero Addr
	// where it has none.
	Source netip.Addr
	// Warning says what an operator should know of a place that works; empty:
	// nothing.
	Warning string
}
