package vrrp

import (
	"net/netip"
	"slices"
	"time"

	"lvsdr/dataplane/frame"
)

// A Machine is all virtual routers of a host. It is pure: each method is told the time, in nanoseconds of a clock that
// only goes on, and what is to be sent and reported is fetched with Take. It is not safe for use by several goroutines.
type Machine struct {
	instances []*instance // in the order of the settings
	byWire    map[wire]*instance
	groups    []*group
	trackers  map[Tracker]Tracked
	sources   map[link]netip.Addr
	started   int64 // the first Set; 0: there was none
	holdUntil int64 // backups leave a master that they hear alone; 0: by their priority
	closed    bool

	out     []Packet
	changes []Change
	unknown [Reasons]uint64 // packets for no instance
	advert  Advert          // scratch
}

// A wire tells the adverts of instances apart.
type wire struct {
	iface string
	id    uint8
	is6   bool
}

// A link is one family of an interface.
type link struct {
	iface string
	is6   bool
}

// A group is a Group as it is now.
type group struct {
	s       Group
	members []*instance
	role    Role
}

// A Packet is an advert on an interface, without its IP header.
type Packet struct {
	Interface string
	// MAC of a packet to be sent is set where the instance has one of its own.
	MAC      frame.MAC
	Src, Dst netip.Addr
	TTL      uint8
	Payload  []byte // a packet to be sent owns it
}

// NewMachine is a Machine without instances.
func NewMachine() *Machine {
	return &Machine{byWire: map[wire]*instance{}, trackers: map[Tracker]Tracked{}, sources: map[link]netip.Addr{}}
}

// Take returns the packets to be sent and the changes to be reported since it was called last, in their order. They are
// the caller's until the next call of a method.
func (m *Machine) Take() ([]Packet, []Change) {
	out, changes := m.out, m.changes
	m.out, m.changes = m.out[:0:0], m.changes[:0:0]
	return out, changes
}

// Set makes the instances and groups those of s. An instance that stays keeps its role, unless its interface, version
// or virtual router ID is another one.
func (m *Machine) Set(now int64, s Settings) {
	if m.closed {
		return
	}
	if m.started == 0 {
		m.started = max(now, 1)
	}
	m.hold(now, s.Hold)
	old := m.instances
	m.instances, m.groups, m.byWire = nil, nil, map[wire]*instance{}
	var came []*instance
	for _, want := range s.Instances {
		i := take(&old, want)
		if i == nil {
			i = &instance{startAt: max(now, m.started+int64(s.StartupDelay), 1), interval: want.Interval}
			came = append(came, i)
		}
		i.s, i.group = want, nil
		m.instances = append(m.instances, i)
		m.byWire[wire{want.Interface, want.ID, want.IPv6}] = i
	}
	for _, gone := range old {
		gone.group = nil
		m.stop(now, gone)
	}
	for _, want := range s.Groups {
		m.addGroup(want)
	}
	for _, i := range m.instances {
		if i.role != Backup {
			i.interval = i.s.Interval
		}
		m.resource(i)
		m.weigh(now, i, !slices.Contains(came, i))
	}
	for _, i := range m.instances {
		m.settle(now, i)
	}
	m.Tick(now)
}

// hold begins or ends what Settings.Hold says.
func (m *Machine) hold(now int64, on bool) {
	switch {
	case !on:
		m.holdUntil = 0
	case m.holdUntil == 0:
		m.holdUntil = now + int64(HoldAtMost)
	}
}

// held reports whether backups leave a master that they hear alone.
func (m *Machine) held(now int64) bool { return now < m.holdUntil }

// take removes the instance that is to become want from old and returns it; nil: there is none.
func take(old *[]*instance, want Instance) *instance {
	k := slices.IndexFunc(*old, func(i *instance) bool {
		return i.s.Name == want.Name && i.s.Interface == want.Interface && i.s.ID == want.ID && i.s.IPv6 == want.IPv6 && i.s.Version == want.Version
	})
	if k < 0 {
		return nil
	}
	i := (*old)[k]
	*old = slices.Delete(*old, k, k+1)
	return i
}

// addGroup makes a group of the members that are there and in none yet.
func (m *Machine) addGroup(want Group) {
	g := &group{s: want, role: Init}
	for _, name := range want.Members {
		for _, i := range m.instances {
			if i.s.Name == name && i.group == nil {
				i.group = g
				g.members = append(g.members, i)
			}
		}
	}
	if len(g.members) == 0 {
		return
	}
	m.groups = append(m.groups, g)
	g.role = g.members[0].role
}

// Track takes in what a tracker says.
func (m *Machine) Track(now int64, t Tracked) {
	if m.trackers[t.Tracker] == t || m.closed {
		return
	}
	m.trackers[t.Tracker] = t
	for _, i := range m.instances {
		if i.tracks(t.Tracker) {
			m.weigh(now, i, true)
		}
	}
	for _, i := range m.instances {
		m.settle(now, i)
	}
}

// Source takes in the address that adverts of one family on an interface come from; invalid: there is none, and the
// instances on it are in fault unless they name another one.
func (m *Machine) Source(now int64, iface string, is6 bool, a netip.Addr) {
	if m.sources[link{iface, is6}] == a || m.closed {
		return
	}
	m.sources[link{iface, is6}] = a
	for _, i := range m.instances {
		m.resource(i)
		m.settle(now, i)
	}
}

// resource finds the source of i's adverts.
func (m *Machine) resource(i *instance) {
	i.source = i.s.Source
	if !i.source.IsValid() {
		i.source = m.sources[link{i.s.Interface, i.s.IPv6}]
	}
}

// Wake is when Tick is to be called next; false: no timer runs.
func (m *Machine) Wake() (int64, bool) {
	at := int64(0)
	for _, i := range m.instances {
		for _, t := range []int64{i.startAt, i.downAt, i.advertAt} {
			if t != 0 && (at == 0 || t < at) {
				at = t
			}
		}
	}
	return at, at != 0
}

// Tick runs the timers that have run out.
func (m *Machine) Tick(now int64) {
	if m.closed {
		return
	}
	for _, i := range m.instances {
		if i.startAt != 0 && now >= i.startAt {
			m.start(now, i)
		}
	}
	for _, i := range m.instances {
		switch {
		case i.role == Backup && i.downAt != 0 && now >= i.downAt:
			m.timeout(now, i)
		case i.role == Master && now >= i.advertAt:
			m.repeat(now, i)
		}
	}
}

// repeat sends the advert that is due. A master that comes so late that others have taken over may give way.
func (m *Machine) repeat(now int64, i *instance) {
	late := now - i.advertAt
	if i.s.LateBackup != 0 && late > i.patience()-int64(i.s.Interval) {
		m.send(i, i.s.LateBackup)
		m.leave(now, i)
		return
	}
	m.send(i, i.priority)
	// The next one is due an interval after this one was, so that lateness does not add up.
	if i.advertAt += int64(i.s.Interval); i.advertAt <= now {
		i.advertAt = now + int64(i.s.Interval)
	}
}

// Close stops all instances: masters say so with priority 0.
func (m *Machine) Close(now int64) {
	if m.closed {
		return
	}
	for _, i := range m.instances {
		m.stop(now, i)
	}
	for _, g := range m.groups {
		g.role = Stopped
		m.changes = append(m.changes, Change{Group: g.s.Name, Role: Stopped})
	}
	m.closed, m.instances, m.groups, m.byWire = true, nil, nil, map[wire]*instance{}
}

// stop ends an instance.
func (m *Machine) stop(now int64, i *instance) {
	if i.role == Master {
		m.send(i, 0)
	}
	i.startAt = 0
	m.enter(now, i, Stopped)
}

// State is an instance as it is now.
type State struct {
	Name     string
	Role     Role
	Priority uint8      // in force
	Source   netip.Addr // of its adverts; invalid: it has none
	Master   netip.Addr // whose advert was accepted last; invalid: nobody's
	// Interval is that of the master: learned from adverts by a backup with version 3.
	Interval time.Duration
	Faults   int // trackers that are down, or a missing address
	Stats    Stats
}

// States are all instances, in the order of the settings.
func (m *Machine) States() []State {
	var all []State
	for _, i := range m.instances {
		all = append(all, State{i.s.Name, i.role, i.priority, i.source, i.master, i.interval, i.faults(), i.stats})
	}
	return all
}

// Trusted are the routers that are known on one family of an interface: peers, and the masters of backups. It is empty
// where an instance knows none, since then any router may be a better one.
func (m *Machine) Trusted(iface string, is6 bool) []netip.Addr {
	var all []netip.Addr
	for _, i := range m.instances {
		if i.s.Interface != iface || i.s.IPv6 != is6 {
			continue
		}
		known := len(all)
		for _, p := range i.s.Peers {
			all = append(all, p.Addr)
		}
		if i.role == Backup && i.master.IsValid() && i.master != i.source {
			all = append(all, i.master)
		}
		if len(all) == known {
			return nil
		}
	}
	return all
}

// Unknown counts the packets that no instance was found for, by reason.
func (m *Machine) Unknown() [Reasons]uint64 { return m.unknown }
