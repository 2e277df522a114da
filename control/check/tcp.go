package check

import "context"

// TCP connects to an address and closes the connection again; keepalived's
// TCP_CHECK.
//
// The connection ends with FIN, not RST. A reset would spare this host the
// TIME_WAIT state (a minute for each check, harmless), but servers log "connection
// reset by peer", and a server that is slow to accept gets the error instead of
// a connection. Only with a Bind port the connection is reset: the port is the
// same each time, and TIME_WAIT would forbid the next check.
type TCP Peer

var _ Probe = TCP{}

// Check connects to p.Addr. Errors read "connect 192.168.1.11:80: connection
// refused".
func (p TCP) Check(ctx context.Context) Result {
	return Result{Err: connect(ctx, "connect "+p.Addr.String(), p.Addr, Peer(p).options())}
}

// Kind is keepalived's word for it.
func (p TCP) Kind() string { return "TCP_CHECK" }

// String is "TCP 192.168.1.11:80", followed by the fields that are set.
func (p TCP) String() string { return "TCP " + Peer(p).String() }
