package connsync

import (
	"encoding/binary"
	"errors"
	"fmt"

	"lvsdr/dataplane/frame"
)

// Flags say what sort of entry one is; the numbers are IPVS's own.
type Flags uint32

// The flags that mean something in a message. A backup believes the sender in
// those of Kept alone.
const (
	MethodMask    Flags = 0x0007 // how packets get to the server
	Masquerade    Flags = 0      // methods
	LocalNode     Flags = 1
	Tunnel        Flags = 2
	DirectRoute   Flags = 3
	Bypass        Flags = 4
	BySync        Flags = 0x0020 // the sender got it by a message itself
	Hashed        Flags = 0x0040 // the sender's own; not sent
	NoOutput      Flags = 0x0080 // only the client's half is seen
	Inactive      Flags = 0x0100 // it counts as an inactive connection of its server
	Sequences     Flags = 0x0600 // sequence numbers are shifted, by the option Seq
	NoClientPort  Flags = 0x0800
	Template      Flags = 0x1000
	Kept          Flags = MethodMask | NoOutput | Inactive | Sequences | NoClientPort | Template
	sequenceBytes       = 24
)

// An Entry is a connection or a template as a message tells of it.
type Entry struct {
	IPv6  bool
	Proto frame.Proto // 0: the template of a service by firewall mark
	Flags Flags
	// State is IPVS's number of it: of TCP that of conntrack.State, of SCTP another one
	// (see Synced), of UDP 0; of a template 0, or 1 if it is assured.
	State       uint16
	ClientPort  uint16 // 0: a template
	VirtualPort uint16
	ServerPort  uint16
	Mark        uint32
	Timeout     uint32 // seconds; 0: as the receiver has it for the state
	// Client, Virtual and Server are IPv4 addresses unless IPv6 is set. Virtual is, of
	// the template of a firewall mark, that mark in its first four bytes.
	Client, Virtual, Server frame.Addr
	// HasSeq says that Seq was told: how the sequence numbers of both directions are
	// shifted, three numbers each, which only a masquerading helper does.
	HasSeq bool
	Seq    [sequenceBytes]byte
}

// The limits of a message and of its parts, bytes.
const (
	// DefaultMaxLen is the longest message of a master with no other limit: an Ethernet
	// frame carries it over UDP and IPv4.
	DefaultMaxLen = 1472
	// MaxLen is the longest payload of UDP over IPv4.
	MaxLen = 65535 - 28

	headerLen  = 8
	header0Len = 4
	entry4Len  = 36
	entry6Len  = 72
	entry0Len  = 24
	fixedLen   = 24 // of an entry, in front of the addresses
	sizeMask   = 1<<12 - 1
	typeIPv6   = 1
	maxEntries = 255
)

// The options of an entry: type, length, data.
const (
	optSeq       = 1
	optPEData    = 2 // of a persistence engine
	optPEName    = 3
	optMayIgnore = 0x40
	maxPEName    = 16
)

// Why a message, or the rest of one, is refused.
var (
	// ErrShort is a message shorter than a header.
	ErrShort = errors.New("shorter than a header")
	// ErrLength is a message whose length is not the one that it says.
	ErrLength = errors.New("the length is not the one that the message says")
	// ErrCut is an entry that goes beyond the end of its message.
	ErrCut = errors.New("an entry goes beyond the message")
	// ErrEntryVersion is an entry of a version other than 0.
	ErrEntryVersion = errors.New("an entry of an unknown version")
	// ErrEntryType is an entry with unknown bits in its type.
	ErrEntryType = errors.New("an entry of an unknown type")
	// ErrEntryLength is an entry too short for its addresses.
	ErrEntryLength = errors.New("an entry too short for its addresses")
	// ErrOption is an option cut off, empty, repeated or of a wrong length.
	ErrOption = errors.New("a malformed option")
)

// An EntryError says which entry of a message, from 1 on, was malformed; those
// before it stand, those after it are not read.
type EntryError struct {
	N   int
	Err error
}

// Error names the entry and what is wrong.
func (e *EntryError) Error() string { return fmt.Sprintf("entry %d: %v", e.N, e.Err) }

// Unwrap returns the cause.
func (e *EntryError) Unwrap() error { return e.Err }

// len is the length of e in a message of version 1, its options included.
func (e *Entry) len() int {
	n := entry4Len
	if e.IPv6 {
		n = entry6Len
	}
	if e.HasSeq {
		n += 2 + sequenceBytes
	}
	return n
}

// padded is n, rounded up to where the next entry begins.
func padded(n int) int { return (n + 3) &^ 3 }

// append writes e, as an entry of version 1, behind b.
func (e *Entry) append(b []byte) []byte {
	typ := byte(0)
	if e.IPv6 {
		typ = typeIPv6
	}
	b = append(b, typ, byte(e.Proto))
	b = binary.BigEndian.AppendUint16(b, uint16(e.len()))
	b = binary.BigEndian.AppendUint32(b, uint32(e.Flags&^Hashed))
	b = binary.BigEndian.AppendUint16(b, e.State)
	b = e.appendPorts(b)
	b = binary.BigEndian.AppendUint32(b, e.Mark)
	b = binary.BigEndian.AppendUint32(b, e.Timeout)
	if e.IPv6 {
		b = append(append(append(b, e.Client[:]...), e.Virtual[:]...), e.Server[:]...)
	} else {
		b = e.appendAddrs4(b)
	}
	if e.HasSeq {
		b = append(append(b, optSeq, sequenceBytes), e.Seq[:]...)
	}
	return b
}

func (e *Entry) appendPorts(b []byte) []byte {
	b = binary.BigEndian.AppendUint16(b, e.ClientPort)
	b = binary.BigEndian.AppendUint16(b, e.VirtualPort)
	return binary.BigEndian.AppendUint16(b, e.ServerPort)
}

func (e *Entry) appendAddrs4(b []byte) []byte {
	for _, a := range [...]*frame.Addr{&e.Client, &e.Virtual, &e.Server} {
		b = append(b, a[12:]...)
	}
	return b
}

// readPorts reads the three ports at the start of b.
func (e *Entry) readPorts(b []byte) {
	e.ClientPort = binary.BigEndian.Uint16(b)
	e.VirtualPort = binary.BigEndian.Uint16(b[2:])
	e.ServerPort = binary.BigEndian.Uint16(b[4:])
}

// readAddrs4 reads the three IPv4 addresses at the start of b.
func (e *Entry) readAddrs4(b []byte) {
	e.Client = frame.AddrFrom4([4]byte(b))
	e.Virtual = frame.AddrFrom4([4]byte(b[4:]))
	e.Server = frame.AddrFrom4([4]byte(b[8:]))
}

// len0 is the length of e in a message of version 0, where Flags alone say whether
// there is Seq.
func (e *Entry) len0() int {
	if e.Flags&Sequences != 0 {
		return entry0Len + sequenceBytes
	}
	return entry0Len
}

// append0 writes e, of IPv4, as an entry of version 0 behind b.
func (e *Entry) append0(b []byte) []byte {
	b = e.appendAddrs4(e.appendPorts(append(b, 0, byte(e.Proto))))
	b = binary.BigEndian.AppendUint16(b, uint16(e.Flags&^Hashed))
	b = binary.BigEndian.AppendUint16(b, e.State)
	if e.Flags&Sequences != 0 {
		b = append(b, e.Seq[:]...)
	}
	return b
}

// read0 reads the entry of version 0 at the start of b and returns its length; 0: it
// is cut off.
func (e *Entry) read0(b []byte) int {
	if len(b) < entry0Len {
		return 0
	}
	*e = Entry{Proto: frame.Proto(b[1]), Flags: Flags(binary.BigEndian.Uint16(b[20:])), State: binary.BigEndian.Uint16(b[22:])}
	e.readPorts(b[2:])
	e.readAddrs4(b[8:])
	n := e.len0()
	if len(b) < n {
		return 0
	}
	if n > entry0Len {
		e.HasSeq, e.Seq = true, [sequenceBytes]byte(b[entry0Len:])
	}
	return n
}
