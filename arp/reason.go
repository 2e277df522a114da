package arp

import (
	"iter"
	"slices"
)

// A reason says what became of one frame. Every frame taken from the inbox
// ends in exactly one and is counted under it, see Stats.
type reason uint8

// The reasons. What is said of ARP holds for the solicitations and
// advertisements of Neighbor Discovery too.
const (
	undecided reason = iota // the zero reason; no frame ends with it

	// A reply was sent.
	answered
	answeredUnicast
	answeredProbe
	answeredRealServer

	// Somebody else uses a VIP as its own address.
	claimedByOther
	claimedByRealServer
	sourceOfRealServer

	// Nothing was to be done.
	notVIP
	otherInterface
	otherVLAN
	otherHost
	backup
	notAnnounced
	own

	// The frame cannot be used.
	notARP
	short
	badLength
	badHardware
	badProtocol
	badOperation
	badSender
	notND
	badHopLimit
	badChecksum
	badMessage
	badOption

	numReasons
)

// A counter is the name of a counter, fit for a metric label, and what it
// counts.
type counter struct{ name, text string }

// reasons are the counters of the reasons.
var reasons = [numReasons]counter{
	undecided:           {"undecided", "not decided"},
	answered:            {"answered", "broadcast or multicast request for a VIP; answered"},
	answeredUnicast:     {"answered-unicast", "request for a VIP sent to our MAC address, as a neighbour refreshes its entry; answered"},
	answeredProbe:       {"answered-probe", "probe for a VIP, whose sender is about to take the address (RFC 5227, duplicate address detection); answered"},
	answeredRealServer:  {"answered-real-server", "request of a real server for a VIP that it should have itself; answered"},
	claimedByOther:      {"claimed-by-other", "use of a VIP by a host that is no real server, such as another director"},
	claimedByRealServer: {"claimed-by-real-server", "reply or announcement of a real server for a VIP: arp_ignore is not 1 there"},
	sourceOfRealServer:  {"source-of-real-server", "request of a real server with a VIP as its source: arp_announce is not 2 there"},
	notVIP:              {"not-vip", "about an address that is no VIP"},
	otherInterface:      {"other-interface", "about a VIP that is announced on another interface"},
	otherVLAN:           {"other-vlan", "tagged for a VLAN; the VLAN's own interface receives it too"},
	otherHost:           {"other-host", "request for a VIP sent to another host's MAC address"},
	backup:              {"backup", "about a VIP that is not active on this host"},
	notAnnounced:        {"not-announced", "about a VIP that is not announced yet, because it is looked for or another host has it"},
	own:                 {"own", "sent by this host"},
	notARP:              {"not-arp", "another EtherType"},
	short:               {"short", "ends before its packet does, or is longer than the inbox keeps"},
	badLength:           {"bad-length", "address lengths are not 6 and 4"},
	badHardware:         {"bad-hardware", "hardware type is not Ethernet"},
	badProtocol:         {"bad-protocol", "protocol type is not IPv4"},
	badOperation:        {"bad-operation", "neither request nor reply"},
	badSender:           {"bad-sender", "sender's MAC address is zero or a group address"},
	notND:               {"not-nd", "IPv6, but neither solicitation nor advertisement"},
	badHopLimit:         {"bad-hop-limit", "hop limit is not 255: the frame is from another link"},
	badChecksum:         {"bad-checksum", "ICMPv6 checksum is wrong"},
	badMessage:          {"bad-message", "parts of the message contradict each other (RFC 4861 section 7.1)"},
	badOption:           {"bad-option", "an option of the message is malformed"},
}

// String is the name of r.
func (r reason) String() string {
	if r < numReasons {
		return reasons[r].name
	}
	return "reason?"
}

// Counters are the names of all counters of Stats.Map, and what each counts,
// in the order of the documentation.
func Counters() iter.Seq2[string, string] {
	return func(yield func(string, string) bool) {
		for _, c := range slices.Concat(reasons[answered:], traffic[:]) {
			if !yield(c.name, c.text) {
				return
			}
		}
	}
}
