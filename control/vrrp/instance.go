package vrrp

import (
	"net/netip"
	"slices"
	"time"
)

// Owner is the priority of the router that owns the addresses; Default is that of backups that say nothing else.
const (
	Owner   = 255
	Default = 100
)

const defaultDownAdverts = 3

// An instance is one virtual router as it is now. Times are nanoseconds of the Machine's clock; 0: the timer is off.
type instance struct {
	s        Instance
	group    *group // nil: it is in none
	role     Role
	priority uint8      // in force
	source   netip.Addr // invalid: it cannot send
	down     int        // trackers that put it in fault
	wants    bool       // its timer has run out, and its group does not let it be master

	startAt    int64 // Init ends
	downAt     int64 // Backup: the master is down
	advertAt   int64 // Master: the next advert
	preemptAt  int64 // Backup: adverts of lower priorities do not count any more; 0: none was heard
	answeredAt int64 // Master: the last answer to another one

	interval time.Duration // that of the master, which a backup learns from adverts of version 3
	master   netip.Addr    // whose advert was accepted last
	told     bool          // whose addresses differ from its own

	stats Stats
}

// Stats count what an instance did and heard.
type Stats struct {
	Became   uint64          // times it has become master
	Sent     uint64          // adverts
	SentZero uint64          // among them with priority 0
	Received [Reasons]uint64 // packets by what became of them
	Zero     uint64          // accepted ones of priority 0
	// Differ are accepted ones with other addresses than its own, and Odd those of version 3 with another
	// interval.
	Differ, Odd uint64
}

// skew is how much longer a backup of this priority waits: RFC 3768 section 6.1, RFC 9568 section 6.1.
func (i *instance) skew() int64 {
	unit := time.Second
	if i.s.Version == 3 {
		unit = i.interval
	}
	return int64(256-int(i.priority)) * int64(unit) / 256
}

// patience is how long a backup waits for an advert.
func (i *instance) patience() int64 {
	n := i.s.DownAdverts
	if n == 0 {
		n = defaultDownAdverts
	}
	return int64(n)*int64(i.interval) + i.skew()
}

// outranks reports whether an advert of this priority and source is of a better master than i.
func (i *instance) outranks(priority uint8, src netip.Addr) bool {
	if priority != i.priority {
		return priority > i.priority
	}
	return src.Compare(i.source) > 0
}

// effective is the priority with what the trackers add.
func (i *instance) effective(add int) uint8 {
	if i.s.Priority == Owner {
		return Owner
	}
	return uint8(min(max(int(i.s.Priority)+add, 1), Owner-1))
}

// same reports whether these are i's addresses, in any order.
func (i *instance) same(list []netip.Addr) bool {
	if len(list) != len(i.s.Addresses) {
		return false
	}
	if slices.Equal(list, i.s.Addresses) {
		return true
	}
	for _, a := range list {
		if !slices.Contains(i.s.Addresses, a) {
			return false
		}
	}
	return true
}

// destination is the multicast group of i.
func (i *instance) destination() netip.Addr {
	switch {
	case i.s.Group.IsValid():
		return i.s.Group
	case i.s.IPv6:
		return netip.AddrFrom16([16]byte{0: 0xff, 1: 0x02, 15: 0x12}) // ff02::12
	}
	return netip.AddrFrom4([4]byte{224, 0, 0, 18})
}

// advert makes i's advert with this priority. An IPv6 advert has its link-local addresses in front: RFC 9568 section 5.2.9.
func (i *instance) advert(priority uint8) *Advert {
	a := &Advert{
		Version: i.s.Version, ID: i.s.ID, Priority: priority, Interval: i.s.Interval, Addresses: i.s.Addresses, Checksum: i.s.Checksum,
	}
	if i.s.Version == 2 && i.s.Password != "" {
		a.Auth, a.Password = AuthPassword, password(i.s.Password)
	}
	if i.s.IPv6 {
		a.Addresses = linkLocalFirst(a.Addresses)
	}
	if a.Checksum == GroupHeader && len(i.s.Peers) == 0 {
		a.Checksum = PseudoHeader // the destination is the group
	}
	return a
}

// linkLocalFirst is list with the link-local addresses in front, else in its order.
func linkLocalFirst(list []netip.Addr) []netip.Addr {
	rank := func(a netip.Addr) int {
		if a.IsLinkLocalUnicast() {
			return 0
		}
		return 1
	}
	ordered := func(a, b netip.Addr) int { return rank(a) - rank(b) }
	if slices.IsSortedFunc(list, ordered) {
		return list
	}
	list = slices.Clone(list)
	slices.SortStableFunc(list, ordered)
	return list
}

// peer is the peer with this address, or nil.
func (i *instance) peer(a netip.Addr) *Peer {
	for k := range i.s.Peers {
		if i.s.Peers[k].Addr == a {
			return &i.s.Peers[k]
		}
	}
	return nil
}
