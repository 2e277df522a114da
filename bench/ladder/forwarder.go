package ladder

import (
	"time"

	"lvsdr/conntrack"
	"lvsdr/dataplane/frame"
)

// A Forwarder is a director under measurement. It is used by one goroutine.
type Forwarder interface {
	// Name is how the table calls it, at most 20 letters.
	Name() string

	// Forward decides about frames, each a whole Ethernet frame without its
	// check sequence, at now in monotonic nanoseconds. It rewrites those to be
	// forwarded in place: the real server's MAC address as destination,
	// Setup.MAC as source, TTL decremented; and returns how many they are. It
	// must not keep the slices.
	Forward(frames [][]byte, now int64) int
}

// An Expirer is a Forwarder that can forget. One that is none gets no turns in
// the rungs that make new connections.
type Expirer interface {
	Forwarder

	// Expire removes what has expired at now: connections 60 s after a SYN,
	// never after an ACK, and the memory of clients Setup.Persistence after
	// their last new connection. It is not timed.
	Expire(now int64)
}

// A Counter is a Forwarder that can say why frames were not forwarded. That
// goes into the error of a turn that went wrong.
type Counter interface {
	// Reasons are frames by reason, so far.
	Reasons() map[string]uint64
}

// A Factory makes a Forwarder for a setup. It is called for every turn. A
// Forwarder that is an io.Closer is closed after it.
type Factory func(Setup) (Forwarder, error)

// A Setup describes a director's work: one virtual service with real servers
// of equal weight, in turn (round robin).
type Setup struct {
	Proto   frame.Proto // frame.ProtoTCP or ProtoUDP
	VIP     [4]byte
	Port    uint16
	MAC     frame.MAC // the director's own: source of forwarded frames
	Servers []Server
	// Persistence is how long a client stays with its server; 0: the service
	// is not persistent.
	Persistence time.Duration
	// Limit is how many connections (and templates) there may be, at least.
	Limit int
	// Sloppy takes any segment but a RST as the first of a connection, for
	// captures that begin in the middle of one.
	Sloppy bool

	scheduler string // of lvsdr; empty: wrr
	weight    int    // of its servers; 0: 1
	method    conntrack.Method
	tunnel    conntrack.Tunnel
}

// A Server is a real server.
type Server struct {
	Addr [4]byte
	MAC  frame.MAC
}

// DefaultSetup is a TCP service on 10.0.0.1:80 with ten real servers and room
// for limit connections.
func DefaultSetup(limit int) Setup {
	s := Setup{Proto: frame.ProtoTCP, VIP: [4]byte{10, 0, 0, 1}, Port: 80, MAC: frame.MAC{2, 0, 0, 0, 0xdd, 1}, Limit: max(limit, 1<<14)}
	for i := range byte(10) {
		s.Servers = append(s.Servers, Server{Addr: [4]byte{10, 0, 1, i + 1}, MAC: frame.MAC{2, 0, 0, 0, 0x55, i + 1}})
	}
	return s
}

// isServer reports whether m is the address of a real server.
func (s *Setup) isServer(m frame.MAC) bool {
	for i := range s.Servers {
		if s.Servers[i].MAC == m {
			return true
		}
	}
	return false
}
