package check

import (
	"context"
	"net/netip"
	"time"
)

// TCP connects to an address and ends the connection at once; keepalived's
// TCP_CHECK.
//
// The connection is SYN, the server's SYN+ACK, and RST: the acknowledgement that would
// complete it is delayed (tcp(7), TCP_QUICKACK) until it is not needed any more. So the
// server's program sees nothing of a check: it does not wake up to accept a connection that
// says nothing, and does not log one that was reset. Neither end keeps a TIME_WAIT state, of
// which there would be ten for each check with delay_loop 6. A check that was acknowledged in
// full would not find out more: the server's kernel answers the SYN alone, whatever the
// program does, and does not answer while the program's queue of connections is full.
type TCP Peer

var (
	_ Probe      = TCP{}
	_ connecting = TCP{}
)

// Check connects to p.Addr. Errors read "connect 192.168.1.11:80: connection
// refused".
func (p TCP) Check(ctx context.Context) Result {
	return Result{Err: connect(ctx, p.what(), p.Addr, Peer(p).options())}
}

func (p TCP) what() string { return "connect " + p.Addr.String() }

// target is p itself, unless an address has a zone, whose number package net knows, or they
// do not fit, which it has words for.
func (p TCP) target() (target, bool) {
	to, bind, o := p.Addr.Addr().Unmap(), p.Bind.Addr().Unmap(), Peer(p).options()
	o.quiet, o.bind = true, netip.AddrPortFrom(bind, p.Bind.Port())
	fits := to.IsValid() && to.Zone() == "" && (!bind.IsValid() || bind.BitLen() == to.BitLen() && bind.Zone() == "")
	return target{netip.AddrPortFrom(to, p.Addr.Port()), o}, fits
}

func (p TCP) verdict(err error, _ time.Time) Result {
	if err == nil {
		return Result{}
	}
	return Result{Err: connectError(context.Background(), p.what(), p.Bind.Addr(), err)}
}

// Kind is keepalived's word for it.
func (p TCP) Kind() string { return "TCP_CHECK" }

// String is "TCP 192.168.1.11:80", followed by the fields that are set.
func (p TCP) String() string { return "TCP " + Peer(p).String() }
