package frame

// String is the kind in lower case.
func (k Kind) String() string {
	switch k {
	case Other:
		return "other"
	case ARP:
		return "arp"
	case IPv4:
		return "ipv4"
	case IPv6:
		return "ipv6"
	}
	return "kind?"
}

// String is the fault in a few words, lower case.
func (f Fault) String() string {
	switch f {
	case NoFault:
		return "no fault"
	case TooShort:
		return "too short"
	case BadHeader:
		return "bad header"
	case BadChecksum:
		return "bad header checksum"
	case BadL4:
		return "bad transport header"
	}
	return "fault?"
}
