package vrrp

// A Reason says what became of a packet. Every packet that was received is counted once, with one.
type Reason uint8

// The reasons. Only Accepted reaches the state machine.
const (
	Accepted       Reason = iota
	Short                 // shorter than an advert of its version
	BadVersion            // neither 2 nor 3, or 2 over IPv6
	BadType               // not an advert
	BadLength             // the count of addresses does not fit the length
	BadChecksum           // by none of the ways
	BadTTL                // not 255, or not within min_ttl and max_ttl of its peer
	UnknownRouter         // no instance on this interface has its virtual router ID
	WrongVersion          // not that of the instance
	WrongInterval         // not that of the instance, with version 2; or none at all
	WrongAuth             // another kind of authentication
	WrongPassword         // of the same kind, but with another password
	WrongWay              // by multicast to an instance with peers, or by unicast to one without
	NotPeer               // the source is no peer of an instance that checks it
	Looped                // from this host
	WrongAddresses        // other addresses than those of the instance, in strict mode with version 2
	OwnerIgnores          // by owner_ignore_adverts
	NotListening          // the instance is in fault or has not started
	OverRate              // too many were refused before it
	Reasons               // how many there are
)

// String is the reason as metrics name it.
func (r Reason) String() string {
	switch r {
	case Accepted:
		return "accepted"
	case Short:
		return "short"
	case BadVersion:
		return "bad-version"
	case BadType:
		return "bad-type"
	case BadLength:
		return "bad-length"
	case BadChecksum:
		return "bad-checksum"
	case BadTTL:
		return "bad-ttl"
	case UnknownRouter:
		return "unknown-router"
	case WrongVersion:
		return "wrong-version"
	case WrongInterval:
		return "wrong-interval"
	case WrongAuth:
		return "wrong-authentication"
	case WrongPassword:
		return "wrong-password"
	case WrongWay:
		return "wrong-way"
	case NotPeer:
		return "not-a-peer"
	case Looped:
		return "looped"
	case WrongAddresses:
		return "wrong-addresses"
	case OwnerIgnores:
		return "owner-ignores"
	case NotListening:
		return "not-listening"
	case OverRate:
		return "over-rate"
	}
	return "reason?"
}
