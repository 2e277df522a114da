package keepalived

import (
	"net/netip"
	"strconv"
	"time"

	"lvsdr/control/ask"
	"lvsdr/dataplane/frame"
	"lvsdr/scheduler"
)

// A Config is the meaning of a configuration, with inheritance and defaults
// resolved. Load makes it; it is not changed afterwards.
type Config struct {
	Global         Global
	VirtualServers []*VirtualServer // in the order of the file
	VRRP           VRRP
}

// Global is the content of global_defs.
type Global struct {
	RouterID         string
	DefaultInterface string // empty: none was named
	// Timeouts in seconds; 0 means the default.
	Timeouts Timeouts
	// PersistenceDefault holds for services without persistence_timeout.
	PersistenceDefault PersistenceDefault
	// Mail says where mails about changes go.
	Mail Mail
	// SSL is the SSL block; zero where there is none, or its files cannot be read.
	SSL SSL
	// Marks give packets firewall marks, in the order of the file. No two are about the
	// same port of an address.
	Marks []Mark
	// DRCheck says that a real server must also answer a frame for the
	// service's address to be taken as up. The default is true.
	DRCheck bool
	// ScriptUser and ScriptGroup run the commands that name no user; empty: as this
	// process. ScriptSecurity refuses commands that would run as root and that others
	// can change.
	ScriptUser, ScriptGroup string
	ScriptSecurity          bool
	// FIFOs are the paths of notify_fifo and lvs_notify_fifo, in this order; empty:
	// there is none.
	FIFOs [2]string
	// FIFOScripts read them: notify_fifo_script and lvs_notify_fifo_script.
	FIFOScripts [2]Command
	// Sync is connection sync with other directors.
	Sync Sync
	// InitNotifies says that servers that start up are told of (rs_init_notifies).
	InitNotifies bool
	// LogAllFailures says that every failed check is logged, not only the
	// change from up to down.
	LogAllFailures bool
}

// Timeouts are how long idle connections are kept, in seconds: 1 to 2678400, or
// 0 for the default.
type Timeouts struct{ TCP, TCPFin, UDP uint32 }

// PersistenceDefault is the persistence of services that do not mention it.
type PersistenceDefault struct {
	Set     bool   // false: 120 seconds
	Seconds uint32 // 0 is off
}

// DefaultPersistence is the persistence of a service that does not mention it,
// in seconds, when no persistence_default is set.
const DefaultPersistence = 120

// seconds is the persistence in force.
func (d PersistenceDefault) seconds() uint32 {
	if d.Set {
		return d.Seconds
	}
	return DefaultPersistence
}

// Persistence says how long a client stays with its real server.
type Persistence struct {
	Timeout     uint32 // seconds, 1 to 2678400; 0 is off
	FromDefault bool   // the service does not mention it
}

// A VirtualServer is one service: by address, port and protocol, or by firewall mark. A virtual_server block that names a group
// makes one for each address and port of the group; they differ in nothing else.
type VirtualServer struct {
	Addr        netip.Addr // never IPv4-mapped, no zone; invalid for a mark
	Port        uint16     // 0 is every port, see IPVS on port zero
	Protocol    frame.Proto
	Mark        uint32     // 0: the service is by address
	IPv6        bool       // of a mark: for IPv6 packets
	Scheduler   string     // one of Options.Schedulers
	Method      Forwarding // of servers that say nothing else
	SchedFlags  scheduler.Flags
	OPS         bool // one-packet scheduling; UDP only
	Persistence Persistence
	// Granularity is the mask of the client addresses that stay together, of
	// the service's family; the zero Addr keeps every client apart. An IPv4 mask
	// need not be contiguous.
	Granularity netip.Addr

	Timing                  // for real servers and checks that say nothing else
	Weight           uint32 // likewise, 1 to 2147483647
	InhibitOnFailure bool   // likewise

	Omega      bool    // run the down scripts at the end
	HASuspend  bool    // its checks wait while VRRP has Addr elsewhere
	Alert      bool    // mails are sent about its quorum
	QuorumUp   Command // run when the quorum is regained
	QuorumDown Command // run when it is lost
	// PanicThreshold is the share of the real servers in percent (lvsdr_panic_threshold): while
	// fewer are up, all serve. 0: never.
	PanicThreshold uint32
	Quorum         uint32        // weight that must be up, at least 1
	Hysteresis     uint32        // less than Quorum
	SorryServer    SorryServer   // its Addr is invalid when there is none
	RealServers    []*RealServer // the services of a group may share them
	Pos            Pos
}

// Name is the service as logs and FIFOs write it: [ADDR]:proto:PORT, or FWM MARK.
func (v *VirtualServer) Name() string {
	if v.Mark != 0 {
		return "FWM " + strconv.FormatUint(uint64(v.Mark), 10)
	}
	return endpointName(v.Addr, v.Protocol, v.Port)
}

// Timing says when and how a server is checked.
type Timing struct {
	DelayLoop        time.Duration // between checks, at least 1 µs
	ConnectTimeout   time.Duration // of one check, at least 1 µs
	Retry            uint32        // checks more before an up server is down
	DelayBeforeRetry time.Duration // before each of those
	Warmup           time.Duration // the first check comes at a random time in it
	// Alpha says that a server is down until a check says otherwise.
	Alpha bool
	// Rise is how many good checks in a row bring a server up that is down (lvsdr_rise),
	// at least 1.
	Rise uint32
}

// A Command is a program to run when something happens; the zero Command is none.
type Command struct {
	Line        string // the program and its arguments, as script.Split reads them
	User, Group string // whom it runs as; empty: as Global says
}

// A SorryServer takes the traffic when the quorum is lost.
type SorryServer struct {
	Addr    netip.Addr
	Port    uint16 // as a RealServer's
	Method  Forwarding
	Inhibit bool // quiesced instead of removed
}

// A Point is an address and port at which clients reach a service.
type Point struct {
	Service  *VirtualServer
	Addr     netip.Addr
	Port     uint16 // 0: several
	Protocol frame.Proto
	Pos      Pos
}

// Points are those of all services, in their order: of one by mark each line that gives
// packets the mark.
func (c *Config) Points() []Point {
	var all []Point
	for _, v := range c.VirtualServers {
		if v.Mark == 0 {
			all = append(all, Point{v, v.Addr, v.Port, v.Protocol, v.Pos})
			continue
		}
		for _, m := range c.Global.Marks {
			if m.Mark != v.Mark || m.Addr.Is6() != v.IPv6 {
				continue
			}
			p := Point{v, m.Addr, m.First, m.Protocol, m.Pos}
			if m.First != m.Last {
				p.Port = 0
			}
			all = append(all, p)
		}
	}
	return all
}

// A Passive says when repeated SYNs of clients take a server out (lvsdr_passive_failure); the
// zero Passive: never.
type Passive struct {
	Percent     uint32        // of all its SYNs in 4 seconds must be exceeded, 1 to 99
	Connections uint32        // must have begun in them
	Hold        time.Duration // the server is out for this long
}

// A Damping says how failures keep a server out for longer (lvsdr_flap_damping); the zero Damping:
// not at all. Each failure adds 1 to a penalty.
type Damping struct {
	HalfLife time.Duration // of the penalty
	Suppress uint32        // a greater penalty takes the server out
	Reuse    uint32        // until it has decayed to this, 1 to Suppress
}

// A RealServer is one server behind a service.
type RealServer struct {
	Addr         netip.Addr
	Port         uint16 // that of the service, unless NAT changes it
	Method       Forwarding
	Weight       uint32 // 0 to 2147483647; 0 takes no new connections
	Upper, Lower uint32 // connection thresholds; 0 is none
	// MAC is where frames for the server go (lvsdr_mac); zero: that is asked for by ARP
	// or neighbour discovery.
	MAC              frame.MAC
	InhibitOnFailure bool // a failed server stays, with weight 0
	Alert            bool // mails are sent about its changes
	NotifyUp         Command
	NotifyDown       Command
	// SlowStart is how long the weight grows after the server came back
	// (lvsdr_slow_start); 0: not at all.
	SlowStart time.Duration
	Passive   Passive
	Damping   Damping
	Timing    // for checks that say nothing else
	// Checks must all be good for the server to be up; without any it always is.
	// Where one real_server block stands behind several services, of a group, and
	// all its checks are the same for them, its RealServers have the same Check
	// pointers: each check need be run only once.
	Checks []*Check
	Pos    Pos
}

// Name is the server as logs and FIFOs write it: [ADDR]:proto:PORT, with the
// protocol of its service.
func (r *RealServer) Name(p frame.Proto) string {
	return endpointName(r.Addr, p, r.Port)
}

// endpointName is [ADDR]:proto:PORT.
func endpointName(addr netip.Addr, p frame.Proto, port uint16) string {
	b := make([]byte, 0, len("[255.255.255.255]:sctp:65535"))
	b = addr.AppendTo(append(b, '['))
	proto := "none" // keepalived's word for that of a mark
	if p != 0 {
		proto = p.String()
	}
	b = append(append(append(b, "]:"...), proto...), ':')
	return string(strconv.AppendUint(b, uint64(port), 10))
}

// A CheckKind is a kind of check.
type CheckKind uint8

// The kinds that can be run now.
const (
	TCPCheck  CheckKind = iota + 1 // connect, and nothing more
	HTTPGet                        // ask a web server; Ask is an *ask.HTTP
	SSLGet                         // the same over TLS
	SMTPCheck                      // greet a mail server; Ask is an *ask.SMTP
	DNSCheck                       // ask a name server; Ask is an *ask.DNS
	UDPCheck                       // send a datagram; Ask is an *ask.UDP
	MiscCheck                      // run a program; Ask is an *ask.Program
	PingCheck                      // send an echo request; Ask is an *ask.Ping
	FileCheck                      // read a number from a file; Ask is an *ask.File
)

// Ported reports whether a check of this kind connects to a port of the server.
func (k CheckKind) Ported() bool { return k < MiscCheck }

// Stream reports whether a check of this kind makes a TCP connection, as clients of a
// service do.
func (k CheckKind) Stream() bool { return k.Ported() && k != DNSCheck && k != UDPCheck }

// String is the keyword of the kind.
func (k CheckKind) String() string {
	switch k {
	case TCPCheck:
		return "TCP_CHECK"
	case HTTPGet:
		return "HTTP_GET"
	case SSLGet:
		return "SSL_GET"
	case SMTPCheck:
		return "SMTP_CHECK"
	case DNSCheck:
		return "DNS_CHECK"
	case UDPCheck:
		return "UDP_CHECK"
	case MiscCheck:
		return "MISC_CHECK"
	case PingCheck:
		return "PING_CHECK"
	case FileCheck:
		return "FILE_CHECK"
	}
	return "CHECK?"
}

// A Check is one way to find out whether a real server works.
type Check struct {
	Kind CheckKind
	// Ask is the question to the server; nil: it is enough that it accepts a
	// connection.
	Ask         ask.Ask
	ConnectIP   netip.Addr
	ConnectPort uint16     // 0 only if the Kind is not Ported
	BindTo      netip.Addr // source address; invalid when the system chooses
	BindPort    uint16     // source port; 0 when the system chooses
	BindIf      string     // interface of the packets; empty: as routed
	Mark        uint32     // firewall mark of the packets; 0: none
	LogAll      bool       // every failure is logged
	Timing
	Pos Pos
}
