package dataplane

import (
	"errors"
	"fmt"
	"time"

	"lvsdr/conntrack"
	"lvsdr/dataplane/frame"
	"lvsdr/scheduler"
)

// The refusals of the edits, in the words ipvsadm's users know.
var (
	ErrServiceExists  = errors.New("Service already exists")
	ErrNoService      = errors.New("No such service")
	ErrNotDefined     = errors.New("Service not defined")
	ErrServerExists   = errors.New("Destination already exists")
	ErrNoServer       = errors.New("No such destination")
	ErrThresholds     = errors.New("Numerical result out of range")
	ErrTooManyServers = errors.New("Memory allocation problem")
	ErrAddress        = errors.New("Invalid operation.  Possibly wrong module version, address not unicast, ...")
	ErrScheduler      = errors.New("Scheduler or persistence engine not found")
	ErrMethod         = errors.New("forwarding method not supported yet") // in no words of ipvsadm's
)

// A ServiceKey names a virtual service: by protocol, VIP and port, or by
// firewall mark alone. Port 0 means all ports.
type ServiceKey = conntrack.ServiceKey

// A Method says how packets get to a real server. The zero Method is Direct.
type Method = conntrack.Method

// A Tunnel is how packets are put into the tunnel to a server, and a Sum the checksum
// that it has.
type (
	Tunnel = conntrack.Tunnel
	Sum    = conntrack.Sum
)

// The checksums of tunnels.
const (
	NoSum     = conntrack.NoSum
	FullSum   = conntrack.FullSum
	RemoteSum = conntrack.RemoteSum
)

// The methods.
const (
	Direct     = conntrack.Direct
	IPIP       = conntrack.IPIP
	GRE        = conntrack.GRE
	GUE        = conntrack.GUE
	Masquerade = conntrack.Masquerade
	Local      = conntrack.Local
)

// MaxServers is how many servers all services may have, removed ones included that
// are still remembered; beyond it AddServer refuses with ErrTooManyServers.
const MaxServers = conntrack.MaxDests

// A ServiceConfig is the configuration of a virtual service.
type ServiceConfig struct {
	Key       ServiceKey
	Scheduler string // as in ipvsadm -s
	// Flags are the scheduler's own, as in ipvsadm -b.
	Flags scheduler.Flags
	// OnePacket schedules every UDP packet by itself and remembers none.
	OnePacket bool
	// Persistence is the life of a template after the last new connection
	// it took; 0: the service is not persistent.
	Persistence time.Duration
	// Mask is the netmask under which clients are one to persistence; the
	// zero Mask means the whole address.
	Mask frame.Addr
}

// A ServerConfig is the configuration of a real server in a service.
type ServerConfig struct {
	Addr   frame.Addr
	Port   uint16
	Method Method
	Tunnel Tunnel // of IPIP, GRE and GUE; else zero
	Weight int    // 0: no new connections (quiesced)
	// Upper and Lower are the connection thresholds: at Upper connections the
	// server gets no new ones until there are fewer than Lower, or than 3/4
	// of Upper if Lower is 0. Upper 0: no threshold.
	Upper, Lower int
}

// Check is why no service can have a server like c: ErrThresholds, ErrAddress or
// ErrMethod; nil: it can.
func (c *ServerConfig) Check() error {
	switch {
	case c.Lower > c.Upper || c.Weight < 0:
		return ErrThresholds
	case !unicast(c.Addr):
		return ErrAddress
	case c.Method != Direct && c.Method != Masquerade && !c.Method.Tunnels():
		return fmt.Errorf("%w: %s", ErrMethod, c.Method)
	case c.Tunnel != (Tunnel{}) && !c.Method.Tunnels():
		return fmt.Errorf("%w: %s with the settings of a tunnel", ErrMethod, c.Method)
	}
	return nil
}

// unicast reports whether a may be the address of a real server: one host, and
// for IPv6 not one of a single link.
func unicast(a frame.Addr) bool {
	if a.Is4() {
		b := a.As4()
		return b != [4]byte{} && b[0]&0xf0 != 0xe0 && b != [4]byte{255, 255, 255, 255}
	}
	linkLocal := a[0] == 0xfe && a[1]&0xc0 == 0x80
	return a != frame.Addr{} && a[0] != 0xff && !linkLocal
}

// A Link is an interface that frames leave by.
type Link struct {
	Index int32     // interface index
	MAC   frame.MAC // source address of forwarded frames
	MTU   int       // greatest IP packet, bytes; 0: not checked
	// Source is this host's address on the way to the server, of the server's family:
	// the source of the outer header of tunnels. The zero Addr: there is none, and a
	// server behind a tunnel cannot be reached.
	Source frame.Addr
}

// Traffic counts what was forwarded: only the client's half, in Direct Routing
// the other is never seen.
type Traffic = conntrack.Traffic

// service is a virtual service at work; Director.mu guards what changes.
type service struct {
	cfg    ServiceConfig
	dests  []*dest           // newest first
	picks  []*scheduler.Dest // the same servers, for the scheduler
	sched  scheduler.Scheduler
	flow   scheduler.Flow    // of the last pick; a local one would be allocated
	ref    conntrack.DestRef // of record
	record *conntrack.Dest   // what outlives a process
	totals *Traffic          // in record
	keeper scheduler.Keeper  // sched, if it stands somewhere; else nil
}

// matches reports whether the packet's port is the one the service is for, so
// that it may be scheduled without persistence.
func (s *service) matches(port uint16) bool {
	return s.cfg.Key.Mark != 0 || s.cfg.Key.Port == port
}
