package dataplane

import (
	"iter"

	"lvsdr/dataplane/frame"
)

// A Reason says why a frame got its verdict. Every frame has exactly one, and
// the reasons' counters add up to the frames received. What each means stands in
// the table below, and nowhere else.
type Reason uint8

// The reasons, in the order of documents and listings.
const (
	pending Reason = iota // not decided yet; never counted

	Hit
	Offloaded
	Scheduled
	Persistent
	Resumed
	Related
	Answered
	FragmentFollowed
	Fragmented
	Reassembled
	FragmentHeld
	TunnelError
	TunnelErrorUntold
	ARPSeen
	NDPSeen
	EchoReplied
	ResetNoService
	ResetNoConnection
	UnreachableNoService
	UnreachableNoServer
	UnreachableAnswer
	UnreachableProtocol
	TimeExceeded
	FragmentationNeeded
	ResetLimited
	ICMPLimited
	EchoLimited
	NotAnswerable
	ServerRemoved
	NoMAC
	NoMethod
	TableFull
	NotIP
	NotOurs
	UnknownAnswer
	OtherVLAN
	BadSource
	ShortFrame
	BadIPHeader
	BadIPChecksum
	BadTransport
	BadChecksum
	FragmentBad
	FragmentOverlap
	FragmentLost
	FragmentRefused
	TooBig
	Shed
	Overload
	ICMPIgnored
	ProtocolIgnored
	ResetIgnored
	NotResumed
	numReasons
)

// NumReasons is the number of reasons, for arrays indexed by Reason.
const NumReasons = int(numReasons)

// reasons are all that is known of each.
var reasons = [numReasons]struct {
	name    string // as counters show it
	text    string // ends the sentence "a frame that was ..."
	verdict Verdict
	owed    owed // to the client; of verdict Answer
	// routed says that the frame has a server: it was sent there, or would have
	// been but for its length, its TTL, or the server's MAC address.
	routed bool
}{
	pending:              {name: "pending"},
	Hit:                  {name: "hit", text: "forwarded: a packet of a known connection", verdict: Forward, routed: true},
	Offloaded:            {name: "offloaded", text: "forwarded: by the kernel, as a packet of an established connection; the director did not see it", verdict: Forward, routed: true},
	Scheduled:            {name: "scheduled", text: "forwarded: the scheduler chose a server for a new connection", verdict: Forward, routed: true},
	Persistent:           {name: "persistent", text: "forwarded: a persistence template chose the server", verdict: Forward, routed: true},
	Resumed:              {name: "resumed", text: "forwarded: a packet of a connection from before the start, for which the scheduler chose a server", verdict: Forward, routed: true},
	Related:              {name: "related", text: "forwarded: an ICMP error, to the server of the connection it is about", verdict: Forward, routed: true},
	Answered:             {name: "answered", text: "forwarded: a masqueraded server's packet, to its client", verdict: Forward, routed: true},
	FragmentFollowed:     {name: "fragment-followed", text: "forwarded: a fragment, to where the first of its datagram went", verdict: Forward, routed: true},
	Fragmented:           {name: "fragmented", text: "forwarded in fragments: longer than the server's link carries", verdict: Answer, owed: owed{kind: oweFragments}, routed: true},
	Reassembled:          {name: "reassembled", text: "the last fragment of a datagram that is forwarded as a whole: through a tunnel, or of IPv6 where it is no longer than the longest fragment", verdict: Answer, owed: owed{kind: oweWhole}, routed: true},
	FragmentHeld:         {name: "fragment-held", text: "kept until the first fragment of its datagram comes, or all of them"},
	TunnelError:          {name: "tunnel-error", text: "an ICMP error from the path to a server, about a packet in its tunnel; the client is sent the same error about its own packet", verdict: Answer, owed: owed{kind: oweWhole}},
	TunnelErrorUntold:    {name: "tunnel-error-untold", text: "an ICMP error from the path to a server, about a packet in its tunnel, of which the client cannot be told; an MTU in it is heeded"},
	ARPSeen:              {name: "arp", text: "ARP, handed to the ARP side", verdict: ToARP},
	NDPSeen:              {name: "ndp", text: "IPv6 neighbour discovery, handed to the ARP side", verdict: ToARP},
	EchoReplied:          {name: "echo-replied", text: "a ping to the VIP; answered", verdict: Answer, owed: owed{kind: oweEcho, verify: true}},
	ResetNoService:       {name: "reset-no-service", text: "TCP to a VIP port without a service; RST sent", verdict: Answer, owed: owed{kind: oweReset, verify: true}},
	ResetNoConnection:    {name: "reset-no-connection", text: "TCP segment of an unknown connection, not a SYN; RST sent", verdict: Answer, owed: owed{kind: oweReset, verify: true}},
	UnreachableNoService: {name: "unreachable-no-service", text: "UDP to a VIP port without a service; ICMP port unreachable sent", verdict: Answer, owed: owed{kind: oweICMP, typ: 3, code: 3, typ6: 1, code6: 4, verify: true}},
	UnreachableNoServer:  {name: "unreachable-no-server", text: "a new connection to a service without a usable server; ICMP port unreachable sent", verdict: Answer, owed: owed{kind: oweICMP, typ: 3, code: 3, typ6: 1, code6: 4}},
	UnreachableAnswer:    {name: "unreachable-answer", text: "from where a masqueraded server listens, of an unknown connection; ICMP port unreachable sent", verdict: Answer, owed: owed{kind: oweICMP, typ: 3, code: 3, typ6: 1, code6: 4}},
	UnreachableProtocol:  {name: "unreachable-protocol", text: "of an IP protocol that is not served; ICMP protocol unreachable sent, or parameter problem over IPv6", verdict: Answer, owed: owed{kind: oweICMP, typ: 3, code: 2, typ6: 4, code6: 1}},
	TimeExceeded:         {name: "time-exceeded", text: "TTL used up; ICMP time exceeded sent", verdict: Answer, owed: owed{kind: oweICMP, typ: 11, typ6: 3}, routed: true},
	FragmentationNeeded:  {name: "fragmentation-needed", text: "longer than the server's link carries, and must not be fragmented; ICMP fragmentation needed sent", verdict: Answer, owed: owed{kind: oweICMP, typ: 3, code: 4, typ6: 2}, routed: true},
	ResetLimited:         {name: "reset-limited", text: "owed a RST, which the rate limit refused"},
	ICMPLimited:          {name: "icmp-limited", text: "owed an ICMP error, which the rate limit refused"},
	EchoLimited:          {name: "echo-limited", text: "owed an echo reply, which the rate limit refused"},
	NotAnswerable:        {name: "not-answerable", text: "owed an answer, but such a frame must not be answered (RFC 1122)"},
	ServerRemoved:        {name: "server-removed", text: "of a connection whose server was removed from the service"},
	NoMAC:                {name: "no-mac", text: "for a server whose MAC address is not known", routed: true},
	NoMethod:             {name: "no-method", text: "of a connection that another director told of, to a server in no service here, by a forwarding method that is not supported"},
	TableFull:            {name: "table-full", text: "a new connection for which the connection table has no room"},
	NotIP:                {name: "not-ip", text: "neither IP nor ARP"},
	NotOurs:              {name: "not-ours", text: "not addressed to a VIP, or not to our MAC address"},
	UnknownAnswer:        {name: "unknown-answer", text: "from the address of a masqueraded server, of an unknown connection; left to the host"},
	OtherVLAN:            {name: "other-vlan", text: "tagged for a VLAN, whose own interface receives it too"},
	BadSource:            {name: "bad-source", text: "from an address that cannot be a client's, such as this host's or a VIP"},
	NotResumed:           {name: "not-resumed", text: "TCP segment of an unknown connection, not a SYN, soon after the start"},
	ShortFrame:           {name: "short-frame", text: "shorter than its headers"},
	BadIPHeader:          {name: "bad-ip-header", text: "an IP packet whose header lengths, version, options or extension headers do not fit, or one with a source route"},
	BadIPChecksum:        {name: "bad-ip-checksum", text: "an IPv4 packet with a wrong header checksum"},
	BadTransport:         {name: "bad-transport", text: "a packet whose TCP, UDP or ICMP header does not fit it"},
	BadChecksum:          {name: "bad-checksum", text: "owed an answer, but its TCP, UDP or ICMP checksum is wrong"},
	FragmentBad:          {name: "fragment-bad", text: "a fragment of an impossible length"},
	FragmentOverlap:      {name: "fragment-overlap", text: "a fragment that overlaps or repeats another, or is one piece too many"},
	FragmentLost:         {name: "fragment-lost", text: "a fragment that came before the first of its datagram and could not be kept"},
	FragmentRefused:      {name: "fragment-refused", text: "a fragment of a datagram whose first fragment was not forwarded"},
	TooBig:               {name: "too-big", text: "longer than the server's link carries, and could not be fragmented", routed: true},
	Shed:                 {name: "shed", text: "a new connection that drop_packet refused"},
	Overload:             {name: "overload", text: "a SYN that came while more frames waited than can be handled in time"},
	ICMPIgnored:          {name: "icmp-ignored", text: "ICMP to the VIP that is neither a ping nor about a connection"},
	ProtocolIgnored:      {name: "protocol-ignored", text: "of an IP protocol that is not answered: SCTP to a port without a service, IGMP, none at all"},
	ResetIgnored:         {name: "reset-ignored", text: "a RST of an unknown connection"},
}

// String is the reason's name, as counters show it.
func (r Reason) String() string {
	if r < numReasons {
		return reasons[r].name
	}
	return "reason?"
}

// Verdict returns the verdict on a frame with reason r.
func (r Reason) Verdict() Verdict {
	if r < numReasons {
		return reasons[r].verdict
	}
	return Drop
}

// Words describes the fate of a frame with reason r in a few words.
func (r Reason) Words() string {
	if r < numReasons {
		return reasons[r].text
	}
	return ""
}

// Reasons are all reasons, in the order of documents and listings.
func Reasons() iter.Seq[Reason] {
	return func(yield func(Reason) bool) {
		for r := pending + 1; r < numReasons && yield(r); r++ {
		}
	}
}

// faultReasons says what a frame is dropped for.
var faultReasons = [...]Reason{
	frame.TooShort: ShortFrame, frame.BadHeader: BadIPHeader,
	frame.BadChecksum: BadIPChecksum, frame.BadL4: BadTransport,
}
