package frame

import (
	"fmt"
	"strconv"
)

// A Proto is an IP protocol number (IANA). The zero Proto stands for none where
// there may be none, as in the key of a service by firewall mark.
type Proto uint8

// The protocols that the director knows.
const (
	ProtoICMP   Proto = 1 // of IPv4; nothing special in an IPv6 packet
	ProtoIGMP   Proto = 2 // of IPv4
	ProtoTCP    Proto = 6
	ProtoUDP    Proto = 17
	ProtoESP    Proto = 50
	ProtoAH     Proto = 51 // of IPv4; in an IPv6 packet it is an extension header
	ProtoICMPv6 Proto = 58 // of IPv6; nothing special in an IPv4 packet
	ProtoNone   Proto = 59 // of IPv6: no next header
	ProtoSCTP   Proto = 132
)

// String is the protocol's name in lower case, or its number if it has no name
// here.
func (p Proto) String() string {
	switch p {
	case ProtoICMP:
		return "icmp"
	case ProtoTCP:
		return "tcp"
	case ProtoUDP:
		return "udp"
	case ProtoICMPv6:
		return "icmp6"
	case ProtoSCTP:
		return "sctp"
	}
	return strconv.Itoa(int(p))
}

// ParseProto reads a name as String gives it. Numbers are not names.
func ParseProto(name string) (Proto, error) {
	for _, p := range [...]Proto{ProtoTCP, ProtoUDP, ProtoSCTP, ProtoICMP, ProtoICMPv6} {
		if name == p.String() {
			return p, nil
		}
	}
	return 0, fmt.Errorf("protocol %q: not tcp, udp, sctp, icmp or icmp6", name)
}

// ParseServiceProto reads the name of a protocol that virtual services can have.
func ParseServiceProto(name string) (Proto, error) {
	if p, err := ParseProto(name); err == nil && p.HasPorts() {
		return p, nil
	}
	return 0, fmt.Errorf("protocol %q: not tcp, udp or sctp", name)
}

// HasPorts reports whether p is one of the transport protocols whose ports are
// read. These are the protocols that a virtual service can have.
func (p Proto) HasPorts() bool { return p == ProtoTCP || p == ProtoUDP || p == ProtoSCTP }

// MarshalText gives String, so that a Proto is a name in JSON.
func (p Proto) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

// UnmarshalText reads what MarshalText gives, numbers too.
func (p *Proto) UnmarshalText(text []byte) error {
	if n, err := strconv.ParseUint(string(text), 10, 8); err == nil {
		*p = Proto(n)
		return nil
	}
	var err error
	*p, err = ParseProto(string(text))
	return err
}
