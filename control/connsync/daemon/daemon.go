package daemon

import (
	"errors"
	"fmt"
	"net/netip"
)

// A Role says whether a daemon sends or receives.
type Role uint8

// The roles, in the order of listings.
const (
	Master Role = iota // sends
	Backup             // receives
)

// Roles are both roles, in the order of listings.
var Roles = [...]Role{Master, Backup}

// String is the role as ipvsadm writes it.
func (r Role) String() string {
	if r == Backup {
		return "backup"
	}
	return "master"
}

// ParseRole reads "master" or "backup".
func ParseRole(s string) (Role, error) {
	for _, r := range Roles {
		if s == r.String() {
			return r, nil
		}
	}
	return 0, fmt.Errorf("sync daemon %q: neither master nor backup", s)
}

// The defaults of a daemon, which are those of IPVS.
const (
	DefaultPort = 8848
	DefaultTTL  = 1
)

// DefaultGroup is the multicast group of daemons that name none.
func DefaultGroup() netip.Addr { return netip.AddrFrom4([4]byte{224, 0, 0, 81}) }

// A Config is how a daemon runs; the zero Config is one that does not.
type Config struct {
	Interface string // its name; never empty
	SyncID    uint8  // in the messages; a backup with 0 takes all
	// MaxLen bounds the messages that are sent, in bytes without IP and UDP headers;
	// 0: see WithDefaults.
	MaxLen int
	Group  netip.Addr // a multicast address; the zero Addr: DefaultGroup
	Port   uint16     // UDP; 0: DefaultPort
	TTL    uint8      // of the packets; 0: DefaultTTL
}

// Runs reports whether there is such a daemon.
func (c Config) Runs() bool { return c != Config{} }

// The lengths of the headers in front of a message.
const (
	headersV4 = 20 + 8
	headersV6 = 40 + 8
)

// maxPacket is the length of the longest IP packet.
const maxPacket = 65535

// WithDefaults is c with everything said. mtu is the interface's; 0: it is not known. A
// master sends packets of 1500 bytes at most, unless MaxLen says more; a backup is
// ready for the longest that the interface may bring.
func (c Config) WithDefaults(r Role, mtu int) Config {
	if !c.Group.IsValid() {
		c.Group = DefaultGroup()
	}
	if c.Port == 0 {
		c.Port = DefaultPort
	}
	if c.TTL == 0 {
		c.TTL = DefaultTTL
	}
	headers := headersV4
	if c.Group.Is6() {
		headers = headersV6
	}
	packet, least := 1500, 1
	if r == Backup {
		packet, least = min(max(mtu, packet), maxPacket), 1024
	}
	if c.MaxLen == 0 {
		c.MaxLen = packet - headers
	}
	c.MaxLen = min(max(c.MaxLen, least), maxPacket-headers)
	return c
}

// String is c as ipvsadm -L --daemon writes it between parentheses.
func (c Config) String() string {
	return fmt.Sprintf("mcast=%s, syncid=%d, maxlen=%d, group=%s, port=%d, ttl=%d", c.Interface, c.SyncID, c.MaxLen, c.Group, c.Port, c.TTL)
}

// The refusals of Set.Start and Set.Stop.
var (
	ErrRuns     = errors.New("a daemon of this role runs already")
	ErrNone     = errors.New("no daemon of this role runs")
	ErrNoDevice = errors.New("no such interface")
)

// A Set is the daemons of a director: at most one of each role. It is a value; two Sets
// are equal if they are the same daemons.
type Set struct{ Master, Backup Config }

// of is the place of a role's daemon.
func (s *Set) of(r Role) *Config {
	if r == Backup {
		return &s.Backup
	}
	return &s.Master
}

// Of is the daemon of a role; the zero Config: it does not run.
func (s Set) Of(r Role) Config { return *s.of(r) }

// With is s with another daemon of a role, or without one.
func (s Set) With(r Role, c Config) Set {
	*s.of(r) = c
	return s
}

// Start is s with a daemon more. mtu is that of its interface, 0 if there is no such
// interface.
func (s Set) Start(r Role, c Config, mtu int) (Set, error) {
	switch {
	case mtu == 0:
		return s, ErrNoDevice
	case s.Of(r).Runs():
		return s, ErrRuns
	}
	return s.With(r, c.WithDefaults(r, mtu)), nil
}

// Stop is s without the daemon of a role.
func (s Set) Stop(r Role) (Set, error) {
	if !s.Of(r).Runs() {
		return s, ErrNone
	}
	return s.With(r, Config{}), nil
}
