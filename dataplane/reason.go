package dataplane

import "lvsdr/dataplane/frame"

// A Reason says why a frame got its verdict. Every frame has exactly one, and
// the reasons' counters add up to the frames received.
type Reason uint8

// The reasons.
const (
	pending Reason = iota // not decided yet; never counted

	Hit              // forwarded: a packet of a known connection
	Scheduled        // forwarded: the scheduler chose a server for a new connection
	Persistent       // forwarded: a persistence template chose the server
	Related          // forwarded: an ICMP error, to the server of the connection it is about
	FragmentFollowed // forwarded: a fragment, to where the first of its datagram went

	Fragmented   // forwarded in fragments: longer than the server's link carries
	FragmentHeld // kept: a fragment that overtook the first of its datagram

	ARPSeen     // handed to the ARP side
	NDPSeen     // IPv6 neighbour discovery, handed to the ARP side
	EchoReplied // a ping to the VIP, answered

	ResetNoService       // TCP to a VIP port nobody serves; RST sent
	ResetNoConnection    // TCP, not the begin of a connection, none known; RST sent
	UnreachableNoService // UDP to a VIP port nobody serves; ICMP port unreachable sent
	UnreachableNoServer  // the service has no usable server; ICMP port unreachable sent
	TimeExceeded         // TTL used up; ICMP time exceeded sent
	FragmentationNeeded  // longer than the server's link carries, DF set; ICMP sent
	ResetLimited         // a RST was owed, the rate limit said no
	ICMPLimited          // an ICMP error was owed, the rate limit said no
	EchoLimited          // an echo reply was owed, the rate limit said no
	NotAnswerable        // an answer was owed, but such a frame must not be answered (RFC 1122)
	ServerRemoved        // the connection's server was removed from the service
	NoMAC                // the server's MAC address is not known
	TableFull            // no room for a new connection
	NotIP                // neither IP nor ARP
	NotOurs              // not addressed to a VIP, or not to our MAC address
	BadSource            // from an address that cannot be a client's, or from the VIP itself
	ShortFrame           // shorter than its headers
	BadIPHeader          // IP header lengths, version or extension headers do not fit
	BadIPChecksum        // IPv4 header checksum is wrong
	BadTransport         // TCP, UDP or ICMP header that does not fit its packet
	BadChecksum          // TCP, UDP or ICMP checksum wrong, in a frame we would have answered
	Fragment             // a fragment of a message to the VIP itself, such as a long ping
	FragmentBad          // a fragment of an impossible length
	FragmentOverlap      // a fragment that overlaps, or repeats, another, or is one piece too many
	FragmentLost         // a fragment that overtook the first of its datagram, and there was no room to keep it
	FragmentRefused      // a fragment of a datagram whose first fragment was not forwarded
	TooBig               // longer than the server's link carries, and could not be fragmented
	Shed                 // a new connection that drop_packet refused
	ICMPIgnored          // ICMP to the VIP that is neither a ping nor about a connection
	ProtocolIgnored      // an IP protocol the director does not serve
	ResetIgnored         // a RST of no known connection
	numReasons
)

// NumReasons is the number of reasons, for arrays indexed by Reason.
const NumReasons = int(numReasons)

var reasonNames = [numReasons]string{
	pending: "pending", Hit: "hit", Scheduled: "scheduled", Persistent: "persistent",
	Related: "related", FragmentFollowed: "fragment-followed", Fragmented: "fragmented", FragmentHeld: "fragment-held",
	ARPSeen: "arp", NDPSeen: "ndp", EchoReplied: "echo-replied",
	ResetNoService: "reset-no-service", ResetNoConnection: "reset-no-connection",
	UnreachableNoService: "unreachable-no-service", UnreachableNoServer: "unreachable-no-server",
	TimeExceeded: "time-exceeded", FragmentationNeeded: "fragmentation-needed",
	ResetLimited: "reset-limited", ICMPLimited: "icmp-limited", EchoLimited: "echo-limited",
	NotAnswerable: "not-answerable", ServerRemoved: "server-removed", NoMAC: "no-mac",
	TableFull: "table-full", NotIP: "not-ip", NotOurs: "not-ours", BadSource: "bad-source",
	ShortFrame: "short-frame", BadIPHeader: "bad-ip-header", BadIPChecksum: "bad-ip-checksum",
	BadTransport: "bad-transport", BadChecksum: "bad-checksum", Fragment: "fragment", FragmentBad: "fragment-bad", FragmentOverlap: "fragment-overlap",
	FragmentLost: "fragment-lost", FragmentRefused: "fragment-refused", Shed: "shed",
	TooBig: "too-big", ICMPIgnored: "icmp-ignored", ProtocolIgnored: "protocol-ignored",
	ResetIgnored: "reset-ignored",
}

// String is the reason's name, as counters show it.
func (r Reason) String() string {
	if r < numReasons {
		return reasonNames[r]
	}
	return "reason?"
}

// Verdict is what a frame with reason r gets.
func (r Reason) Verdict() Verdict {
	switch r {
	case Hit, Scheduled, Persistent, Related, FragmentFollowed:
		return Forward
	case ARPSeen, NDPSeen:
		return ToARP
	case Fragmented, EchoReplied, ResetNoService, ResetNoConnection, UnreachableNoService,
		UnreachableNoServer, TimeExceeded, FragmentationNeeded:
		return Answer
	}
	return Drop
}

// faultReasons says what a frame is dropped for.
var faultReasons = [...]Reason{
	frame.TooShort: ShortFrame, frame.BadHeader: BadIPHeader,
	frame.BadChecksum: BadIPChecksum, frame.BadL4: BadTransport,
}
