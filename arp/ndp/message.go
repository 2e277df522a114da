package ndp

import (
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"

	mdndp "github.com/mdlayher/ndp"

	"lvsdr/dataplane/frame"
)

// Layout of an IPv6 header, and of both messages (RFC 4861 sections 4.3 and 4.4)
// in front of their options.
const (
	headerLen  = frame.IPv6Len
	payloadLen = frame.Off6Len  // u16
	nextHeader = frame.Off6Next // u8
	hopLimit   = frame.Off6Hops // u8
	srcAddr    = frame.Off6Src
	dstAddr    = frame.Off6Dst

	messageLen = 24 // type, code, checksum, flags, target
	codeAt     = 1
	targetAt   = 8
	optionUnit = 8 // an option's second byte is its length in these

	protoICMPv6 = 58
	maxHops     = 255
)

// ICMPv6 types (RFC 4861 section 4) and option types (section 4.6).
const (
	typeSolicitation  = 135
	typeAdvertisement = 136
	optSource         = 1
	optTarget         = 2
)

// A Kind is one of the two messages.
type Kind uint8

// The kinds.
const (
	Solicitation  Kind = iota // who has Target?
	Advertisement             // Target is at LinkAddr
)

// String is the kind in lower case.
func (k Kind) String() string {
	switch k {
	case Solicitation:
		return "solicitation"
	case Advertisement:
		return "advertisement"
	}
	return "kind?"
}

// A Message is a solicitation or an advertisement, and the addresses of the
// packet that carries it.
type Message struct {
	Kind     Kind
	Src, Dst netip.Addr // of the IPv6 header, without a zone
	Target   netip.Addr // the address asked for or spoken of

	// Solicited and Override are flags of an advertisement: it answers a
	// solicitation, and it replaces what its hearers believe. The third one,
	// Router, is neither read nor set: a director does not forward for others.
	Solicited, Override bool

	// LinkAddr is the source link-layer address of a solicitation or the target
	// link-layer address of an advertisement; zero: it has no such option.
	LinkAddr frame.MAC
}

// A Fault says why a packet is not a message that may be looked at.
type Fault uint8

// The faults. RFC 4861 section 7.1: such a message is silently discarded.
const (
	NoFault     Fault = iota
	Short             // it ends before its headers, its length or the message does
	NotND             // not IPv6, or neither solicitation nor advertisement follows the IPv6 header
	BadHopLimit       // not 255: a router has forwarded it
	BadChecksum       // the ICMPv6 checksum is wrong
	BadMessage        // its addresses, flags or code contradict each other
	BadOption         // an option has no length, the wrong one, or goes beyond the end
)

// String is the fault in lower case.
func (f Fault) String() string {
	switch f {
	case NoFault:
		return "no fault"
	case Short:
		return "short"
	case NotND:
		return "not neighbour discovery"
	case BadHopLimit:
		return "bad hop limit"
	case BadChecksum:
		return "bad checksum"
	case BadMessage:
		return "bad message"
	case BadOption:
		return "bad option"
	}
	return "fault?"
}

// Parse reads the IPv6 packet b; what follows its end is Ethernet padding. A
// message behind an extension header is NotND: no host sends one, RFC 6980
// forbids the fragments, and with the others a forger would get past a switch
// that guards ports. Parse does not keep b.
func Parse(b []byte) (Message, Fault) {
	if len(b) < headerLen {
		return Message{}, Short
	}
	if b[0]>>4 != 6 || b[nextHeader] != protoICMPv6 {
		return Message{}, NotND
	}
	n := int(binary.BigEndian.Uint16(b[payloadLen:]))
	if headerLen+n > len(b) {
		return Message{}, Short
	}
	p := b[headerLen : headerLen+n : headerLen+n]
	if n > 0 && p[0] != typeSolicitation && p[0] != typeAdvertisement {
		return Message{}, NotND
	}
	if b[hopLimit] != maxHops {
		return Message{}, BadHopLimit
	}
	if n < messageLen {
		return Message{}, Short
	}
	if !checksumOK(b[:headerLen], p) {
		return Message{}, BadChecksum
	}
	if p[codeAt] != 0 {
		return Message{}, BadMessage
	}
	m := Message{
		Src: netip.AddrFrom16([16]byte(b[srcAddr:dstAddr])),
		Dst: netip.AddrFrom16([16]byte(b[dstAddr:headerLen])),
	}
	if f := m.read(p); f != NoFault {
		return Message{}, f
	}
	return m, m.check()
}

// checksumOK compares the checksum in the ICMPv6 message p with the
// pseudo-header of RFC 8200 section 8.1.
func checksumOK(header, p []byte) bool {
	pseudo := frame.Sum(header[srcAddr:headerLen], uint32(protoICMPv6+len(p)))
	return frame.Fold(frame.Sum(p, pseudo)) == 0xffff
}

// read fills in what the ICMPv6 message p says.
func (m *Message) read(p []byte) Fault {
	wanted := byte(optSource)
	if p[0] == typeAdvertisement {
		wanted = optTarget
	}
	option, f := findOption(p[messageLen:], wanted)
	if f != NoFault {
		return f
	}
	// The library reads every option it knows and gives up at one that is odd.
	// RFC 4861 section 7.1.1 wants those that do not belong here ignored, so
	// it gets to see the one that counts.
	var buf [messageLen + optionUnit]byte
	b := append(append(buf[:0], p[:messageLen]...), option...)
	parsed, err := mdndp.ParseMessage(b)
	if err != nil {
		return BadMessage // the target is an IPv4-mapped address
	}
	var options []mdndp.Option
	switch x := parsed.(type) {
	case *mdndp.NeighborSolicitation:
		m.Kind, m.Target, options = Solicitation, x.TargetAddress, x.Options
	case *mdndp.NeighborAdvertisement:
		m.Kind, m.Target, options = Advertisement, x.TargetAddress, x.Options
		m.Solicited, m.Override = x.Solicited, x.Override
	}
	for _, o := range options {
		if lla, ok := o.(*mdndp.LinkLayerAddress); ok {
			m.LinkAddr = frame.MAC(lla.Addr)
		}
	}
	return NoFault
}

// findOption is the first option of type t in b; nil: there is none. RFC 4861
// sections 7.1.1 and 7.1.2: all options have a length greater than zero.
// RFC 2464 section 6: one of an Ethernet address is one unit long.
func findOption(b []byte, t byte) (found []byte, f Fault) {
	for len(b) > 0 {
		if len(b) < 2 || b[1] == 0 || int(b[1])*optionUnit > len(b) {
			return nil, BadOption
		}
		n := int(b[1]) * optionUnit
		if b[0] == t && found == nil {
			if n != optionUnit {
				return nil, BadOption
			}
			found = b[:n]
		}
		b = b[n:]
	}
	return found, NoFault
}

// check applies the rest of RFC 4861 sections 7.1.1 and 7.1.2 to m.
func (m *Message) check() Fault {
	switch {
	case m.Target.IsMulticast():
		return BadMessage
	case m.Src.IsMulticast() || m.Src.IsLoopback(): // RFC 4291 sections 2.7 and 2.5.3
		return BadMessage
	case m.Kind == Advertisement && m.Dst.IsMulticast() && m.Solicited:
		return BadMessage
	case m.Kind == Solicitation && m.Src.IsUnspecified():
		// "If the IP source address is the unspecified address, the IP
		// destination address is a solicited-node multicast address" and
		// "there is no source link-layer address option".
		if !isGroup(m.Dst) || m.LinkAddr != (frame.MAC{}) {
			return BadMessage
		}
	}
	return NoFault
}

// Packet is the IPv6 packet that carries m. A message that Parse would not take
// is a caller's bug and panics.
func (m Message) Packet() []byte {
	var msg mdndp.Message
	switch m.Kind {
	case Solicitation:
		msg = &mdndp.NeighborSolicitation{TargetAddress: m.Target, Options: m.options(mdndp.Source)}
	case Advertisement:
		msg = &mdndp.NeighborAdvertisement{
			Solicited: m.Solicited, Override: m.Override,
			TargetAddress: m.Target, Options: m.options(mdndp.Target),
		}
	}
	if f := m.check(); f != NoFault || !m.Src.Is6() || !m.Dst.Is6() {
		panic(fmt.Sprintf("ndp: make a %v for %v from %v to %v: %v", m.Kind, m.Target, m.Src, m.Dst, f))
	}
	body, err := mdndp.MarshalMessageChecksum(msg, m.Src, m.Dst)
	if err != nil {
		panic(fmt.Sprintf("ndp: make a %v for %v: %v", m.Kind, m.Target, err))
	}
	b := make([]byte, headerLen, headerLen+len(body))
	b[0] = 6 << 4
	binary.BigEndian.PutUint16(b[payloadLen:], uint16(len(body)))
	b[nextHeader], b[hopLimit] = protoICMPv6, maxHops
	src, dst := m.Src.As16(), m.Dst.As16()
	copy(b[srcAddr:], src[:])
	copy(b[dstAddr:], dst[:])
	return append(b, body...)
}

func (m *Message) options(d mdndp.Direction) []mdndp.Option {
	if m.LinkAddr == (frame.MAC{}) {
		return nil
	}
	return []mdndp.Option{&mdndp.LinkLayerAddress{Direction: d, Addr: net.HardwareAddr(m.LinkAddr[:])}}
}
