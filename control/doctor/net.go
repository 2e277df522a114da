package doctor

import (
	"context"
	"fmt"
	"net/netip"

	"lvsdr/dataplane/frame"
)

// A Net asks the network of this host. Each question waits for its answer and
// is repeated once in that time. Errors are this host's: the question could not
// be sent. It is safe for concurrent use.
type Net interface {
	// Who asks everybody on a link who has an address, and gives all that
	// answer within the time.
	Who(ctx context.Context, l *Link, a netip.Addr) ([]Claim, error)
	// AsVIP asks the host at mac alone for its own address rs in the name of vip,
	// as if vip were at this host's MAC address, and reports whether it answers.
	// One that has the VIP does not: it would answer itself.
	AsVIP(ctx context.Context, l *Link, mac frame.MAC, rs, vip netip.Addr) (bool, error)
	// Connect sends a TCP SYN, in a frame to mac, and gives up the connection if
	// it is accepted.
	Connect(ctx context.Context, p Probe, port uint16) (Answer, error)
	// Ping sends an ICMP echo request whose IP packet is size bytes long; 0: a
	// short one.
	Ping(ctx context.Context, p Probe, size int) (Answer, error)
	// Traffic is what has been seen so far.
	Traffic() Traffic
}

// A Probe is how a packet is sent: out of Link, to the MAC address, from this
// host's address Source to Dst.
type Probe struct {
	Link        *Link
	MAC         frame.MAC
	Source, Dst netip.Addr
}

// A Claim is somebody's saying that an address is at a MAC address.
type Claim struct {
	MAC      frame.MAC
	Evidence string
}

// An Outcome is what came back for a probe.
type Outcome uint8

// The outcomes.
const (
	Silence     Outcome = iota // nothing
	Accepted                   // SYN with ACK
	Refused                    // RST
	Echoed                     // an echo reply
	Unreachable                // an ICMP error
	Returned                   // our own packet, from the one it was sent to
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

// An Answer is what came back for a probe.
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

// claimed shows a claim.
func claimed(l *Link, a netip.Addr, mac frame.MAC) string {
	what := "ARP"
	if a.Is6() {
		what = "neighbour discovery"
	}
	return fmt.Sprintf("%s on %s: %s is at %s", what, l.Name, a, mac)
}
