package keepalived

import (
	"net/netip"
	"time"

	"lvsdr/control/ask"
	"lvsdr/dataplane/frame"
)

// VRRP is the part of a configuration about virtual routers, with inheritance and defaults resolved.
type VRRP struct {
	Global     VRRPGlobal
	Instances  []*Instance     // in the order of the file
	Groups     []*SyncGroup    // likewise; of two instances at least
	Scripts    []*TrackScript  // those that can run
	Processes  []*TrackProcess // likewise
	Files      []*TrackFile    // those that a Track names
	GARPGroups []GARPGroup
	// StaticAddresses, StaticRoutes and StaticRules are there in every role.
	StaticAddresses []VirtualAddress
	StaticRoutes    []Route
	StaticRules     []Rule
}

// VRRPGlobal holds the words of global_defs that are of no single instance.
type VRRPGlobal struct {
	// StartupDelay is how long instances wait before they start (vrrp_startup_delay); DelayAfterBoot says that
	// it counts from the boot of the host.
	StartupDelay   time.Duration
	DelayAfterBoot bool
	// GARPInterval is the least time between two gratuitous ARPs on one interface, GNAInterval that between two
	// unsolicited neighbour advertisements. 0: none.
	GARPInterval, GNAInterval time.Duration
	FIFO                      string // vrrp_notify_fifo; empty: there is none
	FIFOScript                Command
	// FIFOOnReload says that the FIFOs get every role again after a reload.
	FIFOOnReload bool
	LogUnknown   bool // adverts with a virtual router ID that is nobody's are logged
}

// An Instance is one vrrp_instance: a virtual router on one interface.
type Instance struct {
	Name      string
	Interface string
	ID        uint8 // 1 to 255
	Version   uint8 // 2 or 3
	IPv6      bool
	// StartMaster is `state MASTER`. As with keepalived it does little: see the package vrrp.
	StartMaster bool
	Priority    uint8         // 1 to 255; 255 is the owner of the addresses
	Interval    time.Duration // between adverts: whole seconds with version 2, 10 ms to 40.95 s with 3

	// Source is that of adverts (mcast_src_ip, unicast_src_ip); invalid: the interface's address.
	Source netip.Addr
	// TrackSource says that the instance is in fault while the host has not the address Source.
	TrackSource bool
	Group       netip.Addr // the multicast group; not used where there are Peers
	Peers       []Peer     // of unicast; none: multicast
	UnicastTTL  uint8      // of adverts to Peers
	// CheckUnicastSource refuses adverts that are of none of the Peers.
	CheckUnicastSource bool
	// UnicastFaultNoPeer says that an instance whose Peers are all left out is in fault.
	UnicastFaultNoPeer bool
	OldUnicastChecksum OldChecksum
	V3ChecksumAsV2     bool // no pseudo-header with version 3 and IPv4
	Auth               Auth
	Password           string // of PASS: 1 to 8 bytes

	VMAC VMAC

	Addresses []VirtualAddress // in the adverts, in this order; all of one family
	Excluded  []VirtualAddress // not in the adverts; of both families
	// PromoteSecondaries keeps the addresses of a network whose first address goes.
	PromoteSecondaries bool
	Routes             []Route
	Rules              []Rule
	// Accept says that packets to the addresses are taken by this host, also where it is not their owner. It
	// is false with strict mode only.
	Accept bool

	Preempt           bool // a backup of a higher priority takes over
	PreemptDelay      time.Duration
	DownTimerAdverts  uint8 // intervals of silence until the master is down; 3
	GARP              GARP
	LowerPrioNoAdvert bool // adverts of a lower priority are not answered
	// HigherPrioSendAdvert sends one advert more before a master gives way.
	HigherPrioSendAdvert bool
	SkipCheckAddresses   bool // the addresses in adverts of the same master are not compared again
	Strict               bool
	OwnerIgnoreAdverts   bool
	// TimerExpiredBackup is the priority that a master whose timer is late gives way to; 0: none.
	TimerExpiredBackup uint8

	Tracks []Track
	// DontTrackPrimary says that the state of Interface does not count.
	DontTrackPrimary bool

	Notify         VRRPNotify
	Alert          bool // mails are sent about its roles
	NotifyPriority bool // the FIFOs are told of changes of the priority, too
	ReceiveBuffer  uint32
	Debug          uint8
	SyncGroup      string // empty: it is in none
	Pos            Pos
}

// OldChecksum says how the checksum of unicast adverts of version 3 is made (old_unicast_checksum).
type OldChecksum uint8

// The kinds of checksums.
const (
	LearnChecksum OldChecksum = iota // the right one, and the old one after a peer was heard with it
	AlwaysOld                        // the multicast group counts as the destination
	NeverOld
)

// Auth is the authentication of an instance.
type Auth uint8

// The kinds of authentication.
const (
	NoAuth Auth = iota
	AuthPASS
	AuthAH // refused: an instance with it is not in the Config
)

// A VMAC says whether an instance has a MAC address of its own.
type VMAC struct {
	Use  bool
	Name string    // of the interface that keepalived would make; empty: vrrp.ID
	MAC  frame.MAC // zero: 00:00:5e:00:01:ID, or 00:00:5e:00:02:ID for IPv6
	// XmitBase sends the adverts with the interface's MAC address; UseAddr has the virtual MAC for addresses on
	// other interfaces, too.
	XmitBase, UseAddr bool
}

// A Peer is one line of unicast_peer.
type Peer struct {
	Addr           netip.Addr
	MinTTL, MaxTTL uint8 // of its adverts: 0 and 255 where nothing is said
}

// GARP says when the addresses of a master are announced.
type GARP struct {
	Delay         time.Duration // of the second time, after it has become the master; 0: there is none
	Repeat        uint32        // announcements each time
	Refresh       time.Duration // between the times after that; 0: there are none
	RefreshRepeat uint32
	// LowerPrioDelay and LowerPrioRepeat are those after an advert of a lower priority.
	LowerPrioDelay  time.Duration
	LowerPrioRepeat uint32
	Minimal         bool // vrrp_min_garp: one at once, and no more
	// Extra is the time between announcements of addresses on other interfaces than the instance's, of those with
	// its virtual MAC or, with ExtraAll, of all (garp_extra_if); 0: there are none.
	Extra    time.Duration
	ExtraAll bool
}

// A GARPGroup is one garp_group: its interfaces share their least times between two announcements.
type GARPGroup struct {
	GARPInterval, GNAInterval time.Duration // as in VRRPGlobal, in their place
	Interfaces                []string      // in no group before
}

// A VirtualAddress is one line of addresses.
type VirtualAddress struct {
	Prefix        netip.Prefix // the address, and the length of its network
	Interface     string       // dev; empty: the instance's
	Label         string
	Scope         uint8      // as rtnetlink has it: 0 is global
	Broadcast     netip.Addr // invalid: none; that of the network where it is +
	Peer          netip.Addr // of a point-to-point link; invalid: none
	NoTrack       bool       // the state of its interface does not count
	VMAC          bool       // on the virtual MAC
	Home          bool
	NoDAD         bool
	ManageTemp    bool // mngtmpaddr
	NoPrefixRoute bool
	AutoJoin      bool
	// PreferredLifetime counts where HasLifetime is set; 0 is a deprecated address.
	HasLifetime       bool
	PreferredLifetime time.Duration
	Pos               Pos
}

// TrackKind is the kind of thing that a Track looks at.
type TrackKind uint8

// The kinds that are looked at.
const (
	TrackOfInterface TrackKind = iota + 1
	TrackOfScript
	TrackOfProcess
	TrackOfFile
	TrackOfRoute // a virtual route, by what Route.Followed says
)

// String is the word of the block.
func (k TrackKind) String() string {
	switch k {
	case TrackOfInterface:
		return "track_interface"
	case TrackOfScript:
		return "track_script"
	case TrackOfProcess:
		return "track_process"
	case TrackOfFile:
		return "track_file"
	case TrackOfRoute:
		return "virtual_routes"
	}
	return "track?"
}

// A Track is something whose state counts for an instance or a group. Weight 0 puts it in fault while that is
// down, a positive one is added to the priority while that is up, a negative one while it is down; Reverse has
// up for down. For a file the weight is a factor of its number.
type Track struct {
	Kind    TrackKind
	Name    string
	Weight  int
	Reverse bool
	Pos     Pos
}

// A TrackScript is a vrrp_script.
type TrackScript struct {
	Name       string
	Command    Command
	Interval   time.Duration // between two runs
	Timeout    time.Duration // of a run, which then has failed
	Weight     int           // of a Track that does not say another
	Reverse    bool          // likewise
	Rise, Fall uint32        // results in a row until it is up, or down
	InitFail   bool          // it starts as down
	Pos        Pos
}

// A TrackProcess is a track_process: it is up while enough processes with this command line run.
type TrackProcess struct {
	Name string
	// Path is the program, with its arguments behind it in Params if HasParams is set.
	Path string
	// Params are the arguments that the process has; PartialParams says that it may have more behind them, and
	// with InitialParams the last one may be longer.
	Params                       []string
	HasParams                    bool
	PartialParams, InitialParams bool
	FullCommand                  bool // the command line is compared, not the name of the process
	Weight                       int
	Reverse                      bool
	Quorum                       uint32        // processes needed, 1
	QuorumMax                    uint32        // and at most; 0: no bound
	ForkDelay                    time.Duration // until it is up
	TerminateDelay               time.Duration // until it is down
	Pos                          Pos
}

// A TrackFile is a track_file.
type TrackFile struct {
	Name string
	File ask.File // with the weight of a Track that does not say another
	Pos  Pos
}

// A SyncGroup is a vrrp_sync_group: its members are masters together, or none is.
type SyncGroup struct {
	Name    string
	Members []string // names of Instances, in order
	// Tracks count for all members. Weights are 0 unless sync_group_tracking_weight is there.
	Tracks         []Track
	Notify         VRRPNotify
	Alert          bool
	NotifyPriority bool
	Pos            Pos
}

// VRRPNotify are the commands about roles; those of notify get the kind, the name, the role and the priority.
type VRRPNotify struct {
	Master, Backup, Fault, Stop, Deleted, LowerPriority, Any Command
}
