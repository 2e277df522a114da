package arp

// A Reason says what became of one frame. Every frame taken from the inbox
// ends in exactly one and is counted under it, see Stats.
type Reason uint8

// The reasons.
const (
	Undecided Reason = iota // the zero Reason; no frame ends with it

	// A reply was sent. What is said of ARP here holds for the solicitations and
	// advertisements of Neighbor Discovery too.
	Answered           // a request to all for a VIP
	AnsweredUnicast    // a request sent to our own MAC: a neighbour refreshes its entry
	AnsweredProbe      // a probe (RFC 5227; RFC 4862: duplicate address detection): its sender is about to take the VIP
	AnsweredRealServer // a real server asks for the VIP it should have itself

	// Somebody else uses a VIP as his own address.
	ClaimedByOther      // by a MAC address that is no real server's
	ClaimedByRealServer // a reply or an announcement of a real server
	SourceOfRealServer  // a real server asks for another address with the VIP as its own

	// Nothing was to be done.
	NotVIP         // no VIP of ours is asked for or used
	OtherInterface // the VIP is announced on another interface (no ARP flux)
	OtherVLAN      // tagged for a VLAN; the VLAN's own interface sees it too
	OtherHost      // a request for a VIP sent to somebody else's MAC
	Backup         // it concerns a VIP, but the service is not active
	Own            // sent by ourselves

	// The frame cannot be used.
	NotARP       // another EtherType
	Short        // it ends before its packet does, or is longer than the inbox keeps
	BadLength    // address lengths are not 6 and 4
	BadHardware  // the hardware type is not Ethernet
	BadProtocol  // the protocol type is not IPv4
	BadOperation // neither request nor reply
	BadSender    // the sender's MAC address is zero or a group address
	NotND        // IPv6, but no neighbour solicitation or advertisement
	BadHopLimit  // not 255: it is from another link
	BadChecksum  // the ICMPv6 checksum is wrong
	BadMessage   // a message whose parts contradict each other (RFC 4861 section 7.1)
	BadOption    // an option of it is malformed

	// NumReasons is the number of reasons, for arrays of counters.
	NumReasons
)

var reasonNames = [NumReasons]string{
	Undecided:           "undecided",
	Answered:            "answered",
	AnsweredUnicast:     "answered_unicast",
	AnsweredProbe:       "answered_probe",
	AnsweredRealServer:  "answered_real_server",
	ClaimedByOther:      "claimed_by_other",
	ClaimedByRealServer: "claimed_by_real_server",
	SourceOfRealServer:  "source_of_real_server",
	NotVIP:              "not_vip",
	OtherInterface:      "other_interface",
	OtherVLAN:           "other_vlan",
	OtherHost:           "other_host",
	Backup:              "backup",
	Own:                 "own",
	NotARP:              "not_arp",
	Short:               "short",
	BadLength:           "bad_length",
	BadHardware:         "bad_hardware",
	BadProtocol:         "bad_protocol",
	BadOperation:        "bad_operation",
	BadSender:           "bad_sender",
	NotND:               "not_nd",
	BadHopLimit:         "bad_hop_limit",
	BadChecksum:         "bad_checksum",
	BadMessage:          "bad_message",
	BadOption:           "bad_option",
}

// String is the reason in lower case with underscores, fit for a metric label.
func (r Reason) String() string {
	if r < NumReasons {
		return reasonNames[r]
	}
	return "reason?"
}
