package check

import (
	"context"
	"fmt"
	"net/netip"
	"strings"
)

// TCP connects to an address and closes the connection again; keepalived's
// TCP_CHECK.
//
// The connection ends with FIN, not RST. A reset would spare this host the
// TIME_WAIT state (a minute for each check, harmless), but servers log "connection
// reset by peer", and a server that is slow to accept gets the error instead of
// a connection. Only with a Bind port the connection is reset: the port is the
// same each time, and TIME_WAIT would forbid the next check.
type TCP struct {
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

var _ Probe = TCP{}

// Check connects to p.Addr. Errors read "connect 192.168.1.11:80: connection
// refused".
func (p TCP) Check(ctx context.Context) Result {
	return Result{Err: connect(ctx, "connect "+p.Addr.String(), p.Addr, socketOptions{
		bind: p.Bind, iface: p.Interface, mark: p.Mark,
	})}
}

// Kind is keepalived's word for it.
func (p TCP) Kind() string { return "TCP_CHECK" }

// String is "TCP 192.168.1.11:80", followed by the fields that are set.
func (p TCP) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "TCP %s", p.Addr)
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
