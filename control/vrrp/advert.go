package vrrp

import (
	"encoding/binary"
	"net/netip"
	"time"
)

// Protocol is the number of VRRP in IP headers. TTL is that of every advert by multicast.
const (
	Protocol = 112
	TTL      = 255
)

const (
	headerLen   = 8 // RFC 9568 section 5.1; RFC 3768 section 5.1 without addresses and authentication
	passwordLen = 8
	advertType  = 1
	centisecond = 10 * time.Millisecond
	maxCount    = 255 // addresses; they are counted in a byte
	intervalMax = 0x0fff
)

// AuthType is the authentication of version 2, RFC 3768 section 5.3.6 and RFC 2338 section 5.3.6.
type AuthType uint8

// The kinds of authentication.
const (
	AuthNone     AuthType = 0
	AuthPassword AuthType = 1
	AuthHeader   AuthType = 2 // AH; it is refused
)

// An Advert is the content of one advertisement.
type Advert struct {
	Version  uint8
	ID       uint8
	Priority uint8
	// Interval is in whole seconds up to 255 with version 2, in hundredths up to 40.95 s with version 3.
	Interval  time.Duration
	Auth      AuthType
	Password  [passwordLen]byte // padded with zeros; version 2
	Addresses []netip.Addr      // all of the packet's family
	Checksum  Checksum          // how it is made; version 3
}

// Append appends the advert as the payload of a packet from src to dst. group is the multicast group of GroupHeader.
func (a *Advert) Append(b []byte, src, dst, group netip.Addr) []byte {
	start := len(b)
	b = append(b, a.Version<<4|advertType, a.ID, a.Priority, byte(min(len(a.Addresses), maxCount)), 0, 0, 0, 0)
	p := b[start:]
	if a.Version == 2 {
		p[4], p[5] = byte(a.Auth), byte(a.Interval/time.Second)
	} else {
		binary.BigEndian.PutUint16(p[4:], uint16(a.Interval/centisecond)&intervalMax)
	}
	for _, addr := range a.Addresses[:min(len(a.Addresses), maxCount)] {
		b = append(b, addr.AsSlice()...)
	}
	if a.Version == 2 { // RFC 3768 section 5.3.10: always there, zero without authentication
		b = append(b, a.Password[:]...)
	}
	binary.BigEndian.PutUint16(b[start+6:], ^fold(a.sum(b[start:], src, dst, group, a.Checksum)))
	return b
}

// Decode reads the payload b of a packet from src to dst into a, which keeps nothing of b. Its Addresses are
// overwritten in place.
func (a *Advert) Decode(b []byte, src, dst, group netip.Addr) Reason {
	if len(b) < headerLen {
		return Short
	}
	*a = Advert{Version: b[0] >> 4, ID: b[1], Priority: b[2], Addresses: a.Addresses[:0]}
	if a.Version != 3 && (a.Version != 2 || src.Is6()) {
		return BadVersion
	}
	if b[0]&0x0f != advertType {
		return BadType
	}
	size, tail := 4, 0
	if src.Is6() {
		size = 16
	}
	if a.Version == 2 {
		tail = passwordLen
	}
	if len(b) != headerLen+int(b[3])*size+tail {
		return BadLength
	}
	if !a.verify(b, src, dst, group) {
		return BadChecksum
	}
	if a.Version == 2 {
		a.Auth, a.Interval = AuthType(b[4]), time.Duration(b[5])*time.Second
		copy(a.Password[:], b[len(b)-tail:])
	} else {
		a.Interval = time.Duration(binary.BigEndian.Uint16(b[4:])&intervalMax) * centisecond
	}
	for p := b[headerLen : len(b)-tail]; len(p) > 0; p = p[size:] {
		addr, _ := netip.AddrFromSlice(p[:size]) // 4 or 16 bytes
		a.Addresses = append(a.Addresses, addr)
	}
	return Accepted
}

// verify finds the way in which b's checksum is right, and notes it in a; false: there is none.
func (a *Advert) verify(b []byte, src, dst, group netip.Addr) bool {
	ways := []Checksum{PseudoHeader, NoPseudoHeader, GroupHeader}
	if src.Is6() {
		ways = []Checksum{PseudoHeader, GroupHeader} // RFC 8200 section 8.1 demands a pseudo-header
	}
	if a.Version == 2 {
		ways = []Checksum{PseudoHeader} // of which sum makes none
	}
	for _, w := range ways {
		if (w != GroupHeader || !dst.IsMulticast()) && fold(a.sum(b, src, dst, group, w)) == 0xffff {
			a.Checksum = w
			return true
		}
	}
	return false
}

// sum is the sum of the 16-bit words that the checksum is about, with the checksum field as it is in b.
func (a *Advert) sum(b []byte, src, dst, group netip.Addr, way Checksum) uint32 {
	s := words(0, b)
	if a.Version == 2 || way == NoPseudoHeader && src.Is4() {
		return s
	}
	if way == GroupHeader {
		dst = group
	}
	// RFC 9568 section 5.2.8: the pseudo-header of RFC 8200 section 8.1; for IPv4 the same with shorter addresses.
	s = words(s, src.AsSlice())
	s = words(s, dst.AsSlice())
	return s + uint32(len(b)) + Protocol
}

// words adds the 16-bit words of b to s. An odd byte at the end is the upper half of a word.
func words(s uint32, b []byte) uint32 {
	for ; len(b) > 1; b = b[2:] {
		s += uint32(binary.BigEndian.Uint16(b))
	}
	if len(b) == 1 {
		s += uint32(b[0]) << 8
	}
	return s
}

// fold is the one's complement sum of the two halves of s.
func fold(s uint32) uint16 {
	for s > 0xffff {
		s = s>>16 + s&0xffff
	}
	return uint16(s)
}

// password is s as it stands in an advert.
func password(s string) (p [passwordLen]byte) {
	copy(p[:], s)
	return p
}
