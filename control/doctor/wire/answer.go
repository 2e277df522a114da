package wire

import (
	"fmt"
	"net/netip"

	"lvsdr/dataplane/frame"
)

// A Claim is the statement of a host that it has an address.
type Claim struct {
	Link string // the name of the interface where it was heard
	Addr netip.Addr
	MAC  frame.MAC
}

// String shows the claim, such as "ARP on eth0: 192.168.1.11 is at
// 02:00:00:00:00:11".
func (c Claim) String() string {
	protocol := "ARP"
	if c.Addr.Is6() {
		protocol = "neighbour discovery"
	}
	return fmt.Sprintf("%s on %s: %s is at %s", protocol, c.Link, c.Addr, c.MAC)
}

// An Outcome is the kind of answer to a probe.
type Outcome uint8

// The outcomes.
const (
	Silence     Outcome = iota // nothing
	Accepted                   // SYN with ACK
	Refused                    // RST
	Echoed                     // an echo reply
	Unreachable                // an ICMP error
	Returned                   // our own packet, from the host it was sent to
)

// String is the outcome in lower case.
func (o Outcome) String() string {
	switch o {
	case Silence:
		return "silence"
	case Accepted:
		return "accepted"
	case Refused:
		return "refused"
	case Echoed:
		return "echoed"
	case Unreachable:
		return "unreachable"
	case Returned:
		return "returned"
	}
	return "outcome?"
}

// An Answer is the answer to a probe.
type Answer struct {
	Outcome Outcome
	From    frame.MAC  // who sent the frame
	Src     netip.Addr // the source address of its packet
	MSS     int        // of Accepted: the greatest segment the server takes; 0: not said
	// Whole is false if an echo reply came in fragments.
	Whole bool
	// Type and Code are those of the ICMP error.
	Type, Code uint8
	Evidence   string // the question and the answer
}

// FromRouter reports whether a is an ICMP error that a router sends for a packet
// that it cannot forward: host or network unreachable, or too many hops. A
// firewall's are others.
func (a Answer) FromRouter() bool {
	switch {
	case a.Outcome != Unreachable:
		return false
	case a.Src.Is6():
		return a.Type == icmp6TimeExceeded || a.Type == icmp6Unreachable && (a.Code == 0 || a.Code == 3)
	}
	return a.Type == icmpTimeExceeded || a.Code <= 1
}
