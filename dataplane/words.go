package dataplane

// reasonWords say what a frame of a reason is, as docs/operations.md does.
var reasonWords = [numReasons]string{
	Hit:                  "forwarded: a packet of a known connection",
	Scheduled:            "forwarded: the scheduler chose a server for a new connection",
	Persistent:           "forwarded: a persistence template chose the server",
	Related:              "forwarded: an ICMP error, to the server of the connection it is about",
	FragmentFollowed:     "forwarded: a fragment, to where the first of its datagram went",
	Fragmented:           "forwarded in fragments: longer than the server's link carries",
	FragmentHeld:         "kept: a fragment that overtook the first of its datagram",
	ARPSeen:              "handed to the ARP side",
	NDPSeen:              "IPv6 neighbour discovery, handed to the ARP side",
	EchoReplied:          "a ping to the VIP, answered",
	ResetNoService:       "TCP to a VIP port nobody serves; RST sent",
	ResetNoConnection:    "TCP, not the begin of a connection, none known; RST sent",
	UnreachableNoService: "UDP to a VIP port nobody serves; ICMP port unreachable sent",
	UnreachableNoServer:  "the service has no usable server; ICMP port unreachable sent",
	TimeExceeded:         "TTL used up; ICMP time exceeded sent",
	FragmentationNeeded:  "longer than the server's link carries, DF set; ICMP sent",
	ResetLimited:         "a RST was owed, the rate limit said no",
	ICMPLimited:          "an ICMP error was owed, the rate limit said no",
	EchoLimited:          "an echo reply was owed, the rate limit said no",
	NotAnswerable:        "an answer was owed, but such a frame must not be answered (RFC 1122)",
	ServerRemoved:        "the connection's server was removed from the service",
	NoMAC:                "the server's MAC address is not known",
	TableFull:            "no room for a new connection",
	NotIP:                "neither IP nor ARP",
	NotOurs:              "not addressed to a VIP, or not to our MAC address",
	BadSource:            "from an address that cannot be a client's, or from the VIP itself",
	ShortFrame:           "shorter than its headers",
	BadIPHeader:          "IP header lengths, version or extension headers do not fit",
	BadIPChecksum:        "IPv4 header checksum is wrong",
	BadTransport:         "TCP, UDP or ICMP header that does not fit its packet",
	BadChecksum:          "TCP, UDP or ICMP checksum wrong, in a frame we would have answered",
	Fragment:             "a fragment of a message to the VIP itself, such as a long ping",
	FragmentBad:          "a fragment of an impossible length",
	FragmentOverlap:      "a fragment that overlaps, or repeats, another, or is one piece too many",
	FragmentLost:         "a fragment that overtook the first of its datagram, and there was no room to keep it",
	FragmentRefused:      "a fragment of a datagram whose first fragment was not forwarded",
	TooBig:               "longer than the server's link carries, and could not be fragmented",
	Shed:                 "a new connection that drop_packet refused",
	ICMPIgnored:          "ICMP to the VIP that is neither a ping nor about a connection",
	ProtocolIgnored:      "an IP protocol the director does not serve",
	ResetIgnored:         "a RST of no known connection",
}

// Words is what became of a frame with reason r, and why, in a few words.
func (r Reason) Words() string {
	if r < numReasons {
		return reasonWords[r]
	}
	return ""
}
