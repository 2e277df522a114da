package dataplane

import (
	"errors"
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
)

// A ServiceKey names a virtual service: by protocol, VIP and port, or by
// firewall mark alone. Port 0 means all ports.
type ServiceKey struct {
	Proto frame.Proto
	Addr  frame.Addr
	Port  uint16
	Mark  uint32
	IPv6  bool // of a service by mark: it is for IPv6
}

// A ServiceConfig is what is configured of a virtual service.
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

// A ServerConfig is what is configured of a real server in a service.
type ServerConfig struct {
	Addr   frame.Addr
	Port   uint16
	Weight int // 0: no new connections (quiesced)
	// Upper and Lower are the connection thresholds: at Upper connections the
	// server gets no new ones until there are fewer than Lower, or than 3/4
	// of Upper if Lower is 0. Upper 0: no threshold.
	Upper, Lower int
}

// A Link is an interface that frames leave by.
type Link struct {
	Index int32     // interface index
	MAC   frame.MAC // source address of forwarded frames
	MTU   int       // greatest IP packet, bytes; 0: not checked
}

// Traffic counts what was forwarded: only the client's half, in Direct Routing
// the other is never seen.
type Traffic struct {
	Conns   uint64 `json:"conns"`
	Packets uint64 `json:"packets"`
	Bytes   uint64 `json:"bytes"` // IP packets, with their headers
}

func (t *Traffic) add(bytes int) {
	t.Packets++
	t.Bytes += uint64(bytes)
}

func (t *Traffic) join(n Traffic) {
	t.Conns += n.Conns
	t.Packets += n.Packets
	t.Bytes += n.Bytes
}

// service is a virtual service at work; Director.mu guards what changes.
type service struct {
	cfg    ServiceConfig
	dests  []*dest           // newest first
	picks  []*scheduler.Dest // the same servers, for the scheduler
	sched  scheduler.Scheduler
	flow   scheduler.Flow // of the last pick; a local one would be allocated
	totals Traffic
}

// find is the index of the server addr:port, or -1.
func (s *service) find(addr frame.Addr, port uint16) int {
	for i, d := range s.dests {
		if d.Addr == addr && d.Port == port {
			return i
		}
	}
	return -1
}

// matches reports whether the packet's port is the one the service is for, so
// that it may be scheduled without persistence.
func (s *service) matches(port uint16) bool {
	return s.cfg.Key.Mark != 0 || s.cfg.Key.Port == port
}

// dest is a real server of one service, or what is left of one after its
// removal: it is kept while entries refer to it, so that it can come back.
type dest struct {
	scheduler.Dest
	key          ServiceKey // its service, also after that is gone
	in           *service   // nil: removed
	slot, gen    uint16
	upper, lower int
	templates    int
	refs         int   // entries that go to it
	idleSince    int64 // removed and without entries since; ns

	mac    frame.MAC
	link   Link
	local  bool
	route  *route // as published
	totals Traffic
}

func (d *dest) ref() conntrack.DestRef { return conntrack.MakeDestRef(d.slot, d.gen) }

// setNeighbour notes whether frames can be sent to d.
func (d *dest) setNeighbour(n neighbour) {
	d.mac, d.link, d.local = n.mac, n.link, n.local
	d.Unreachable = d.mac == frame.MAC{} && !d.local
}

// bind counts a new entry for d.
func (d *dest) bind(e *conntrack.Entry) {
	d.refs++
	if e.Template() {
		d.templates++
	} else {
		d.Inactive++ // a new entry is inactive until its first state
	}
	d.overload()
}

// unbind takes the count of e back.
func (d *dest) unbind(e *conntrack.Entry) {
	d.refs--
	switch {
	case e.Template():
		d.templates--
	case e.Active():
		d.Active--
	default:
		d.Inactive--
	}
	d.relieve()
}

// overload sets the overload flag where the upper threshold is reached.
func (d *dest) overload() {
	if d.upper > 0 && d.Active+d.Inactive >= d.upper {
		d.Overloaded = true
	}
}

// relieve clears the overload flag where the lower threshold, or 3/4 of the
// upper one, is passed.
func (d *dest) relieve() {
	n := d.Active + d.Inactive
	switch {
	case d.lower > 0:
		if n < d.lower {
			d.Overloaded = false
		}
	case n*4 < d.upper*3 || d.upper == 0:
		d.Overloaded = false
	}
}

// configure takes over c's weight and thresholds.
func (d *dest) configure(c ServerConfig, t Tunables) {
	raised := c.Upper > d.upper
	d.Weight, d.upper, d.lower = c.Weight, c.Upper, c.Lower
	if c.Weight > 0 {
		d.LastWeight = c.Weight
	}
	switch {
	case !t.LateThresholds:
		d.relieve()
		d.overload()
	case raised || c.Upper == 0:
		d.Overloaded = false
	}
}
