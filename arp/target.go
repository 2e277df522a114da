package arp

import (
	"cmp"
	"fmt"
	"net/netip"
	"time"

	"lvsdr/arp/ndp"
	"lvsdr/dataplane/frame"
)

// A Target is a neighbour whose MAC address is wanted: a real server, or the
// next hop on the way to one. Which real servers are reached by it is the
// caller's to know.
type Target struct {
	IP      netip.Addr // IPv4 or IPv6, without a zone
	Ifindex int32      // where it is asked for
	// SourceIP is the host's own address on that interface, of IP's family and
	// for IPv6 of whichever scope; the zero Addr if it has none. Then IPv4
	// requests come from 0.0.0.0, which Linux answers, and IPv6 ones from the
	// link-local address that belongs to SourceMAC (ndp.LinkLocal), also if the
	// host has not given it to itself: the answer finds us by the MAC address.
	// It must not be a VIP: the real server has that address itself and drops
	// such a request.
	SourceIP  netip.Addr
	SourceMAC frame.MAC // of the interface
	// Name is how messages call it; default "real server" and IP.
	Name string
	// Static is the MAC address if it is given and not to be found out: it is
	// not asked for and never moves. Zero: it is asked for.
	Static frame.MAC
	// Down says that the interface is down: the target is not asked, and stays as it is
	// known.
	Down bool
}

func (t Target) place() place { return place{t.Ifindex, t.IP} }

// check says what is wrong with t.
func (t Target) check() error {
	switch {
	case !resolvable(t.IP):
		return fmt.Errorf("target %v: not the address of a host on a link", t.IP)
	case t.SourceIP.IsValid() && !t.canAskFrom(t.SourceIP):
		return fmt.Errorf("target %v: cannot be asked for from %v", t.IP, t.SourceIP)
	case t.Ifindex <= 0:
		return fmt.Errorf("target %v: interface index %d", t.IP, t.Ifindex)
	case !station(t.SourceMAC):
		return fmt.Errorf("target %v: %s is not the MAC address of an interface", t.IP, t.SourceMAC)
	case t.Static != (frame.MAC{}) && (!station(t.Static) || t.Static == t.SourceMAC):
		return fmt.Errorf("target %v: %s is not the MAC address of another host", t.IP, t.Static)
	}
	return nil
}

// canAskFrom reports whether a can be the source of requests for t. 0.0.0.0 can;
// with :: they would be probes (RFC 4862 section 5.4).
func (t Target) canAskFrom(a netip.Addr) bool {
	return a.Is4() == t.IP.Is4() && (resolvable(a) || a == netip.IPv4Unspecified())
}

// source is the sender address of requests for t.
func (t Target) source() netip.Addr {
	switch {
	case t.SourceIP.IsValid():
		return t.SourceIP
	case t.IP.Is4():
		return netip.IPv4Unspecified()
	}
	return ndp.LinkLocal(t.SourceMAC)
}

// name is how messages call t.
func (t Target) name() string { return cmp.Or(t.Name, "real server "+t.IP.String()) }

// Request is the request for t's MAC address to all hosts: by broadcast, or to
// the solicited-node group.
func (t Target) Request() Packet {
	return Packet{
		Dst: askedAt(t.IP), Src: t.SourceMAC, Op: Request,
		SenderMAC: t.SourceMAC, SenderIP: t.source(), TargetIP: t.IP,
	}
}

// A State is the state of a neighbour.
type State uint8

// The states, as the resolver draws them. The names are the kernel's where the
// meaning is.
const (
	incomplete State = iota // asked for, never heard of
	reachable               // heard of within the last 30 s
	probing                 // being asked again; the MAC address is still good
	failed                  // it did not answer; there is no MAC address
	permanent               // the MAC address is given
)

// String is the state in lower case.
func (s State) String() string {
	switch s {
	case incomplete:
		return "incomplete"
	case reachable:
		return "reachable"
	case probing:
		return "probe"
	case failed:
		return "failed"
	case permanent:
		return "permanent"
	}
	return "state?"
}

// A Neighbour is the state of one target.
type Neighbour struct {
	IP      netip.Addr
	Ifindex int32
	Name    string
	MAC     frame.MAC // zero: none that can be used
	State   State
	// Age is the time since the target was last heard of; since it was set, if
	// it never was.
	Age time.Duration
}

// A Change says that the MAC address to be used for a target is another one. The
// zero MAC means that there is none. Both are zero when a target was asked for
// in vain and had none before.
type Change struct {
	IP       netip.Addr
	Ifindex  int32
	Name     string
	Old, New frame.MAC
}

// event is c for the log.
func (c Change) event() Event {
	e := Event{Kind: RealServerMoved, Ifindex: c.Ifindex, RealServer: c.IP, Name: c.Name, MAC: c.New, OldMAC: c.Old}
	switch (frame.MAC{}) {
	case c.New:
		e.Kind = RealServerLost
	case c.Old:
		e.Kind = RealServerFound
	}
	return e
}
