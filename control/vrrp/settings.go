package vrrp

import (
	"net/netip"
	"time"

	"lvsdr/dataplane/frame"
)

// Settings are all instances that run, and the groups of them.
type Settings struct {
	Instances []Instance
	Groups    []Group
	// StartupDelay is how long instances wait in Init when the actor starts.
	StartupDelay time.Duration
	// Hold says that this host is not ready to take over from a master that it hears. It counts for HoldAtMost at most.
	// A silent master is replaced without waiting for its end.
	Hold bool
	// LogUnknown has adverts received, and logged, of virtual router IDs that no instance has.
	LogUnknown bool
}

// HoldAtMost bounds the time for which Settings.Hold counts.
const HoldAtMost = 30 * time.Second

// An Instance is one virtual router on one interface. Its Name is unique, and so are Interface, ID and IPv6 together.
type Instance struct {
	Name      string
	Interface string // of the adverts
	ID        uint8  // 1 to 255
	Version   uint8  // 2 or 3; 3 with IPv6
	IPv6      bool
	// StartMaster and a Priority of 255 make it master at once. Without Preempt neither does.
	StartMaster bool
	Priority    uint8         // 1 to 255 (Owner)
	Interval    time.Duration // between adverts; 10 ms to 40.95 s with version 3, whole seconds to 255 with 2

	// Source is that of the adverts; invalid: the first address of Interface that is none of Addresses.
	Source    netip.Addr
	Group     netip.Addr // where adverts go without Peers; invalid: 224.0.0.18 or ff02::12
	Peers     []Peer     // adverts go to these, one by one
	NeedsPeer bool       // without Peers it is in fault (unicast_fault_no_peer)
	TTL       uint8      // of adverts to Peers; 0: 255
	PeersOnly bool       // adverts of others than Peers are refused
	Checksum  Checksum
	// KeepChecksum does not change to GroupHeader where a peer is heard with it (old_unicast_checksum never).
	KeepChecksum bool
	Password     string // of version 2; empty: no authentication
	// ReceiveBuffer is the size of the socket's in bytes (kernel_rx_buf_size); 0: as the host has it.
	ReceiveBuffer int
	// MAC is where adverts come from, and the MAC of the addresses (use_vmac); zero: the interface's.
	MAC frame.MAC

	Addresses []netip.Addr // in the adverts, in this order
	// SkipAddresses does not compare the addresses of a second advert of the same master.
	SkipAddresses bool
	// Strict refuses adverts of version 2 with other addresses, unless their sender owns them: RFC 3768 section 7.1.
	Strict bool

	Preempt      bool
	PreemptDelay time.Duration // a backup of a higher priority waits for so long
	DownAdverts  int           // intervals of silence until the master is down; 0: 3
	// QuietLower does not answer an advert of a lower priority; SpeakHigher sends one more advert before it
	// gives way to a higher one. Both are keepalived's words lower_prio_no_advert and higher_prio_send_advert.
	QuietLower, SpeakHigher bool
	OwnerIgnores            bool  // an owner ignores adverts of others
	LateBackup              uint8 // priority of a master whose timer was late, for one advert; 0: it goes on as it is

	Tracks []Track
}

// A Peer is a router that adverts are sent to and come from.
type Peer struct {
	Addr           netip.Addr
	MinTTL, MaxTTL uint8 // of its adverts; both 0: any
}

// Checksum is a way to make the checksum of version 3.
type Checksum uint8

// The ways. Adverts are believed with each of them that is as strong; see Decode.
const (
	// PseudoHeader is that of RFC 5798 and of keepalived: the addresses of the packet count.
	PseudoHeader Checksum = iota
	// NoPseudoHeader is that of version 2, which other makers use for IPv4 (v3_checksum_as_v2).
	NoPseudoHeader
	// GroupHeader is that of keepalived up to 1.3.6 for unicast: the multicast group counts as the destination
	// (old_unicast_checksum).
	GroupHeader
)

// A Tracker names something outside that counts for priorities and faults.
type Tracker struct {
	Kind string // such as "track_script"
	Name string
}

// A Track is a Tracker as it counts for an instance or a group. Weight 0 means fault while it is down, or with Reverse
// while it is up. A positive weight is added to the priority while it is up, a negative one while it is down; Reverse
// takes it away instead. With Factor the weight is multiplied by the tracker's Value, and -254 and less is a fault.
type Track struct {
	Tracker
	Weight  int
	Reverse bool
	Factor  bool // a track_file
}

// Tracked is the news of a tracker. A tracker that has said nothing yet is up.
type Tracked struct {
	Tracker
	Up    bool
	Value int // of a file: the number in it; else 0
}

// A Group is instances whose roles go together.
type Group struct {
	Name    string
	Members []string // names of Instances
	Tracks  []Track  // they count for all members
}
