package check

import (
	"fmt"
	"net/netip"
	"strings"
)

// A Peer is the server that a probe asks, and the place it is asked from: the words that
// all checks share which use the network.
type Peer struct {
	// Addr is the address to connect to.
	Addr netip.AddrPort
	// Bind is the source address (bindto) and port (bind_port); each may be
	// zero: the kernel chooses.
	Bind netip.AddrPort
	// Interface is the name of the interface the packets must leave by
	// (bind_if); empty: as routed.
	Interface string
	// Mark is the firewall mark of the packets (fwmark); 0: none. Needs
	// CAP_NET_ADMIN.
	Mark uint32
}

func (p Peer) options() socketOptions {
	return socketOptions{bind: p.Bind, iface: p.Interface, mark: p.Mark}
}

// String is "192.168.1.11:80", followed by the fields that are set.
func (p Peer) String() string {
	var b strings.Builder
	b.WriteString(p.Addr.String())
	if p.Bind != (netip.AddrPort{}) {
		fmt.Fprintf(&b, " bindto %s bind_port %d", p.Bind.Addr(), p.Bind.Port())
	}
	if p.Interface != "" {
		fmt.Fprintf(&b, " bind_if %s", p.Interface)
	}
	if p.Mark != 0 {
		fmt.Fprintf(&b, " fwmark %d", p.Mark)
	}
	return b.String()
}
